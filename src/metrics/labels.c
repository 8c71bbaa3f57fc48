// Names and values of labels: what they may be, and how they look in an exposition.
#include "metrics/family.h"

#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"

// A fixed start for the hash of a child's values: any number will do.
#define HASH_SEED 0x53707967u

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_ok(const char *name, bool colons)
{
    if (!name || !(is_letter(*name) || (colons && *name == ':'))) {
        return false;
    }
    size_t n = 1;
    for (; name[n]; n++) {
        bool digit = name[n] >= '0' && name[n] <= '9';
        if (n == SPY__NAME_MAX || !(is_letter(name[n]) || digit || (colons && name[n] == ':'))) {
            return false;
        }
    }
    return true;
}

// https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
bool spy__metric_name_ok(const char *name)
{
    return name_ok(name, true);
}

bool spy__label_name_ok(const char *name)
{
    return name_ok(name, false) && strncmp(name, "__", 2) != 0;
}

void spy__values_read(struct spy__label_values *ret, const char *const values[], size_t n)
{
    uint64_t hash = HASH_SEED;
    ret->too_long = false;
    for (size_t i = 0; i < n; i++) {
        const char *value = values[i] ? values[i] : "";
        size_t len = strnlen(value, SPY__VALUE_MAX + 1);
        ret->at[i] = value;
        ret->len[i] = len;
        ret->too_long |= len > SPY__VALUE_MAX;
        hash = spy__hash(value, len, hash);
    }
    ret->hash = (uint32_t)(hash ^ hash >> 32);
}

size_t spy__text_normalise(char *out, size_t max, const char *text, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n;) {
        size_t char_len = spy__utf8_char((const unsigned char *)text + i, n - i);
        const char *from = char_len ? text + i : "\xEF\xBF\xBD"; // U+FFFD
        size_t from_len = char_len ? char_len : 3;
        if (from_len > max - len) {
            break;
        }
        memcpy(out + len, from, from_len);
        len += from_len;
        i += char_len ? char_len : 1;
    }
    return len;
}

bool spy__values_normalise(struct spy__label_values *v, size_t n,
                           char storage[SPY_LABELS_MAX][SPY__VALUE_MAX])
{
    bool changed = false;
    uint64_t hash = HASH_SEED;
    for (size_t i = 0; i < n; i++) {
        if (v->len[i] > SPY__VALUE_MAX || !spy__utf8_valid(v->at[i], v->len[i])) {
            // What was read of a long value ends one byte past the maximum; four more would not
            // change the cut.
            v->len[i] = spy__text_normalise(storage[i], SPY__VALUE_MAX, v->at[i], v->len[i]);
            v->at[i] = storage[i];
            changed = true;
        }
        hash = spy__hash(v->at[i], v->len[i], hash);
    }
    v->hash = (uint32_t)(hash ^ hash >> 32);
    v->too_long = false;
    return changed;
}

// The character to put behind a backslash in place of c, or 0 where c stands for itself.
// https://prometheus.io/docs/instrumenting/exposition_formats/#comments-help-text-and-type-information
static char escape_of(char c)
{
    return c == '\n' ? 'n' : c == '\\' || c == '"' ? c : 0;
}

// Whether text, up to its closing quote, is the escaped form of a value; returns its length, or -1.
static ptrdiff_t match_escaped(const char *text, const char *end, const char *value, size_t len)
{
    const char *at = text;
    for (size_t i = 0; i < len; i++) {
        char escape = escape_of(value[i]);
        if (end - at < 2) { // the closing quote comes after
            return -1;
        }
        if (escape && *at++ != '\\') {
            return -1;
        }
        if (*at++ != (escape ? escape : value[i])) {
            return -1;
        }
    }
    return at < end && *at == '"' ? at - text : -1;
}

bool spy__values_equal(const struct spy__family *f, const struct spy__child *c,
                       const struct spy__label_values *v)
{
    const char *at = c->text;
    const char *end = at + c->text_len;
    for (size_t i = 0; i < f->label_count; i++) {
        at += f->label_lens[i] + 2; // name="
        ptrdiff_t len = (ptrdiff_t)v->len[i];
        if (c->escaped) {
            len = match_escaped(at, end, v->at[i], v->len[i]);
            if (len < 0) {
                return false;
            }
        } else if (end - at <= len || at[len] != '"' || memcmp(at, v->at[i], v->len[i]) != 0) {
            return false;
        }
        at += len + 2; // ",
    }
    return true;
}

size_t spy__values_text_len(const struct spy__family *f, const struct spy__label_values *v,
                            bool *ret_escaped)
{
    size_t len = 0, escapes = 0;
    for (size_t i = 0; i < f->label_count; i++) {
        len += (i > 0) + f->label_lens[i] + 3 + v->len[i]; // ,name="value"
        for (size_t j = 0; j < v->len[i]; j++) {
            escapes += escape_of(v->at[i][j]) != 0;
        }
    }
    *ret_escaped = escapes > 0;
    return len + escapes;
}

void spy__values_text(const struct spy__family *f, const struct spy__label_values *v, char *out)
{
    for (size_t i = 0; i < f->label_count; i++) {
        if (i > 0) {
            *out++ = ',';
        }
        memcpy(out, f->labels[i], f->label_lens[i]);
        out += f->label_lens[i];
        *out++ = '=';
        *out++ = '"';
        for (size_t j = 0; j < v->len[i]; j++) {
            char escape = escape_of(v->at[i][j]);
            if (escape) {
                *out++ = '\\';
            }
            *out++ = escape ? escape : v->at[i][j];
        }
        *out++ = '"';
    }
}
