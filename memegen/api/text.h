// Text from outside: characters counted, blanks trimmed, control characters found.
#ifndef MEMEGEN_API_TEXT_H
#define MEMEGEN_API_TEXT_H

#include <stddef.h>
#include <stdint.h>

// The code point at s, and in *ret_len its bytes; s is valid UTF-8 with at least one character
// left.
uint32_t text_decode(const char *s, size_t *ret_len);

// Takes Unicode white space off both ends: returns where the rest begins, its length in *len.
const char *text_trim(const char *s, size_t *len);

// How many characters (code points) s has. Where one is a control character (U+0000 to U+001F,
// U+007F to U+009F), *ret_control is its number, counted from 1; else 0.
size_t text_measure(const char *s, size_t len, size_t *ret_control);

#endif
