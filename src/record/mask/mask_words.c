// A key is walked once; words are tried only where their first letter stands.

#include "record/mask/mask_words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/ascii.h"

struct word {
    const char *text; // lower case, its separators left out
    bool whole;       // stands alone, between separators: `dsn`, not the end of `windsn`
    bool text_only;   // a number under it is no secret
};

// By first letter; what test_mask lists is the specification.
static const struct word words_a[] = {
    { "authorization" }, { "apikey" }, { "accesskey" }, { NULL }
};
static const struct word words_c[] = { { "cookie" }, { "credential" }, { NULL } };
static const struct word words_d[] = { { "dsn", .whole = true }, { NULL } };
static const struct word words_j[] = { { "jwt", .whole = true }, { NULL } };
static const struct word words_p[] = { { "password" },           { "passwd" },
                                       { "passphrase" },         { "privatekey" },
                                       { "pwd", .whole = true }, { NULL } };
static const struct word words_s[] = { { "secret" }, { "sessionkey" }, { "signingkey" }, { NULL } };
static const struct word words_t[] = { { "token", .text_only = true }, { NULL } };

static const struct word *const words_by_letter[26] = {
    ['a' - 'a'] = words_a, ['c' - 'a'] = words_c, ['d' - 'a'] = words_d, ['j' - 'a'] = words_j,
    ['p' - 'a'] = words_p, ['s' - 'a'] = words_s, ['t' - 'a'] = words_t,
};

static bool is_separator(char c)
{
    return c == '_' || c == '-' || c == '.' || c == ' ';
}

// Whether a new word begins at key[at]: apiKey has two.
static bool is_boundary(const char *key, size_t n, size_t at)
{
    return at == 0 || at >= n || is_separator(key[at - 1]) || is_separator(key[at]) ||
           (spy__ascii_is_upper(key[at]) && !spy__ascii_is_upper(key[at - 1])) ||
           ((key[at] >= '0' && key[at] <= '9') != (key[at - 1] >= '0' && key[at - 1] <= '9'));
}

// Where the word that begins at key[at] ends, separators passed over; 0 where it is another.
static size_t match(const char *key, size_t n, size_t at, const char *word)
{
    for (; *word; at++) {
        if (at == n) {
            return 0;
        }
        if (is_separator(key[at])) {
            continue;
        }
        if (spy__ascii_lower(key[at]) != *word) {
            return 0;
        }
        word++;
    }
    return at;
}

// As match(), for a word that stands alone and has no separator inside.
static bool match_whole(const char *key, size_t n, size_t at, const char *word)
{
    size_t len = strlen(word);
    if ((at > 0 && !is_separator(key[at - 1])) || len > n - at) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (spy__ascii_lower(key[at + i]) != word[i]) {
            return false;
        }
    }
    return at + len == n || is_separator(key[at + len]);
}

static bool is_users(const struct spy__mask_words *more, const char *key, size_t n, size_t at)
{
    for (size_t i = 0; i < more->count; i++) {
        size_t end = match(key, n, at, more->text[i]);
        if (end > 0 && is_boundary(key, n, at) && is_boundary(key, n, end)) {
            return true;
        }
    }
    return false;
}

enum spy__key_kind spy__key_kind(const struct spy__mask_words *more, const char *key, size_t n)
{
    enum spy__key_kind kind = SPY__KEY_CLEAN;
    for (size_t i = 0; i < n; i++) {
        unsigned letter = (unsigned)spy__ascii_lower(key[i]) - 'a';
        const struct word *word = letter < 26 ? words_by_letter[letter] : NULL;
        for (; word && word->text; word++) {
            if (word->whole ? !match_whole(key, n, i, word->text) : !match(key, n, i, word->text)) {
                continue;
            }
            if (!word->text_only) {
                return SPY__KEY_SECRET;
            }
            kind = SPY__KEY_TOKEN;
        }
        if (more && more->count > 0 && !is_separator(key[i]) && is_users(more, key, n, i)) {
            return SPY__KEY_SECRET;
        }
    }
    return kind;
}

int spy__mask_words_parse(struct spy__mask_words *ret, const char *list)
{
    static const char between[] = ", \t\r\n";
    struct spy__mask_words words = { 0 };
    const char *at = list ? list : "";
    for (at += strspn(at, between); *at; at += strspn(at, between)) {
        size_t n = strcspn(at, between), len = 0;
        if (words.count == SPY__MASK_WORDS_MAX || n > SPY__MASK_WORD_BYTES_MAX) {
            return -EINVAL;
        }
        char *word = words.text[words.count++];
        for (size_t i = 0; i < n; i++) {
            if (!is_separator(at[i])) {
                word[len++] = spy__ascii_lower(at[i]);
            }
        }
        if (len == 0) {
            return -EINVAL;
        }
        at += n;
    }
    *ret = words;
    return 0;
}
