// Blocked words: see blocklist.h.

#include "memegen/pipeline/blocklist.h"

#include <errno.h>
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/words.h"
#include "memegen/yaml.h"

#define FILE_NAME "blocklist.yaml"
#define ENTRIES_MAX 2000
#define ENTRY_WORDS_MAX 6
#define WORD_CHARS_MAX 32
#define TEXT_WORDS_MAX 256
// Letters spelt apart are read as a word from this many on: "i" and "a b" are none.
#define APART_MIN 4

// A word as characters: letters folded, signs as they are.
struct word {
    size_t n;
    gunichar chars[WORD_CHARS_MAX];
};

struct entry {
    const char *category; // borrowed from the tree
    size_t count;
    bool prefix; // "*" at its end: the last word may go on
    struct word words[ENTRY_WORDS_MAX];
};

struct blocklist {
    json_t *tree;
    size_t count;
    struct entry entries[];
};

// Signs that stand for letters.
static bool stands_for(gunichar sign, gunichar letter)
{
    switch (sign) {
    case '0':
        return letter == 'o';
    case '1':
    case '!':
    case '|':
        return letter == 'i' || letter == 'l';
    case '3':
        return letter == 'e';
    case '4':
    case '@':
        return letter == 'a';
    case '5':
    case '$':
        return letter == 's';
    case '7':
        return letter == 't';
    case '8':
        return letter == 'b';
    case '9':
        return letter == 'g';
    default:
        return false;
    }
}

// Cyrillic and Greek letters that look like Latin ones
// (https://www.unicode.org/Public/security/latest/confusables.txt).
static gunichar unmask(gunichar c)
{
    static const struct {
        gunichar c;
        char latin;
    } look_alikes[] = {
        { 0x430, 'a' }, { 0x435, 'e' }, { 0x456, 'i' }, { 0x43E, 'o' }, { 0x440, 'p' },
        { 0x441, 'c' }, { 0x443, 'y' }, { 0x445, 'x' }, { 0x43A, 'k' }, { 0x43C, 'm' },
        { 0x442, 't' }, { 0x455, 's' }, { 0x458, 'j' }, { 0x501, 'd' }, { 0x3B1, 'a' },
        { 0x3B5, 'e' }, { 0x3B9, 'i' }, { 0x3BF, 'o' }, { 0x3C1, 'p' }, { 0x3BD, 'v' },
        { 0x3BA, 'k' }, { 0x3C4, 't' }, { 0x3C5, 'u' },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(look_alikes); i++) {
        if (look_alikes[i].c == c) {
            return (gunichar)look_alikes[i].latin;
        }
    }
    return c;
}

static bool is_sign(gunichar c)
{
    return c == '@' || c == '$' || c == '!' || c == '|';
}

// What shows nothing, or is laid over a letter of any script: put into a word, it leaves the word as
// it is read (Default_Ignorable_Code_Point and the blocks of combining diacritical marks,
// https://www.unicode.org/Public/UCD/latest/ucd/).
static bool is_disguise(gunichar c)
{
    return g_unichar_type(c) == G_UNICODE_FORMAT || c == 0x034F || c == 0x115F || c == 0x1160 ||
           c == 0x17B4 || c == 0x17B5 || (c >= 0x180B && c <= 0x180F) || c == 0x3164 ||
           c == 0xFFA0 || (c >= 0x1AB0 && c <= 0x1AFF) || (c >= 0x1DC0 && c <= 0x1DFF) ||
           (c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFE00 && c <= 0xFE0F) ||
           (c >= 0xFE20 && c <= 0xFE2F) || (c >= 0xE0000 && c <= 0xE0FFF);
}

static bool is_latin(gunichar c)
{
    return (c >= 'a' && c <= 'z');
}

// Look-alikes are unmasked where a word mixes them with Latin letters; a word all in its own script
// is what it seems.
static void unmask_word(struct word *word)
{
    bool latin = false;
    for (size_t i = 0; i < word->n; i++) {
        latin |= is_latin(word->chars[i]);
    }
    for (size_t i = 0; i < word->n && latin; i++) {
        word->chars[i] = unmask(word->chars[i]);
    }
}

