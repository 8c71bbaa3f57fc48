// tracestate and baggage: see trace_lists.h. Both are lists of members divided by commas, with
// optional white space around them (RFC 9110, section 5.6.3).

#include "base/trace_lists.h"

#include <stdbool.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"

#define KEY_MAX 256
#define VALUE_MAX 256
// "Entries larger than 128 characters long SHOULD be removed first."
#define LONG_MEMBER 128

struct part {
    const char *s;
    size_t n;
};

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

static struct part trim(const char *s, size_t n)
{
    while (n > 0 && is_ows(s[0])) {
        s++;
        n--;
    }
    while (n > 0 && is_ows(s[n - 1])) {
        n--;
    }
    return (struct part){ s, n };
}

// Takes what stands before the next `divider` off *rest, without the white space around it.
static struct part next_part(struct part *rest, char divider)
{
    const char *end = memchr(rest->s, divider, rest->n);
    size_t n = end ? (size_t)(end - rest->s) : rest->n;
    struct part part = trim(rest->s, n);
    rest->s += end ? n + 1 : n;
    rest->n -= end ? n + 1 : n;
    return part;
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// ---- tracestate

static bool is_tracestate_key(const char *s, size_t n)
{
    if (n == 0 || n > KEY_MAX || !is_lower_or_digit(s[0])) {
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if (!is_lower_or_digit(s[i]) && (s[i] == '\0' || !strchr("_-*/@", s[i]))) {
            return false;
        }
    }
    return true;
}

// Trailing spaces were trimmed as white space already; leading ones are the value's.
static bool is_tracestate_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x20 || s[i] > 0x7e || s[i] == ',' || s[i] == '=') {
            return false;
        }
    }
    return n > 0 && n <= VALUE_MAX;
}

static bool is_tracestate_member(struct part member)
{
    const char *equals = memchr(member.s, '=', member.n);
    size_t key = equals ? (size_t)(equals - member.s) : 0;
    return equals && is_tracestate_key(member.s, key) &&
           is_tracestate_value(equals + 1, member.n - key - 1);
}

// Returns how many members are left when the list fits.
static size_t shorten(struct part members[], size_t count, size_t bytes)
{
    while (bytes > SPY__TRACESTATE_MAX) {
        size_t out = count;
        while (out > 0 && members[out - 1].n <= LONG_MEMBER) {
            out--;
        }
        out = out > 0 ? out - 1 : count - 1;
        bytes -= members[out].n + 1;
        memmove(&members[out], &members[out + 1], (count - out - 1) * sizeof(members[0]));
        count--;
    }
    return count;
}

size_t spy__tracestate_take(char *to, const char *s, size_t n)
{
    struct part members[SPY__TRACESTATE_MEMBERS_MAX], rest = { s, n };
    size_t count = 0, bytes = 0, len = 0;
    while (rest.n > 0) {
        struct part member = next_part(&rest, ',');
        if (member.n == 0) {
            continue;
        }
        if (count == SPY__TRACESTATE_MEMBERS_MAX || !is_tracestate_member(member)) {
            return 0;
        }
        bytes += member.n + (count > 0);
        members[count++] = member;
    }
    count = shorten(members, count, bytes);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            to[len++] = ',';
        }
        memcpy(to + len, members[i].s, members[i].n);
        len += members[i].n;
    }
    return len;
}

// ---- baggage

