#include "memegen/api/text.h"

#include <stdbool.h>

uint32_t text_decode(const char *s, size_t *ret_len)
{
    const unsigned char *u = (const unsigned char *)s;

    if (u[0] < 0x80) {
        *ret_len = 1;
        return u[0];
    }
    if (u[0] < 0xe0) {
        *ret_len = 2;
        return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
    }
    if (u[0] < 0xf0) {
        *ret_len = 3;
        return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    }
    *ret_len = 4;
    return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
           (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
}

// White_Space of the Unicode Character Database, PropList.txt.
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

const char *text_trim(const char *s, size_t *len)
{
    const char *end = s + *len;
    const char *last = s; // behind the last character that is no space

    while (s < end) {
        size_t n;
        if (!is_space(text_decode(s, &n))) {
            break;
        }
        s += n;
    }
    last = s;
    for (const char *p = s; p < end;) {
        size_t n;
        uint32_t c = text_decode(p, &n);
        p += n;
        if (!is_space(c)) {
            last = p;
        }
    }
    *len = (size_t)(last - s);
    return s;
}

size_t text_measure(const char *s, size_t len, size_t *ret_control)
{
    size_t chars = 0;

    *ret_control = 0;
    for (size_t i = 0; i < len;) {
        size_t n;
        uint32_t c = text_decode(s + i, &n);
        chars++;
        if (*ret_control == 0 && (c < 0x20 || (c >= 0x7f && c < 0xa0))) {
            *ret_control = chars;
        }
        i += n;
    }
    return chars;
}