// The next word of a folded text: letters, digits, marks, and signs that a letter follows. False at
// the end.
static bool next_word(const char **at, struct word *ret)
{
    *ret = (struct word){ 0 };
    const char *s = *at;
    for (; *s; s = g_utf8_next_char(s)) {
        gunichar c = g_utf8_get_char(s);
        if (is_disguise(c)) {
            continue;
        }
        bool part = g_unichar_isalnum(c) || g_unichar_ismark(c) ||
                    (is_sign(c) && g_unichar_isalnum(g_utf8_get_char(g_utf8_next_char(s))));
        if (!part && ret->n > 0 && c != '\'') {
            break;
        }
        if (part && ret->n < WORD_CHARS_MAX) {
            ret->chars[ret->n++] = c;
        }
    }
    *at = s;
    unmask_word(ret);
    return ret->n > 0;
}

// Characters from `at` on that are like the one there.
static size_t run_of(const struct word *word, size_t at)
{
    size_t n = 1;
    while (at + n < word->n && word->chars[at + n] == word->chars[at]) {
        n++;
    }
    return n;
}

// Whether the text's word is the entry's in some disguise. A letter may be stretched to three or
// more ("kiiill"), and then stands for one or two; so "good" is not "god".
static bool same_word(const struct word *text, const struct word *entry, bool prefix)
{
    size_t t = 0, e = 0;
    while (e < entry->n) {
        if (t >= text->n) {
            return false;
        }
        if (text->chars[t] != entry->chars[e] && !stands_for(text->chars[t], entry->chars[e])) {
            return false;
        }
        size_t stretched = run_of(text, t), wanted = run_of(entry, e);
        if (stretched >= 3 && stretched > wanted) {
            t += stretched;
            e += wanted;
        } else {
            t++;
            e++;
        }
    }
    return prefix || t == text->n;
}

static bool has_letter(const struct word *word)
{
    for (size_t i = 0; i < word->n; i++) {
        if (g_unichar_isalpha(word->chars[i])) {
            return true;
        }
    }
    return false;
}

static bool entry_at(const struct entry *entry, const struct word *words, size_t left)
{
    if (entry->count > left) {
        return false;
    }
    for (size_t i = 0; i < entry->count; i++) {
        // A bare number is a number, whatever its digits could stand for.
        if (!has_letter(&words[i]) ||
            !same_word(&words[i], &entry->words[i], entry->prefix && i + 1 == entry->count)) {
            return false;
        }
    }
    return true;
}

static const char *find_at(const struct blocklist *blocklist, const struct word *words, size_t left)
{
    for (size_t i = 0; i < blocklist->count; i++) {
        if (entry_at(&blocklist->entries[i], words, left)) {
            return blocklist->entries[i].category;
        }
    }
    return NULL;
}

// All words of an entry in one.
static void join_entry(const struct entry *entry, struct word *ret)
{
    *ret = (struct word){ 0 };
    for (size_t i = 0; i < entry->count; i++) {
        for (size_t k = 0; k < entry->words[i].n && ret->n < WORD_CHARS_MAX; k++) {
            ret->chars[ret->n++] = entry->words[i].chars[k];
        }
    }
}

// Letters spelt apart, from word `at` on: whether they spell an entry, from any of them on.
static const char *find_apart(const struct blocklist *blocklist, const struct word *words,
                              size_t left)
{
    struct word joined = { 0 }, entry;
    for (size_t i = 0; i < left && words[i].n == 1 && joined.n < WORD_CHARS_MAX; i++) {
        joined.chars[joined.n++] = words[i].chars[0];
    }
    if (joined.n < APART_MIN || !has_letter(&joined)) {
        return NULL;
    }
    for (size_t i = 0; i < blocklist->count; i++) {
        join_entry(&blocklist->entries[i], &entry);
        if (entry.n >= APART_MIN && same_word(&joined, &entry, true)) {
            return blocklist->entries[i].category;
        }
    }
    return NULL;
}

