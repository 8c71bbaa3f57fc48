// Whatever names a secret stands before a ':', a '=' or a space: the text is looked at only there.

#include "record/mask/mask_text.h"

#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/bytes16.h"
#include "record/mask/mask.h"
#include "record/mask/mask_json.h"

// Bytes looked back at for a key or ahead for an odd password, and ahead for what may have nothing
// to mask.
#define MASK_BACK 256
#define MASK_AHEAD 1024
// As many times may a byte be part of a value that is masked.
#define WORK_MAX 8
// A user's name alone, as long as this, is a key: https://0123456789abcdef@sentry.example/1.
#define USER_KEY_BYTES 16

// The text is looked at all along, what is masked too: nothing in a value can hide the secret after
// it, say by a quote that opens there and closes in another value.
struct scan {
    const struct spy__mask_words *more;
    struct spy__buf *out;
    const char *s;
    size_t n;
    size_t copied; // bytes of s that are in out, or masked
    size_t work;   // bytes of all values masked, those inside of others counted again
    bool masked;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_space(const struct scan *t, size_t at)
{
    while (at < t->n && is_space(t->s[at])) {
        at++;
    }
    return at;
}

// Writes the mark in place of [from, to), between the quotes given, or makes the one that stands
// there reach as far; returns where to go on. Values within values are looked at a few times over:
// past that, all the rest is masked.
static size_t mask_between(struct scan *t, size_t from, size_t to, const char *quote,
                           size_t quote_bytes)
{
    if (to <= from) {
        return from;
    }
    t->work += to - from;
    to = t->work > WORK_MAX * t->n ? t->n : to;
    if (from >= t->copied) {
        spy__buf_put(t->out, t->s + t->copied, from - t->copied);
        spy__buf_put(t->out, quote, quote_bytes);
        spy__buf_puts(t->out, SPY__REDACTED);
        spy__buf_put(t->out, quote, quote_bytes);
    }
    t->copied = to > t->copied ? to : t->copied;
    t->masked = true;
    return t->copied == t->n ? t->n : from;
}

static size_t mask(struct scan *t, size_t from, size_t to)
{
    return mask_between(t, from, to, "", 0);
}

// The first place from `at` where s has one of the bytes.
static size_t find_any(const struct scan *t, size_t at, const char *bytes)
{
    while (at < t->n && (t->s[at] == '\0' || !strchr(bytes, t->s[at]))) {
        at++;
    }
    return at;
}

// ---- keys

// What a key names once its escapes are undone: %41 in a URL, \u0041 in JSON at any depth. Other
// characters than ASCII are none of a word's.
static enum spy__key_kind kind_of(const struct scan *t, size_t from, size_t to)
{
    char key[2 * MASK_BACK];
    size_t n = 0;
    if (!memchr(t->s + from, '%', to - from) && !memchr(t->s + from, '\\', to - from)) {
        return spy__key_kind(t->more, t->s + from, to - from);
    }
    for (size_t i = from; i < to && n < sizeof(key); i++) {
        char c = t->s[i];
        size_t digits = c == '%' && to - i > 2                                      ? 2
                        : c == 'u' && i > from && t->s[i - 1] == '\\' && to - i > 4 ? 4
                                                                                    : 0;
        int code = 0;
        for (size_t d = 1; d <= digits && code >= 0; d++) {
            int digit = spy__ascii_hex_digit(t->s[i + d]);
            code = digit < 0 ? -1 : code * 16 + digit;
        }
        if (digits > 0 && code >= 0) {
            c = code < 0x80 ? (char)code : '?';
            i += digits;
        }
        if (c != '\\') {
            key[n++] = c;
        }
    }
    return spy__key_kind(t->more, key, n);
}

static bool is_key_char(char c)
{
    return spy__ascii_is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '%' || c == '[' ||
           c == ']';
}

// Where the bare key begins that ends before s[end].
static size_t bare_key_start(const struct scan *t, size_t end)
{
    size_t from = end;
    while (from > 0 && end - from < MASK_BACK && is_key_char(t->s[from - 1])) {
        from--;
    }
    return from;
}

// What the quoted key names whose closing quote is s[close]. One that begins nowhere near is none.
static enum spy__key_kind kind_of_quoted(const struct scan *t, size_t close)
{
    const char quote = t->s[close];
    const size_t escapes = spy__backslashes_before(t->s, close), end = close - escapes;
    for (size_t from = end; from > 0 && end - from <= MASK_BACK; from--) {
        char c = t->s[from - 1];
        if (c == quote && spy__backslashes_before(t->s, from - 1) <= escapes) {
            return kind_of(t, from, end);
        }
        if (c == '"' && quote != '"') {
            break;
        }
    }
    return SPY__KEY_CLEAN;
}

// ---- values

// Whether the bare value is a number, or true, false or null.
static bool is_number(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!spy__ascii_is_digit(s[i]) && !strchr("+-.eE", s[i])) {
            return (n == 4 && (memcmp(s, "true", 4) == 0 || memcmp(s, "null", 4) == 0)) ||
                   (n == 5 && memcmp(s, "false", 5) == 0);
        }
    }
    return n > 0;
}

