// UTF-8 checked by RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Bytes of the valid character at s (n > 0 bytes left): 1 to 4, or 0 where there is none.
size_t spy__utf8_char(const unsigned char *s, size_t n);
bool spy__utf8_valid(const char *s, size_t n);
// The longest prefix of at most max bytes that does not cut a valid character.
size_t spy__utf8_cut(const char *s, size_t n, size_t max);

#endif
