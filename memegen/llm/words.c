// Words and characters: see words.h.

#include "memegen/llm/words.h"

#include <glib.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu
#define ELLIPSIS "\xe2\x80\xa6"
#define ZWJ 0x200Du

// The character at s (n > 0 bytes left) and its length; an invalid byte is a U+FFFD of one byte.
static gunichar char_at(const char *s, size_t n, size_t *ret_len)
{
    if ((unsigned char)*s < 0x80) {
        *ret_len = 1;
        return (gunichar)*s;
    }
    gunichar c = g_utf8_get_char_validated(s, (gssize)n);
    if (c >= (gunichar)-2) {
        *ret_len = 1;
        return REPLACEMENT;
    }
    *ret_len = (size_t)g_unichar_to_utf8(c, NULL);
    return c;
}

// Appends c to out[*len]; false where it does not fit beside the NUL.
static bool put_char(char *out, size_t size, size_t *len, gunichar c)
{
    char bytes[6];
    size_t n = (size_t)g_unichar_to_utf8(c, bytes);
    if (*len + n + 1 > size) {
        return false;
    }
    memcpy(out + *len, bytes, n);
    *len += n;
    return true;
}

size_t words_copy_n(char *out, size_t size, const char *in, size_t n)
{
    if (n > size - 1) {
        n = size - 1;
        while (n > 0 && ((unsigned char)in[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    memmove(out, in, n);
    out[n] = '\0';
    return n;
}

size_t words_copy(char *out, size_t size, const char *in)
{
    return words_copy_n(out, size, in, strlen(in));
}

// Marks that change the direction of the text around them (UAX #9, section 2): a caption has no use
// for them.
static bool is_direction(gunichar c)
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

size_t words_clean(char *out, size_t size, const char *in)
{
    size_t n = strlen(in), len = 0, step;
    bool space = false;
    for (size_t i = 0; i < n; i += step) {
        gunichar c = char_at(in + i, n - i, &step);
        if (is_direction(c) || c == 0xFEFF) {
            continue;
        }
        if (g_unichar_isspace(c) || g_unichar_iscntrl(c)) {
            space = len > 0;
            continue;
        }
        size_t before = len;
        if ((space && !put_char(out, size, &len, ' ')) || !put_char(out, size, &len, c)) {
            len = before;
            break;
        }
        space = false;
    }
    out[len] = '\0';
    return len;
}

size_t words_chars(const char *s)
{
    size_t n = strlen(s), count = 0, step;
    for (size_t i = 0; i < n; i += step) {
        char_at(s + i, n - i, &step);
        count++;
    }
    return count;
}

// Whether a cut before c would tear what a reader sees as one character: a mark from its base, an
// emoji from its modifier or from what a joiner ties to it.
static bool clings(gunichar c)
{
    return g_unichar_ismark(c) || c == ZWJ || (c >= 0xFE00 && c <= 0xFE0F) ||
           (c >= 0x1F3FB && c <= 0x1F3FF);
}

static bool in_word(gunichar c)
{
    return (g_unichar_isalnum(c) || g_unichar_ismark(c)) && c != REPLACEMENT;
}

// Bytes of the longest prefix of at most chars_max characters (and bytes_max bytes) that may stand
// alone.
static size_t prefix_bytes(const char *s, size_t chars_max, size_t bytes_max)
{
    size_t n = strlen(s), step, good = 0, chars = 0, word_end = 0;
    gunichar before = 0;
    for (size_t i = 0; i < n; i += step, chars++) {
        gunichar c = char_at(s + i, n - i, &step);
        if (!clings(c) && before != ZWJ && i <= bytes_max && chars <= chars_max) {
            good = i;
            if (!in_word(c) && c != '\'') {
                word_end = i;
            }
        }
        if (chars >= chars_max || i > bytes_max) {
            break;
        }
        before = c;
    }
    return word_end * 2 >= good && word_end > 0 ? word_end : good;
}

bool words_shorten(char *s, size_t size, size_t chars_max)
{
    if (words_chars(s) <= chars_max || chars_max == 0) {
        return false;
    }
    size_t n = prefix_bytes(s, chars_max - 1, size - sizeof(ELLIPSIS));
    while (n > 0 && strchr(" ,;:.-", s[n - 1])) {
        n--;
    }
    memcpy(s + n, ELLIPSIS, sizeof(ELLIPSIS));
    return true;
}

// Appends c, folded. Compatibility forms are undone for Latin and for the blocks that imitate it:
// full-width forms, mathematical letters, enclosed letters; other scripts keep their marks, which
// are vowels there.
static bool put_folded(char *out, size_t size, size_t *len, gunichar c)
{
    gunichar parts[8];
    size_t count = 1;
    bool latin_like = c < 0x2000 || (c >= 0x2100 && c <= 0x24FF) || (c >= 0xFB00 && c <= 0xFB06) ||
                      (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x1D400 && c <= 0x1D7FF);
    parts[0] = c;
    if (c >= 0x80 && latin_like) {
        count = g_unichar_fully_decompose(c, TRUE, parts, 8);
        count = count > 8 ? 8 : count;
    }
    for (size_t i = 0; i < count; i++) {
        gunichar part = parts[i] == 0x2019 ? '\'' : parts[i];
        if ((part >= 0x300 && part <= 0x36F) || part == 0x200B || part == 0x200C || part == 0xAD) {
            continue;
        }
        if (!put_char(out, size, len, g_unichar_tolower(part))) {
            return false;
        }
    }
    return true;
}

size_t words_fold(char *out, size_t size, const char *in, size_t n)
{
    size_t len = 0, step;
    for (size_t i = 0; i < n; i += step) {
        if (!put_folded(out, size, &len, char_at(in + i, n - i, &step))) {
            break;
        }
    }
    out[len] = '\0';
    return len;
}

// Whether c, with a word before it, belongs to the word: an apostrophe with a letter behind it, or
// the signs of "c++".
static bool joins_word(gunichar c, const char *rest, size_t left)
{
    size_t step;
    if (c == '\'' || c == 0x2019) {
        return left > 0 && in_word(char_at(rest, left, &step));
    }
    return c == '+' || c == '#';
}

bool words_next(const char **at, struct words_span *ret)
{
    const char *s = *at;
    size_t n = strlen(s), i = 0, step = 1;
    while (i < n && !in_word(char_at(s + i, n - i, &step))) {
        i += step;
    }
    size_t begin = i;
    for (; i < n; i += step) {
        gunichar c = char_at(s + i, n - i, &step);
        if (!in_word(c) && !joins_word(c, s + i + step, n - i - step)) {
            break;
        }
    }
    *ret = (struct words_span){ s + begin, i - begin };
    *at = s + i;
    return ret->n > 0;
}

size_t words_count(const char *s)
{
    struct words_span word;
    size_t count = 0;
    while (words_next(&s, &word)) {
        count++;
    }
    return count;
}

static const char *script_of(gunichar c)
{
    switch (g_unichar_get_script(c)) {
    case G_UNICODE_SCRIPT_LATIN:
        return "Latn";
    case G_UNICODE_SCRIPT_HAN:
        return "Hani";
    case G_UNICODE_SCRIPT_HIRAGANA:
    case G_UNICODE_SCRIPT_KATAKANA:
        return "Jpan";
    case G_UNICODE_SCRIPT_HANGUL:
        return "Hang";
    case G_UNICODE_SCRIPT_CYRILLIC:
        return "Cyrl";
    case G_UNICODE_SCRIPT_GREEK:
        return "Grek";
    case G_UNICODE_SCRIPT_ARABIC:
        return "Arab";
    case G_UNICODE_SCRIPT_HEBREW:
        return "Hebr";
    case G_UNICODE_SCRIPT_DEVANAGARI:
        return "Deva";
    case G_UNICODE_SCRIPT_BENGALI:
        return "Beng";
    case G_UNICODE_SCRIPT_TAMIL:
        return "Taml";
    case G_UNICODE_SCRIPT_THAI:
        return "Thai";
    case G_UNICODE_SCRIPT_LAO:
        return "Laoo";
    case G_UNICODE_SCRIPT_KHMER:
        return "Khmr";
    case G_UNICODE_SCRIPT_MYANMAR:
        return "Mymr";
    default:
        return "Zyyy"; // a script that is not told apart from the others of its kind
    }
}

#define SCRIPTS_MAX 18

const char *words_script(const char *s)
{
    struct {
        const char *code;
        size_t count;
    } seen[SCRIPTS_MAX] = { 0 };
    size_t n = strlen(s), step, best = 0, jpan = 0, hani = 0;
    for (size_t i = 0; i < n; i += step) {
        gunichar c = char_at(s + i, n - i, &step);
        if (!g_unichar_isalpha(c)) {
            continue;
        }
        const char *code = script_of(c);
        size_t at = 0;
        while (seen[at].code && seen[at].code != code && at < SCRIPTS_MAX - 1) {
            at++;
        }
        seen[at].code = code;
        seen[at].count++;
        jpan += strcmp(code, "Jpan") == 0;
        hani += strcmp(code, "Hani") == 0;
        best = seen[at].count > seen[best].count ? at : best;
    }
    if (!seen[best].code) {
        return "";
    }
    return jpan > 0 && jpan + hani > seen[best].count / 2 && strcmp(seen[best].code, "Latn") != 0
               ? "Jpan"
               : seen[best].code;
}

bool words_script_unspaced(const char *script)
{
    static const char *const unspaced[] = { "Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr" };
    for (size_t i = 0; i < G_N_ELEMENTS(unspaced); i++) {
        if (strcmp(script, unspaced[i]) == 0) {
            return true;
        }
    }
    return false;
}

// Whether a word may begin or end between the two characters at `at`.
static bool is_boundary(const char *text, const char *at)
{
    size_t step;
    if (at == text || !*at) {
        return true;
    }
    const char *before_at = g_utf8_find_prev_char(text, at);
    gunichar before = before_at ? char_at(before_at, (size_t)(at - before_at), &step) : REPLACEMENT;
    gunichar after = char_at(at, strlen(at), &step);
    if (!in_word(before) || !in_word(after)) {
        // "c" is not in "c++".
        return !(in_word(before) && (after == '+' || after == '#'));
    }
    return words_script_unspaced(script_of(before)) || words_script_unspaced(script_of(after));
}

const char *words_find(const char *folded, const char *words)
{
    size_t n = strlen(words);
    if (n == 0) {
        return NULL;
    }
    for (const char *at = strstr(folded, words); at; at = strstr(at + 1, words)) {
        if (is_boundary(folded, at) && is_boundary(folded, at + n)) {
            return at;
        }
    }
    return NULL;
}

uint64_t words_hash(const char *s)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *s; s++) {
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
    }
    return hash;
}
