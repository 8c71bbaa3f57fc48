// Keys are compared letter by letter, with '_', '-' and '.' left out, so that apiKey, api-key and
// api_key are one word. It runs for each field of each line: a key is walked once, and words are
// tried only where their first letter stands.

#include "record/mask.h"

#include <stddef.h>

struct word {
    const char *text; // lower case, its separators left out
    bool whole;       // stands alone, between separators: `dsn`, not the end of `windsn`
    bool text_only;   // a number under it is no secret
};

// By first letter; what log_json's test lists is the specification.
static const struct word words_a[] = {
    { "authorization" }, { "apikey" }, { "accesskey" }, { NULL }
};
static const struct word words_c[] = { { "cookie" }, { "credential" }, { NULL } };
static const struct word words_d[] = { { "dsn", .whole = true }, { NULL } };
static const struct word words_j[] = { { "jwt", .whole = true }, { NULL } };
static const struct word words_p[] = { { "password" },           { "passwd" },
                                       { "passphrase" },         { "privatekey" },
                                       { "pwd", .whole = true }, { NULL } };
static const struct word words_s[] = { { "secret" }, { "sessionkey" }, { "signingkey" }, { NULL } };
static const struct word words_t[] = { { "token", .text_only = true }, { NULL } };

static const struct word *words_of(char first)
{
    switch (first) {
    case 'a':
        return words_a;
    case 'c':
        return words_c;
    case 'd':
        return words_d;
    case 'j':
        return words_j;
    case 'p':
        return words_p;
    case 's':
        return words_s;
    case 't':
        return words_t;
    default:
        return NULL;
    }
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_separator(char c)
{
    return c == '_' || c == '-' || c == '.' || c == ' ';
}

// Whether the word begins at key[at].
static bool word_at(const char *key, size_t at, const struct word *word)
{
    if (word->whole && at > 0 && !is_separator(key[at - 1])) {
        return false;
    }
    const char *k = key + at, *w = word->text;
    for (; *w; k++) {
        if (is_separator(*k) && !word->whole) {
            continue;
        }
        if (lower(*k) != *w) {
            return false;
        }
        w++;
    }
    return !word->whole || *k == '\0' || is_separator(*k);
}

bool spy__is_secret(const struct spy_field *field)
{
    if (!field->key) {
        return false;
    }
    for (size_t i = 0; field->key[i]; i++) {
        const struct word *word = words_of(lower(field->key[i]));
        for (; word && word->text; word++) {
            if (word_at(field->key, i, word) &&
                !(word->text_only && field->type != SPY_FIELD_STR)) {
                return true;
            }
        }
    }
    return false;
}
