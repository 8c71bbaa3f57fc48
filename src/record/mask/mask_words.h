// Which keys name a secret: built-in words, and those that the user adds.
//
// Case does not count, nor do '_', '-', '.' and spaces: apiKey, api-key and API_KEY are one word.
// A built-in word may stand anywhere in a key; a user's, between separators or humps: `iban` is in
// user_iban and userIban, not in libanon.
#ifndef RECORD_MASK_MASK_WORDS_H
#define RECORD_MASK_MASK_WORDS_H

#include <stddef.h>

#define SPY__MASK_WORDS_MAX 32
#define SPY__MASK_WORD_BYTES_MAX 63

struct spy__mask_words {
    size_t count;
    char text[SPY__MASK_WORDS_MAX][SPY__MASK_WORD_BYTES_MAX + 1]; // lower case, no separators
};

enum spy__key_kind {
    SPY__KEY_CLEAN,
    SPY__KEY_TOKEN, // a secret where its value is text; a number counts something
    SPY__KEY_SECRET,
};

// Reads words between commas or white space; NULL is none. Returns 0, or -EINVAL: too many, too
// long, or one with no letter or digit; *ret is set only on 0.
int spy__mask_words_parse(struct spy__mask_words *ret, const char *list);

// What a key of n bytes names. `more` is the user's words, or NULL.
enum spy__key_kind spy__key_kind(const struct spy__mask_words *more, const char *key, size_t n);

#endif