// RFC 9110, section 5.6.2.
static bool is_token(struct part part)
{
    for (size_t i = 0; i < part.n; i++) {
        char c = part.s[i];
        if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') &&
            (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return part.n > 0;
}

static bool is_baggage_value(struct part part)
{
    for (size_t i = 0; i < part.n; i++) {
        char c = part.s[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\') {
            return false;
        }
    }
    return true;
}

// Divides at the first '='. Returns whether there is one.
static bool split(struct part pair, struct part *ret_key, struct part *ret_value)
{
    bool has_value = memchr(pair.s, '=', pair.n) != NULL;
    *ret_key = next_part(&pair, '=');
    *ret_value = trim(pair.s, pair.n);
    return has_value;
}

static bool is_baggage_member(struct part member)
{
    struct part key, value, pair = next_part(&member, ';');
    if (!split(pair, &key, &value) || !is_token(key) || !is_baggage_value(value)) {
        return false;
    }
    while (member.n > 0) {
        (void)split(next_part(&member, ';'), &key, &value);
        if (!is_token(key) || !is_baggage_value(value)) {
            return false;
        }
    }
    return true;
}

size_t spy__baggage_take(char *to, const char *s, size_t n)
{
    struct part rest = { s, n };
    size_t count = 0, len = 0;
    while (rest.n > 0 && count < SPY__BAGGAGE_MEMBERS_MAX) {
        struct part member = next_part(&rest, ',');
        if (member.n == 0 || len + member.n + (len > 0) > SPY__BAGGAGE_MAX ||
            !is_baggage_member(member)) {
            continue;
        }
        if (len > 0) {
            to[len++] = ',';
        }
        memcpy(to + len, member.s, member.n);
        len += member.n;
        count++;
    }
    return len;
}

size_t spy__baggage_pick(char *ret, size_t ret_size, const char *prefix, const char *s, size_t n)
{
    struct part rest = { s, n };
    size_t len = 0, prefix_len = strlen(prefix);
    while (rest.n > 0) {
        struct part member = next_part(&rest, ',');
        if (member.n < prefix_len || memcmp(member.s, prefix, prefix_len) != 0) {
            continue;
        }
        const size_t comma = len > 0;
        if (len + comma + member.n < ret_size) {
            memcpy(ret + len, ",", comma);
            memcpy(ret + len + comma, member.s, member.n);
        }
        len += comma + member.n;
    }
    if (ret_size > 0) {
        ret[len < ret_size ? len : 0] = '\0';
    }
    return len;
}

// Takes one byte off *rest, percent-decoded (RFC 3986, section 2.1); a '%' that begins no such
// triplet is itself.
static unsigned char next_byte(struct part *rest)
{
    unsigned char byte = (unsigned char)rest->s[0];
    size_t n = 1;
    if (byte == '%' && rest->n >= 3) {
        int high = spy__ascii_hex_digit(rest->s[1]), low = spy__ascii_hex_digit(rest->s[2]);
        if (high >= 0 && low >= 0) {
            byte = (unsigned char)(high << 4 | low);
            n = 3;
        }
    }
    rest->s += n;
    rest->n -= n;
    return byte;
}

// Takes one character off *rest, writes it as UTF-8 and returns its length.
static size_t next_character(char ret[4], struct part *rest)
{
    unsigned char bytes[4];
    struct part after[5] = { *rest };
    size_t n = 0;
    while (n < 4 && after[n].n > 0) {
        after[n + 1] = after[n];
        bytes[n] = next_byte(&after[n + 1]);
        n++;
    }
    size_t len = spy__utf8_char(bytes, n);
    // A NUL would end the caller's string before its end.
    if (len == 0 || bytes[0] == '\0') {
        memcpy(ret, "\xef\xbf\xbd", 3);
        *rest = after[1];
        return 3;
    }
    memcpy(ret, bytes, len);
    *rest = after[len];
    return len;
}

static size_t decode(char *ret, size_t ret_size, struct part value)
{
    size_t len = 0, written = 0;
    bool room = true;
    while (value.n > 0) {
        char character[4];
        size_t n = next_character(character, &value);
        room = room && written + n < ret_size;
        if (room) {
            memcpy(ret + written, character, n);
            written += n;
        }
        len += n;
    }
    if (ret_size > 0) {
        ret[written] = '\0';
    }
    return len;
}

long spy__baggage_find(char *ret, size_t ret_size, const char *key, const char *s, size_t n)
{
    struct part rest = { s, n };
    size_t key_len = strlen(key);
    while (rest.n > 0) {
        struct part member = next_part(&rest, ','), name, value;
        (void)split(next_part(&member, ';'), &name, &value);
        if (name.n == key_len && memcmp(name.s, key, key_len) == 0) {
            return (long)decode(ret, ret_size, value);
        }
    }
    return -1;
}
