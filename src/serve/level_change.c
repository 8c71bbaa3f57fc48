// One object of two strings: less than a parser of JSON has to know. A module's name and a level's
// have no character that JSON escapes.

#include "serve/level_change.h"

#include <stdbool.h>
#include <string.h>

#include "signals/log_level.h"

struct text {
    const char *at, *end;
};

static void skip_space(struct text *t)
{
    while (t->at < t->end &&
           (*t->at == ' ' || *t->at == '\t' || *t->at == '\r' || *t->at == '\n')) {
        t->at++;
    }
}

static bool take(struct text *t, char c)
{
    skip_space(t);
    if (t->at == t->end || *t->at != c) {
        return false;
    }
    t->at++;
    return true;
}

static bool take_string(struct text *t, struct text *ret)
{
    if (!take(t, '"')) {
        return false;
    }
    ret->at = t->at;
    while (t->at < t->end && *t->at != '"') {
        if (*t->at < ' ' || *t->at > '~' || *t->at == '\\') {
            return false;
        }
        t->at++;
    }
    ret->end = t->at;
    return take(t, '"');
}

static bool is(const struct text *t, const char *word)
{
    size_t n = (size_t)(t->end - t->at);
    return strlen(word) == n && memcmp(t->at, word, n) == 0;
}

static const char *read_pairs(struct text *t, struct text *level, struct text *module)
{
    static const char no_json[] = "The body is a JSON object: {\"level\":\"debug\"}, with a "
                                  "\"module\" or without.";
    struct text key, value;
    do {
        if (!take_string(t, &key) || !take(t, ':') || !take_string(t, &value)) {
            return no_json;
        }
        struct text *to = is(&key, "level") ? level : is(&key, "module") ? module : NULL;
        if (!to) {
            return "There is \"level\", and \"module\".";
        }
        if (to->at) {
            return "A key stands there twice.";
        }
        *to = value;
    } while (take(t, ','));
    bool closed = take(t, '}');
    skip_space(t);
    return closed && t->at == t->end ? NULL : no_json;
}

const char *spy__level_change_read(struct spy__level_change *ret, const char *body, size_t n)
{
    struct text t = { body, body + n }, level = { NULL, NULL }, module = { NULL, NULL };
    struct spy__level_change change = { .module = "" };
    if (!take(&t, '{')) {
        return "The body is a JSON object: {\"level\":\"debug\"}, with a \"module\" or without.";
    }
    const char *why = read_pairs(&t, &level, &module);
    if (why) {
        return why;
    }
    if (!level.at || !spy__level_read(&change.level, level.at, (size_t)(level.end - level.at))) {
        return "\"level\" is debug, info, warn, error, off or default.";
    }
    if (module.at) {
        size_t bytes = (size_t)(module.end - module.at);
        if (bytes == 0 || bytes > SPY_MODULE_NAME_MAX) {
            return "\"module\" is 1 to 63 bytes long.";
        }
        memcpy(change.module, module.at, bytes);
    }
    *ret = change;
    return NULL;
}
