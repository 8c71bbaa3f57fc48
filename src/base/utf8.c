// One character at a time, ASCII by eight.
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

// The table of well-formed byte sequences is RFC 3629 section 4.
size_t spy__utf8_char(const unsigned char *s, size_t n)
{
    unsigned char c = s[0];
    if (c < 0x80) {
        return 1;
    }
    if (c < 0xc2 || c > 0xf4 || n < 2) {
        return 0;
    }
    if (c < 0xe0) {
        return is_tail(s[1]) ? 2 : 0;
    }
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high || n < 3 || !is_tail(s[2])) {
        return 0;
    }
    if (c < 0xf0) {
        return 3;
    }
    return n >= 4 && is_tail(s[3]) ? 4 : 0;
}

bool spy__utf8_valid(const char *s, size_t n)
{
    const unsigned char *at = (const unsigned char *)s;
    const unsigned char *end = at + n;
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8) {
            memcpy(&eight, at, 8);
            if (!(eight & 0x8080808080808080u)) {
                at += 8;
                continue;
            }
        }
        size_t len = spy__utf8_char(at, (size_t)(end - at));
        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

size_t spy__utf8_cut(const char *s, size_t n, size_t max)
{
    if (n <= max) {
        return n;
    }
    // A character that the cut would divide begins at most three bytes before it.
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        const unsigned char *at = (const unsigned char *)s + max - back;
        if (!is_tail(*at)) {
            return spy__utf8_char(at, n - (max - back)) > back ? max - back : max;
        }
    }
    return max;
}
