#include "record/mask/mask_json.h"

size_t spy__backslashes_before(const char *s, size_t at)
{
    size_t run = 0;
    while (run < at && s[at - run - 1] == '\\') {
        run++;
    }
    return run;
}

// Whether a quote with `run` backslashes before it ends a string whose quotes have `escapes`, or one
// that holds it.
static bool ends_string(size_t run, size_t escapes)
{
    for (size_t own = 0; own <= escapes; own = 2 * own + 1) {
        if ((run & (2 * own + 1)) == own) {
            return true;
        }
    }
    return false;
}

size_t spy__json_string_end(const char *s, size_t n, size_t at, char quote, size_t escapes)
{
    for (size_t run = 0; at < n; at++) {
        if (s[at] == quote && ends_string(run, escapes)) {
            return at;
        }
        run = s[at] == '\\' ? run + 1 : 0;
    }
    return n;
}

static size_t skip_space(const char *s, size_t n, size_t at)
{
    while (at < n && (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n')) {
        at++;
    }
    return at;
}

size_t spy__json_nest_end(const char *s, size_t n, size_t at, size_t escapes, bool *ret_text)
{
    size_t depth = 0;
    *ret_text = false;
    for (; at < n; at++) {
        char c = s[at];
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return at + 1;
        } else if (c == '"' || c == '\'') {
            if (spy__backslashes_before(s, at) < escapes) {
                return at - spy__backslashes_before(s, at);
            }
            at = spy__json_string_end(s, n, at + 1, c, escapes);
            size_t after = skip_space(s, n, at < n ? at + 1 : n);
            *ret_text = *ret_text || after >= n || s[after] != ':';
        }
    }
    return n;
}
