// Characters of ASCII, whatever the locale.
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include <stdbool.h>

static inline bool spy__ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool spy__ascii_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

// In lower case, where it is a letter.
static inline char spy__ascii_lower(char c)
{
    return spy__ascii_is_upper(c) ? (char)(c | 0x20) : c;
}

static inline bool spy__ascii_is_alnum(char c)
{
    const char low = spy__ascii_lower(c);
    return spy__ascii_is_digit(c) || (low >= 'a' && low <= 'z');
}

// 0 to 15; -1 for what is no hexadecimal digit.
static inline int spy__ascii_hex_digit(char c)
{
    const char low = spy__ascii_lower(c);
    if (spy__ascii_is_digit(c)) {
        return c - '0';
    }
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

#endif
