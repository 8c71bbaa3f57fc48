// The JSON writer. Its time goes into strings, and there into finding how far a string is clean.

#include "base/json.h"

#include "base/number.h"
#include "base/utf8.h"

static void begin_value(struct spy__json *j)
{
    if (j->comma) {
        spy__buf_putc(j->out, ',');
    }
    j->comma = true;
}

static void begin_nest(struct spy__json *j, char c)
{
    begin_value(j);
    spy__buf_putc(j->out, c);
    j->comma = false;
}

static void end_nest(struct spy__json *j, char c)
{
    spy__buf_putc(j->out, c);
    j->comma = true;
}

void spy__json_object(struct spy__json *j)
{
    begin_nest(j, '{');
}

void spy__json_object_end(struct spy__json *j)
{
    end_nest(j, '}');
}

void spy__json_array(struct spy__json *j)
{
    begin_nest(j, '[');
}

void spy__json_array_end(struct spy__json *j)
{
    end_nest(j, ']');
}

// Whether one of eight bytes may be below 0x20, above 0x7f, a quote or a backslash (the zero-byte
// test of https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord; a borrow may mark a byte
// after the first such one, never where there is none).
static inline bool is_special(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
    return (((w - ones * 0x20) | w | (quote - ones) | (slash - ones)) & highs) != 0;
}

// Eight bytes; or four to seven, those in the middle twice.
static inline uint64_t load8(const char *s)
{
    uint64_t w;
    memcpy(&w, s, 8);
    return w;
}
static inline uint64_t load4x2(const char *s, const char *t)
{
    uint32_t a, b;
    memcpy(&a, s, 4);
    memcpy(&b, t, 4);
    return a | (uint64_t)b << 32;
}

// How many bytes at s are printable ASCII that JSON takes as they are. Eight at a time, the last ones
// with those before them once more; a word with a special byte is looked at byte by byte.
static inline size_t clean_run(const char *s, size_t n)
{
    size_t i = 0;
    if (n >= 8) {
        while (n - i >= 8 && !is_special(load8(s + i))) {
            i += 8;
        }
        if (n - i < 8 && !is_special(load8(s + n - 8))) {
            return n;
        }
    } else if (n >= 4 && !is_special(load4x2(s, s + n - 4))) {
        return n;
    }
    for (; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') {
            break;
        }
    }
    return i;
}

// A string in its quotes. Most are clean: there is one look for room, and one copy.
static inline void put_string(struct spy__json *j, const char *s, size_t n, bool key)
{
    struct spy__buf *out = j->out;
    if (!spy__buf_reserve(out, n + 2u + j->comma + key)) {
        return;
    }
    const size_t clean = clean_run(s, n);
    char *to = out->bytes + out->len;
    if (j->comma) {
        *to++ = ',';
    }
    *to++ = '"';
    if (n > 0) { // s may be NULL
        to = (char *)mempcpy(to, s, clean);
    }
    if (__builtin_expect(clean < n, 0)) {
        out->len = (size_t)(to - out->bytes);
        spy__json_escape(out, s + clean, n - clean);
        if (!spy__buf_reserve(out, 1u + key)) {
            return;
        }
        to = out->bytes + out->len;
    }
    *to++ = '"';
    if (key) {
        *to++ = ':';
    }
    out->len = (size_t)(to - out->bytes);
    j->comma = !key;
}

void spy__json_keyn(struct spy__json *j, const char *key, size_t n)
{
    put_string(j, key, n, true);
}

void spy__json_strn(struct spy__json *j, const char *s, size_t n)
{
    put_string(j, s, n, false);
}

void spy__json_i64(struct spy__json *j, int64_t v)
{
    char text[SPY__NUMBER_MAX];
    begin_value(j);
    spy__buf_put(j->out, text, spy__i64_print(text, v));
}

void spy__json_u64(struct spy__json *j, uint64_t v)
{
    char text[SPY__NUMBER_MAX];
    begin_value(j);
    spy__buf_put(j->out, text, spy__u64_print(text, v));
}

void spy__json_double(struct spy__json *j, double v)
{
    char text[SPY__NUMBER_MAX];
    begin_value(j);
    spy__buf_put(j->out, text, spy__double_print_json(text, v));
}

void spy__json_bool(struct spy__json *j, bool v)
{
    begin_value(j);
    spy__buf_puts(j->out, v ? "true" : "false");
}

void spy__json_null(struct spy__json *j)
{
    begin_value(j);
    spy__buf_puts(j->out, "null");
}

char *spy__json_members(struct spy__json *j, size_t n)
{
    if (!spy__buf_reserve(j->out, n + 1)) {
        return NULL;
    }
    begin_value(j);
    return j->out->bytes + j->out->len;
}

void spy__json_members_end(struct spy__json *j, const char *end)
{
    j->out->len = (size_t)(end - j->out->bytes);
}

// One byte of ASCII that does not stand for itself (RFC 8259 section 7).
static void put_escape(struct spy__buf *out, unsigned char c)
{
    static const char hex[16] = "0123456789abcdef";
    switch (c) {
    case '"':
        spy__buf_put(out, "\\\"", 2);
        break;
    case '\\':
        spy__buf_put(out, "\\\\", 2);
        break;
    case '\n':
        spy__buf_put(out, "\\n", 2);
        break;
    case '\r':
        spy__buf_put(out, "\\r", 2);
        break;
    case '\t':
        spy__buf_put(out, "\\t", 2);
        break;
    default: {
        const char code[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        spy__buf_put(out, code, sizeof(code));
    }
    }
}

void spy__json_escape(struct spy__buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t run = clean_run(s + i, n - i);
        spy__buf_put(out, s + i, run);
        i += run;
        if (i == n) {
            return;
        }
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80) {
            put_escape(out, c);
            i++;
            continue;
        }
        size_t len = spy__utf8_char((const unsigned char *)s + i, n - i);
        if (len > 0) {
            spy__buf_put(out, s + i, len);
            i += len;
        } else {
            spy__buf_put(out, "\xef\xbf\xbd", 3); // U+FFFD
            i++;
        }
    }
}