// A quoted value whose opening quote is s[open].
static size_t mask_quoted(struct scan *t, size_t open)
{
    size_t escapes = spy__backslashes_before(t->s, open);
    size_t end = spy__json_string_end(t->s, t->n, open + 1, t->s[open], escapes);
    // The closing quote's own backslashes stay with it, where it has as many.
    size_t run = end < t->n ? spy__backslashes_before(t->s, end) : 0;
    size_t keep = run < escapes ? run : escapes;
    size_t to = end - keep > open ? end - keep : open + 1;
    return mask(t, open + 1, to);
}

// An object or array. Under a token, numbers alone may stay.
static size_t mask_nest(struct scan *t, size_t at, size_t escapes, enum spy__key_kind kind,
                        const char *quote, size_t quote_bytes)
{
    bool text;
    size_t near = kind == SPY__KEY_TOKEN && t->n - at > MASK_AHEAD ? at + MASK_AHEAD : t->n;
    size_t end = spy__json_nest_end(t->s, near, at, escapes, &text);
    if (kind == SPY__KEY_TOKEN && !text && (end < near || near == t->n)) {
        return at;
    }
    if (near < t->n && end == near) {
        end = spy__json_nest_end(t->s, t->n, at, escapes, &text);
    }
    return mask_between(t, at, end, quote, quote_bytes);
}

// A value after `key:`. Its key's closing quote was s[close], or close is t->n for a bare key.
static size_t mask_json_value(struct scan *t, size_t at, enum spy__key_kind kind, size_t close)
{
    const bool quoted = close < t->n;
    const size_t escapes = quoted ? spy__backslashes_before(t->s, close) : 0;
    // The mark in place of something that is no string becomes one.
    const char *quote = quoted ? t->s + close - escapes : "\"";
    size_t quote_bytes = quoted ? escapes + 1 : 1;
    at = skip_space(t, at);
    if (at == t->n) {
        return at;
    }
    size_t open = at;
    while (open < t->n && t->s[open] == '\\') {
        open++;
    }
    if (open < t->n && (t->s[open] == '"' || t->s[open] == '\'')) {
        return mask_quoted(t, open);
    }
    if (t->s[at] == '{' || t->s[at] == '[') {
        return mask_nest(t, at, escapes, kind, quote, quote_bytes);
    }
    size_t end = find_any(t, at, quoted ? ",}] \t\r\n\"\\" : ",}]\r\n\"\\");
    if (is_number(t->s + at, end - at) &&
        (kind == SPY__KEY_TOKEN || (end - at == 4 && t->s[at] == 'n'))) {
        return at;
    }
    return mask_between(t, at, end, quote, quote_bytes);
}

// ---- what stands before a ':'

