// Words and characters of topics and captions, in any script.
//
// Strings are NUL-ended UTF-8. Functions that take a size write at most that many bytes with the
// NUL, never half a character. Nothing here allocates; GLib's character tables do the Unicode.
// Threads: any.
#ifndef MEMEGEN_LLM_WORDS_H
#define MEMEGEN_LLM_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a folded word with its NUL; a longer word is cut.
#define WORDS_WORD_BYTES 64

// A run of bytes inside another string.
struct words_span {
    const char *s;
    size_t n;
};

// Copies, cut at a character where it does not fit. Returns the bytes written without the NUL.
size_t words_copy(char *out, size_t size, const char *in);
// As words_copy(), of n bytes.
size_t words_copy_n(char *out, size_t size, const char *in, size_t n);

// Copies what a person should see: invalid bytes become U+FFFD; controls, line breaks and runs of
// white space become one space; directional overrides, which could reorder the text around them,
// go; both ends are trimmed.
size_t words_clean(char *out, size_t size, const char *in);

// Unicode characters. Invalid bytes count as one each.
size_t words_chars(const char *s);

// Cuts s (in a buffer of size bytes) to at most chars_max characters, at a word's end where one is
// near, and closes it with "…". Returns whether anything was cut.
bool words_shorten(char *s, size_t size, size_t chars_max);

// Lower case, compatibility forms ("ＡＢ", "𝐚𝐛") and accents undone, so that texts can be compared.
// Returns the length.
size_t words_fold(char *out, size_t size, const char *in, size_t n);

// The next word from *at, which moves past it: letters, digits and marks, with apostrophes inside
// and "+" or "#" behind
// ("c++"). A script without spaces gives one run. False at the end.
bool words_next(const char **at, struct words_span *ret);
size_t words_count(const char *s);

// Whether the folded text has the folded words as whole words ("c" is not in "cat"). Words of a
// script written without spaces need no boundary. NULL, or where the match begins.
const char *words_find(const char *folded, const char *words);

// ISO 15924 code of the script that most letters have: "Latn", "Hani", …; Kana anywhere in Han text
// makes it "Jpan". "" for text without letters.
const char *words_script(const char *s);
// Whether the script is written without spaces between words.
bool words_script_unspaced(const char *script);

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ — a seed from a text, not for tables open to
// attack.
uint64_t words_hash(const char *s);

#endif
