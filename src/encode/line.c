// The time goes into strings: sixteen bytes are looked at and copied at once, up to the first that
// needs an escape.

#include "encode/line.h"

#include "base/number.h"
#include "base/utf8.h"

char *spy__line_grow(struct spy__line *l, char *at, size_t n)
{
    struct spy__buf *out = l->out;
    if (!out->failed) {
        out->len = at ? (size_t)(at - out->bytes) : l->start;
        if (spy__buf_reserve(out, n + SPY__LINE_SLACK)) {
            l->end = out->bytes + out->cap;
            return out->bytes + out->len;
        }
        out->len = l->start;
    }
    l->end = l->waste;
    return l->waste;
}

struct spy__buf *spy__line_lend(struct spy__line *l, char *at)
{
    if (!l->out->failed) {
        l->out->len = (size_t)(at - l->out->bytes);
    }
    return l->out;
}

char *spy__line_take(struct spy__line *l)
{
    if (l->out->failed) {
        l->out->len = l->start;
        l->end = l->waste;
        return l->waste;
    }
    l->end = l->out->bytes + l->out->cap;
    return spy__line_room(l, l->out->bytes + l->out->len, 0);
}

// ---- strings

// Marks the bytes that JSON does not take as they are, and those outside of ASCII.
static inline uint64_t special(spy__bytes16 v)
{
    return spy__mask16(spy__either16(spy__outside16(v, 0x20),
                                     spy__either16(spy__equal16(v, '"'), spy__equal16(v, '\\'))));
}

// As copy_clean(), for less than 16 bytes: two overlapping eights, fours, or byte by byte.
static inline size_t copy_clean_short(char *to, const char *s, size_t n)
{
    uint64_t mask;
    size_t half;
    if (n >= 8) {
        spy__bytes16 v = spy__load8x2(s, s + n - 8);
        memcpy(to, s, 8);
        memcpy(to + n - 8, s + n - 8, 8);
        mask = special(v);
        half = 8;
    } else if (n >= 4) {
        spy__bytes16 v = spy__load4x2(s, s + n - 4);
        memcpy(to, s, 4);
        memcpy(to + n - 4, s + n - 4, 4);
        mask = special(v) & (((uint64_t)1 << 8 * SPY__MASK_BITS) - 1);
        half = 4;
    } else {
        size_t i = 0;
        for (; i < n; i++) {
            unsigned char c = (unsigned char)s[i];
            if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') {
                break;
            }
            to[i] = s[i];
        }
        return i;
    }
    if (mask == 0) {
        return n;
    }
    size_t first = spy__first16(mask);
    return first < half ? first : n - half + first - half;
}

// Copies up to the first special byte; returns how many. May write 16 bytes more.
static inline size_t copy_clean(char *to, const char *s, size_t n)
{
    if (n < 16) {
        return copy_clean_short(to, s, n);
    }
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        spy__bytes16 v = spy__load16(s + i);
        spy__store16(to + i, v);
        uint64_t mask = special(v);
        if (mask) {
            return i + spy__first16(mask);
        }
    }
    if (i < n) {
        spy__bytes16 v = spy__load16(s + n - 16); // again some that are clean
        spy__store16(to + n - 16, v);
        uint64_t mask = special(v);
        if (mask) {
            return n - 16 + spy__first16(mask);
        }
    }
    return n;
}

// Writes one byte of ASCII that does not stand for itself, six bytes at most.
static char *put_escape(char *to, unsigned char c)
{
    static const char hex[16] = "0123456789abcdef";
    static const char letters[] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
    };
    *to++ = '\\';
    if (letters[c]) {
        *to++ = letters[c];
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[c >> 4];
    to[4] = hex[c & 15];
    return to + 5;
}

// From the first special byte on, which is s[0].
static __attribute__((noinline)) char *escape_rest(struct spy__line *l, char *at, const char *s,
                                                   size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        size_t len = c < 0x80 ? 1 : spy__utf8_char((const unsigned char *)s + i, n - i);
        if (c < 0x80) {
            at = put_escape(at, c);
        } else {
            const char *from = len ? s + i : "\xef\xbf\xbd"; // U+FFFD
            for (size_t b = 0; b < (len ? len : 3); b++) {
                *at++ = from[b];
            }
        }
        i += len ? len : 1;
        // What ended a run had room in the slack.
        at = spy__line_room(l, at, n - i);
        if (__builtin_expect(l->out->failed, 0)) {
            return at;
        }
        size_t run = copy_clean(at, s + i, n - i);
        at += run;
        i += run;
    }
    return at;
}