// The password between "//" and '@', of a URL whose authority begins at s[at].
static size_t mask_user(struct scan *t, size_t at)
{
    size_t end = find_any(t, at, "/?#\\\"<> \t\r\n"), sign = end, colon = at;
    if (at < end && t->s[at] == '[') {
        return at; // an IPv6 address, and no user
    }
    while (sign > at && t->s[sign - 1] != '@') {
        sign--;
    }
    while (colon < end && t->s[colon] != ':') {
        colon++;
    }
    if (sign > at) {
        sign--;
        if (colon < sign) {
            return mask(t, colon + 1, sign);
        }
        return sign - at >= USER_KEY_BYTES ? mask(t, at, sign) : at;
    }
    // No '@' yet, and no port either: a password with a '/', '?' or '#' that nobody encoded.
    size_t port = colon + (colon < end);
    while (port < end && spy__ascii_is_digit(t->s[port])) {
        port++;
    }
    if (colon == end || (port == end && port > colon + 1)) {
        return at;
    }
    size_t far = t->n - colon > MASK_BACK ? colon + MASK_BACK : t->n;
    for (size_t i = colon + 1; i < far && !strchr("\"'<> \t\r\n", t->s[i] ? t->s[i] : ' '); i++) {
        sign = t->s[i] == '@' ? i : sign;
    }
    return sign > colon && sign < far && t->s[sign] == '@' ? mask(t, colon + 1, sign) : at;
}

// Whether the bare key is a header of HTTP that holds nothing but secrets.
static bool is_header(const struct scan *t, size_t from, size_t end)
{
    static const char *const names[] = { "cookie", "set-cookie", "authorization",
                                         "proxy-authorization" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == end - from && strncasecmp(t->s + from, names[i], end - from) == 0) {
            return true;
        }
    }
    return false;
}

// A header's line: what follows the name is masked to its end.
static size_t mask_header(struct scan *t, size_t from, size_t colon)
{
    char before = from > 0 ? t->s[from - 1] : '\n';
    if (before == '"' || before == '\'') {
        const char stop[] = { before, '\r', '\n', '\0' };
        return mask(t, skip_space(t, colon + 1), find_any(t, colon + 1, stop));
    }
    return mask(t, skip_space(t, colon + 1), find_any(t, colon + 1, "\r\n"));
}

static size_t at_colon(struct scan *t, size_t colon)
{
    size_t slash = colon + 1, end = colon;
    for (int slashes = 0; slash < t->n; slash++) {
        if (t->s[slash] == '/' && ++slashes == 2) {
            return mask_user(t, slash + 1);
        }
        if (t->s[slash] != '/' && t->s[slash] != '\\') {
            break;
        }
    }
    while (end > 0 && colon - end < 8 && is_space(t->s[end - 1])) {
        end--;
    }
    if (end == 0) {
        return colon + 1;
    }
    if (t->s[end - 1] == '"' || t->s[end - 1] == '\'') {
        size_t close = end - 1;
        enum spy__key_kind kind = kind_of_quoted(t, close);
        return kind == SPY__KEY_CLEAN ? colon + 1 : mask_json_value(t, colon + 1, kind, close);
    }
    size_t from = bare_key_start(t, end);
    enum spy__key_kind kind = from < end ? kind_of(t, from, end) : SPY__KEY_CLEAN;
    if (kind == SPY__KEY_CLEAN) {
        return colon + 1;
    }
    char before = from > 0 ? t->s[from - 1] : '\n';
    if (before == '\n' || before == '\r' || before == '"' || before == '\'' ||
        is_header(t, from, end)) {
        size_t value = skip_space(t, colon + 1), line = find_any(t, value, "\r\n");
        return kind == SPY__KEY_TOKEN && is_number(t->s + value, line - value)
                   ? colon + 1
                   : mask_header(t, from, colon);
    }
    while (from > 0 && colon - from < 2 * MASK_BACK && is_space(t->s[from - 1])) {
        from--;
    }
    before = from > 0 ? t->s[from - 1] : '{';
    size_t value = skip_space(t, colon + 1);
    // Parsers say: unexpected token: ','
    bool is_object =
        before == '{' || before == ',' ||
        (kind == SPY__KEY_SECRET && value < t->n && (t->s[value] == '"' || t->s[value] == '\''));
    return is_object ? mask_json_value(t, colon + 1, kind, t->n) : colon + 1;
}

// ---- what stands before a '='

