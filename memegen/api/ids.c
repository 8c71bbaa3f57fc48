#include "memegen/api/ids.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

int ids_new(char ret[MEME_ID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16];
    size_t nibble = 0;

    // Up to 256 bytes come whole, or not at all (getrandom(2)).
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return -errno;
    }
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); // version 4
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); // variant of RFC 9562
    for (size_t i = 0; i < MEME_ID_LEN; i++) {
        if (is_dash(i)) {
            ret[i] = '-';
            continue;
        }
        ret[i] = hex[(bytes[nibble / 2] >> (nibble % 2 ? 0 : 4)) & 0x0f];
        nibble++;
    }
    ret[MEME_ID_LEN] = '\0';
    return 0;
}

bool ids_valid(const char *text)
{
    if (strnlen(text, MEME_ID_LEN + 1) != MEME_ID_LEN) {
        return false;
    }
    for (size_t i = 0; i < MEME_ID_LEN; i++) {
        char c = text[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash(i) ? c != '-' : !digit) {
            return false;
        }
    }
    return true;
}