const char *blocklist_find(const struct blocklist *blocklist, const char *text)
{
    char folded[4096];
    struct word words[TEXT_WORDS_MAX];
    size_t count = 0;
    const char *at = folded, *found = NULL;
    words_fold(folded, sizeof(folded), text, strlen(text));
    while (count < TEXT_WORDS_MAX && next_word(&at, &words[count])) {
        count++;
    }
    for (size_t i = 0; i < count && !found; i++) {
        found = find_at(blocklist, &words[i], count - i);
        found = found ? found : find_apart(blocklist, &words[i], count - i);
    }
    return found;
}

static void rot13(char *s)
{
    for (; *s; s++) {
        if (*s >= 'a' && *s <= 'z') {
            *s = (char)('a' + (*s - 'a' + 13) % 26);
        }
    }
}

static int read_entry(struct entry *entry, const char *category, const json_t *value, bool hidden)
{
    char folded[128];
    const char *text = json_string_value(value), *at = folded;
    if (!text || strlen(text) >= sizeof(folded)) {
        return -EINVAL;
    }
    size_t n = words_fold(folded, sizeof(folded), text, strlen(text));
    entry->category = category;
    entry->prefix = n > 0 && folded[n - 1] == '*';
    if (hidden) {
        rot13(folded);
    }
    while (entry->count < ENTRY_WORDS_MAX && next_word(&at, &entry->words[entry->count])) {
        entry->count++;
    }
    return entry->count > 0 ? 0 : -EINVAL;
}

// Counts the entries of all lists, or reads them where there is a list to fill.
static int read_lists(json_t *lists, struct blocklist *fill, size_t *ret_count, char *error,
                      size_t size)
{
    const char *category;
    json_t *list, *value;
    size_t i;
    *ret_count = 0;
    json_object_foreach(lists, category, list)
    {
        json_error_t problem;
        int hidden = 0;
        json_t *entries;
        if (json_unpack_ex(list, &problem, JSON_STRICT, "{s?b, s:o}", "rot13", &hidden, "entries",
                           &entries) < 0) {
            snprintf(error, size, "%s: list %s is wrong: %s", FILE_NAME, category, problem.text);
            return -EINVAL;
        }
        json_array_foreach(entries, i, value)
        {
            if (fill && read_entry(&fill->entries[fill->count++], category, value, hidden) < 0) {
                snprintf(error, size, "%s: entry %zu of %s is no text of 1 to %d words", FILE_NAME,
                         i + 1, category, ENTRY_WORDS_MAX);
                return -EINVAL;
            }
            ++*ret_count;
        }
    }
    return 0;
}

int blocklist_load(struct blocklist **ret, const char *data_dir, char *error, size_t error_size)
{
    char path[4096];
    struct blocklist *blocklist = NULL;
    size_t count;
    snprintf(path, sizeof(path), "%s/%s", data_dir, FILE_NAME);
    json_t *tree = yaml_load(path, error, error_size);
    if (!tree) {
        return -EINVAL;
    }
    json_t *lists = json_object_get(tree, "lists");
    int r = read_lists(lists, NULL, &count, error, error_size);
    if (r == 0 && (count == 0 || count > ENTRIES_MAX)) {
        snprintf(error, error_size, "%s: lists must have 1 to %d entries in all", FILE_NAME,
                 ENTRIES_MAX);
        r = -EINVAL;
    }
    if (r == 0 &&
        !(blocklist = calloc(1, sizeof(*blocklist) + count * sizeof(blocklist->entries[0])))) {
        snprintf(error, error_size, "out of memory");
        r = -ENOMEM;
    }
    if (r == 0) {
        r = read_lists(lists, blocklist, &count, error, error_size);
    }
    if (r < 0) {
        free(blocklist);
        json_decref(tree);
        return r;
    }
    blocklist->tree = tree;
    *ret = blocklist;
    return 0;
}

void blocklist_free(struct blocklist *blocklist)
{
    if (blocklist) {
        json_decref(blocklist->tree);
        free(blocklist);
    }
}