static size_t at_equals(struct scan *t, size_t equals)
{
    size_t end = equals, at = equals + 1;
    while (end > 0 && equals - end < 4 && t->s[end - 1] == ' ') {
        end--;
    }
    size_t from = bare_key_start(t, end);
    enum spy__key_kind kind = from < end ? kind_of(t, from, end) : SPY__KEY_CLEAN;
    if (kind == SPY__KEY_CLEAN) {
        return at;
    }
    char before = from > 0 ? t->s[from - 1] : ' ';
    bool query = before == '?' || before == '&' || before == '#';
    if (!query) {
        at = skip_space(t, at);
    }
    size_t open = at;
    while (open < t->n && t->s[open] == '\\') {
        open++;
    }
    if (open < t->n && (t->s[open] == '"' || t->s[open] == '\'') && !query) {
        return mask_quoted(t, open);
    }
    size_t to = find_any(t, at, query ? "&#\"\\<> \t\r\n" : "&;\"'\\<> \t\r\n");
    if (kind == SPY__KEY_TOKEN && !query && is_number(t->s + at, to - at)) {
        return at;
    }
    return mask(t, at, to);
}

// ---- what stands before a space

static bool ends_in_word(const struct scan *t, size_t end, const char *word)
{
    size_t n = strlen(word);
    if (end < n || (end - n > 0 && spy__ascii_is_alnum(t->s[end - n - 1]))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((t->s[end - n + i] | 0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

// Whether text after "Basic" is credentials rather than a word of English: it has a character that
// is no lower-case letter, past its first, or is Base64 of something with a colon (RFC 7617).
static bool is_basic(const char *s, size_t n)
{
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && !(s[i] >= 'a' && s[i] <= 'z')) {
            return true;
        }
        char c = s[i];
        unsigned six = c >= 'a' ? (unsigned)(c - 'a') + 26 : c >= 'A' ? (unsigned)(c - 'A') : 62;
        bits = bits << 6 | (six & 63);
        if (i % 4 > 0 && (char)(bits >> (6 - 2 * (i % 4))) == ':') {
            return true;
        }
    }
    return false;
}

static size_t at_space(struct scan *t, size_t space)
{
    bool bearer = ends_in_word(t, space, "bearer");
    if (!bearer && !ends_in_word(t, space, "basic")) {
        return space + 1;
    }
    size_t at = skip_space(t, space), end = find_any(t, at, "\"',;<>\\ \t\r\n");
    return bearer || is_basic(t->s + at, end - at) ? mask(t, at, end) : space + 1;
}

// ---- the scan

static inline uint64_t signs_of(spy__bytes16 v)
{
    return spy__mask16(spy__either16(spy__equal16(v, ' '),
                                     spy__either16(spy__equal16(v, ':'), spy__equal16(v, '='))));
}

// The first place from `at` that has a ':', a '=' or a space.
static size_t next_sign(const char *s, size_t n, size_t at)
{
    for (; n - at >= 16; at += 16) {
        uint64_t signs = signs_of(spy__load16(s + at));
        if (signs) {
            return at + spy__first16(signs);
        }
    }
    if (at < n && n >= 16) {
        uint64_t signs = signs_of(spy__load16(s + n - 16)) >> (16 - (n - at)) * SPY__MASK_BITS;
        return signs ? at + spy__first16(signs) : n;
    }
    if (n - at >= 8 && signs_of(spy__load8x2(s + at, s + n - 8)) == 0) {
        return n;
    }
    while (at < n && s[at] != ' ' && s[at] != ':' && s[at] != '=') {
        at++;
    }
    return at;
}

bool spy__mask_text(const struct spy__mask_words *more, struct spy__buf *out, const char *s,
                    size_t n)
{
    struct scan t = { .more = more, .out = out, .s = s, .n = n };
    for (size_t at = next_sign(s, n, 0); at < n; at = next_sign(s, n, at)) {
        if (s[at] == ':') {
            at = at_colon(&t, at);
        } else if (s[at] == '=') {
            at = at_equals(&t, at);
        } else if (at > 0 && ((s[at - 1] | 0x20) == 'r' || (s[at - 1] | 0x20) == 'c')) {
            at = at_space(&t, at);
        } else {
            at++;
        }
    }
    if (t.masked) {
        spy__buf_put(out, s + t.copied, n - t.copied);
    }
    return t.masked;
}
