// Where strings and values of JSON end, in text that may be JSON inside of a JSON string, cut off,
// or odd.
//
// Each time that a text becomes a JSON string, a quote in it gets a backslash before it, and each
// backslash another. So at depth d, text's own being 0, a quote that opens or closes a string has
// 2^d - 1 backslashes before it, and those of escaped backslashes: 2^(d + 1) times how many.
#ifndef RECORD_MASK_MASK_JSON_H
#define RECORD_MASK_MASK_JSON_H

#include <stdbool.h>
#include <stddef.h>

// Backslashes right before s[at].
size_t spy__backslashes_before(const char *s, size_t at);

// The place of the quote that closes the string, or one that holds it; the text's end where there is
// none. `at` is the first byte after the opening quote, `quote`, which has `escapes` backslashes.
size_t spy__json_string_end(const char *s, size_t n, size_t at, char quote, size_t escapes);

// Where the object or array ends that begins at s[at], whose strings' quotes have `escapes`
// backslashes: behind its last bracket, or before the quote of a string that holds it, or at the
// text's end. *ret_text tells whether it has a string that is no key.
size_t spy__json_nest_end(const char *s, size_t n, size_t at, size_t escapes, bool *ret_text);

#endif