char *spy__line_escape(struct spy__line *l, char *at, const char *s, size_t n)
{
    at = spy__line_room(l, at, n);
    if (__builtin_expect(l->out->failed, 0)) {
        return at;
    }
    size_t run = copy_clean(at, s, n);
    return __builtin_expect(run == n, 1) ? at + n : escape_rest(l, at + run, s + run, n - run);
}

// Marks what is not plain: up to the space, DEL and above, quotes, '=' and the backslash.
static inline spy__bytes16 unplain(spy__bytes16 v)
{
    return spy__either16(spy__either16(spy__outside16(v, '!'), spy__equal16(v, 0x7f)),
                         spy__either16(spy__either16(spy__equal16(v, '"'), spy__equal16(v, '\'')),
                                       spy__either16(spy__equal16(v, '='), spy__equal16(v, '\\'))));
}

bool spy__is_plain_ascii(const char *s, size_t n)
{
    if (n < 4) {
        bool plain = n > 0;
        for (size_t i = 0; i < n; i++) {
            plain = plain && s[i] > ' ' && s[i] < 0x7f && !strchr("\"'=\\", s[i]);
        }
        return plain;
    }
    if (n < 8) {
        return (spy__mask16(unplain(spy__load4x2(s, s + n - 4))) &
                (((uint64_t)1 << 8 * SPY__MASK_BITS) - 1)) == 0;
    }
    if (n < 16) {
        return spy__mask16(unplain(spy__load8x2(s, s + n - 8))) == 0;
    }
    spy__bytes16 marks = unplain(spy__load16(s + n - 16));
    for (size_t i = 0; n - i >= 16; i += 16) {
        marks = spy__either16(marks, unplain(spy__load16(s + i)));
    }
    return spy__mask16(marks) == 0;
}

// ---- numbers and times

// Writes v, below 100, in two digits.
static inline void two_digits(char *out, unsigned v)
{
    out[0] = (char)('0' + v / 10);
    out[1] = (char)('0' + v % 10);
}

// The civil date of a day since 1970, proleptic Gregorian; eras of 400 years that begin in March
// (H. Hinnant, https://howardhinnant.github.io/date_algorithms.html#civil_from_days). Days before
// 1970 do not occur here.
static void civil(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t z = days + 719468, era = z / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (unsigned)(yoe + era * 400) + (*month <= 2);
}

// The last second's text, up to its point.
struct second {
    uint64_t since_1970;
    char text[20];
};
static __thread struct second last_second = { 0, "1970-01-01T00:00:00." };

static void print_second(struct second *second, uint64_t since_1970)
{
    unsigned of_day = (unsigned)(since_1970 % 86400), year, month, day;
    civil(since_1970 / 86400, &year, &month, &day);
    second->since_1970 = since_1970;
    two_digits(second->text, year / 100); // 64 bits of nanoseconds end in the year 2554
    two_digits(second->text + 2, year % 100);
    two_digits(second->text + 5, month);
    two_digits(second->text + 8, day);
    two_digits(second->text + 11, of_day / 3600);
    two_digits(second->text + 14, of_day / 60 % 60);
    two_digits(second->text + 17, of_day % 60);
}

void spy__time_print(char ret[SPY__TIME_LEN], uint64_t time_ns)
{
    uint64_t since_1970 = time_ns / 1000000000u;
    if (since_1970 != last_second.since_1970) {
        print_second(&last_second, since_1970);
    }
    memcpy(ret, last_second.text, 20);
    unsigned micros = (unsigned)(time_ns - since_1970 * 1000000000u) / 1000;
    two_digits(ret + 20, micros / 10000);
    two_digits(ret + 22, micros / 100 % 100);
    two_digits(ret + 24, micros % 100);
    ret[26] = 'Z';
}

// ---- ids

char *spy__line_id(char *at, const struct spy__record_id *id)
{
    spy__line_hex(at, id->run << 32); // and eight zeros, which are written over
    at[8] = '.';
    at += 9;
    at += spy__u64_print(at, id->slot);
    *at++ = '.';
    return at + spy__u64_print(at, id->sequence);
}

// ---- keys

bool spy__key_is_reserved_slow(const char *key)
{
    static const char *const reserved[] = { "timestamp",      "level",    "event",
                                            "logger",         "service",  "environment",
                                            "correlation_id", "trace_id", "span_id",
                                            "record_id",      "recovered" };
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (key[0] == reserved[i][0] && key[1] == reserved[i][1] && strcmp(key, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}
