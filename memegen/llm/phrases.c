// The phrase bank: reading and checking. See phrases.h.

#include "memegen/llm/phrases.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/words.h"
#include "memegen/meme.h"
#include "memegen/yaml.h"

static const char *const file_names[] = { "phrases.yaml", "phrases-lines.yaml",
                                          "phrases-languages.yaml" };

// Symbols that the topic gives, beside those of `words`.
static const char *const topic_symbols[] = { "topic", "a", "b", "key", "trend", NULL };
static const char *const needs_names[] = { "versus", "trend", "question", NULL };

struct phrases {
    json_t *languages; // code → { quotes, words, lines, jokes }, merged from all files
    json_t *roles;     // role → words
    size_t count;
};

// Where an error is written, and the file that is being read.
struct reader {
    struct phrases *phrases;
    const char *file;
    const char *language;
    char *error;
    size_t error_size;
};

static int __attribute__((format(printf, 2, 3)))
wrong(const struct reader *reader, const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(reader->error, reader->error_size, "%s: %s", reader->file, what);
    return -EINVAL;
}

static bool is_one_of(const char *name, const char *const names[])
{
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool phrases_next_symbol(const char **at, size_t *ret_before, char ret[PHRASES_SYMBOL_BYTES])
{
    const char *open = strchr(*at, '{');
    const char *close = open ? strchr(open, '}') : NULL;
    size_t n = close ? (size_t)(close - open) - 1 : 0;
    if (!close || n == 0 || n >= PHRASES_SYMBOL_BYTES) {
        *ret_before = strlen(*at);
        return false;
    }
    *ret_before = (size_t)(open - *at);
    memcpy(ret, open + 1, n);
    ret[n] = '\0';
    *at = close + 1;
    return true;
}

// "{person2}" is another person than "{person}", "{PERSON}" one in capitals: both are of the list
// `person`. "{10-99}" is a number.
static bool symbol_known(const struct reader *reader, const char *symbol)
{
    char name[PHRASES_SYMBOL_BYTES];
    size_t n = 0;
    unsigned low, high;
    int end = 0;
    if (sscanf(symbol, "%u-%u%n", &low, &high, &end) == 2 && !symbol[end]) {
        return low < high;
    }
    for (; symbol[n]; n++) {
        name[n] = (char)tolower((unsigned char)symbol[n]);
    }
    while (n > 1 && isdigit((unsigned char)name[n - 1])) {
        n--;
    }
    name[n] = '\0';
    const json_t *language = json_object_get(reader->phrases->languages, reader->language);
    return is_one_of(name, topic_symbols) ||
           json_object_get(json_object_get(language, "words"), name);
}

static int check_text(const struct reader *reader, const json_t *text)
{
    const char *s = json_string_value(text);
    char symbol[PHRASES_SYMBOL_BYTES];
    size_t before;
    if (!s || !*s) {
        return wrong(reader, "a text of language %s is not a string; put it in quotes",
                     reader->language);
    }
    if (strlen(s) >= MEME_CAPTION_BYTES) {
        return wrong(reader, "a text is longer than %d bytes: \"%.60s\"", MEME_CAPTION_BYTES - 1,
                     s);
    }
    for (const char *at = s; phrases_next_symbol(&at, &before, symbol);) {
        if (!symbol_known(reader, symbol)) {
            return wrong(reader, "no list of words is called {%s}, in \"%.80s\"", symbol, s);
        }
    }
    return 0;
}

// A list of texts; adds their number to *count where it is given.
static int check_texts(const struct reader *reader, const char *name, const json_t *texts,
                       size_t *count)
{
    size_t i;
    json_t *text;
    if (json_array_size(texts) == 0) {
        return wrong(reader, "%s of language %s must be a list of strings", name, reader->language);
    }
    json_array_foreach(texts, i, text)
    {
        int r = check_text(reader, text);
        if (r < 0) {
            return r;
        }
    }
    *count += json_array_size(texts);
    return 0;
}

// An object of lists of texts.
static int check_lists(const struct reader *reader, const char *name, const json_t *lists,
                       size_t *count)
{
    const char *key;
    json_t *texts;
    if (lists && !json_is_object(lists)) {
        return wrong(reader, "%s of language %s must be a map of lists", name, reader->language);
    }
    json_object_foreach((json_t *)lists, key, texts)
    {
        int r = check_texts(reader, key, texts, count);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check_joke(const struct reader *reader, const json_t *joke)
{
    const char *mood = NULL, *about = NULL, *needs = NULL, *key;
    json_error_t error;
    json_t *say, *text;
    size_t ignored = 0;
    int r = 0;
    if (json_unpack_ex((json_t *)joke, &error, JSON_STRICT, "{s?s, s?s, s?s, s:o}", "mood", &mood,
                       "about", &about, "needs", &needs, "say", &say) < 0) {
        return wrong(reader, "a joke of language %s is wrong: %s", reader->language, error.text);
    }
    if (needs && !is_one_of(needs, needs_names)) {
        return wrong(reader, "a joke needs \"%s\", which is none of versus, trend, question",
                     needs);
    }
    if (json_is_array(say)) {
        return check_texts(reader, "say", say, &ignored);
    }
    if (json_object_size(say) == 0) {
        return wrong(reader, "a joke of language %s says nothing", reader->language);
    }
    json_object_foreach(say, key, text)
    {
        r = r < 0 ? r : check_text(reader, text);
    }
    return r;
}

// "verbs" make a topic a sentence; "questions" are pairs of texts.
static int check_topics(const struct reader *reader, const json_t *language)
{
    const json_t *verbs = json_object_get(language, "verbs"),
                 *questions = json_object_get(language, "questions");
    for (size_t i = 0; i < json_array_size(verbs); i++) {
        if (!json_is_string(json_array_get(verbs, i))) {
            return wrong(reader, "verbs of language %s must be a list of strings",
                         reader->language);
        }
    }
    for (size_t i = 0; i < json_array_size(questions); i++) {
        const json_t *pair = json_array_get(questions, i);
        if (json_array_size(pair) != 2 || !json_is_string(json_array_get(pair, 0)) ||
            !json_is_string(json_array_get(pair, 1))) {
            return wrong(reader, "questions of language %s must be pairs of strings",
                         reader->language);
        }
    }
    return 0;
}

static int check_language(struct reader *reader, const json_t *language)
{
    size_t i, words = 0;
    json_t *joke, *jokes = json_object_get(language, "jokes");
    const json_t *quotes = json_object_get(language, "quotes");
    if (json_array_size(quotes) != 2 || !json_is_string(json_array_get(quotes, 0)) ||
        !json_is_string(json_array_get(quotes, 1))) {
        return wrong(reader, "language %s needs its quotes: two strings", reader->language);
    }
    int r = check_topics(reader, language);
    r = r < 0 ? r : check_lists(reader, "words", json_object_get(language, "words"), &words);
    if (r == 0) {
        r = check_lists(reader, "lines", json_object_get(language, "lines"),
                        &reader->phrases->count);
    }
    if (r == 0 && !json_object_get(json_object_get(language, "lines"), "any")) {
        r = wrong(reader, "language %s needs lines for the role \"any\"", reader->language);
    }
    json_array_foreach(jokes, i, joke)
    {
        r = r < 0 ? r : check_joke(reader, joke);
    }
    reader->phrases->count += json_array_size(jokes);
    return r;
}

// Puts what a file says of a language to what is known: lists grow, maps of lists are joined.
static int merge_language(const struct reader *reader, json_t *into, const json_t *from)
{
    static const char *const known[] = { "quotes", "verbs", "questions", "words",
                                         "lines",  "jokes", NULL };
    const char *key;
    json_t *value;
    if (!json_is_object(from)) {
        return wrong(reader, "language %s must be a map", reader->language);
    }
    json_object_foreach((json_t *)from, key, value)
    {
        json_t *old = json_object_get(into, key);
        int failed;
        if (!is_one_of(key, known)) {
            return wrong(reader, "language %s has \"%s\", which is not known", reader->language,
                         key);
        }
        if (old && json_typeof(old) != json_typeof(value)) {
            return wrong(reader, "%s of language %s is not of one kind in all files", key,
                         reader->language);
        }
        if (!old) {
            failed = json_object_set_new(into, key, json_deep_copy(value));
        } else {
            failed =
                json_is_array(old) ? json_array_extend(old, value) : json_object_update(old, value);
        }
        if (failed) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int merge_languages(struct reader *reader, const json_t *languages)
{
    const char *code;
    json_t *from;
    json_object_foreach((json_t *)languages, code, from)
    {
        reader->language = code;
        json_t *into = json_object_get(reader->phrases->languages, code);
        if (!into) {
            into = json_object();
            if (!into || json_object_set_new(reader->phrases->languages, code, into)) {
                return -ENOMEM;
            }
        }
        int r = merge_language(reader, into, from);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check_roles(const struct reader *reader, const json_t *roles)
{
    const char *role;
    json_t *words, *word;
    size_t i;
    json_object_foreach((json_t *)roles, role, words)
    {
        json_array_foreach(words, i, word)
        {
            if (!json_is_string(word)) {
                return wrong(reader, "the words of role %s must be strings", role);
            }
        }
        if (json_array_size(words) == 0) {
            return wrong(reader, "role %s has no words", role);
        }
    }
    return 0;
}

static int read_file(struct reader *reader, const char *data_dir)
{
    char path[4096], what[200];
    const json_t *roles;
    snprintf(path, sizeof(path), "%s/%s", data_dir, reader->file);
    json_t *tree = yaml_load(path, what, sizeof(what));
    if (!tree) {
        return wrong(reader, "%s", what);
    }
    int r = merge_languages(reader, json_object_get(tree, "languages"));
    if (r == 0 && (roles = json_object_get(tree, "roles"))) {
        r = check_roles(reader, roles);
        r = r == 0 && json_object_update(reader->phrases->roles, (json_t *)roles) ? -ENOMEM : r;
    }
    json_decref(tree);
    return r;
}

int phrases_load(struct phrases **ret, const char *data_dir, char *error, size_t error_size)
{
    struct phrases *phrases = calloc(1, sizeof(*phrases));
    struct reader reader = { phrases, file_names[0], "en", error, error_size };
    const char *code;
    json_t *language;
    int r = -ENOMEM;
    snprintf(error, error_size, "out of memory");
    if (!phrases || !(phrases->languages = json_object()) || !(phrases->roles = json_object())) {
        goto fail;
    }
    for (size_t i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++) {
        reader.file = file_names[i];
        r = read_file(&reader, data_dir);
        if (r < 0) {
            goto fail;
        }
    }
    reader.file = data_dir;
    if (!json_object_get(phrases->languages, "en")) {
        r = wrong(&reader, "no phrases in English, which stand in for other languages");
        goto fail;
    }
    json_object_foreach(phrases->languages, code, language)
    {
        reader.language = code;
        r = check_language(&reader, language);
        if (r < 0) {
            goto fail;
        }
    }
    *ret = phrases;
    return 0;
fail:
    phrases_free(phrases);
    return r;
}

void phrases_free(struct phrases *phrases)
{
    if (phrases) {
        json_decref(phrases->languages);
        json_decref(phrases->roles);
        free(phrases);
    }
}

size_t phrases_count(const struct phrases *phrases)
{
    return phrases->count;
}

const json_t *phrases_language(const struct phrases *phrases, const char *code)
{
    const json_t *language = json_object_get(phrases->languages, code);
    return language ? language : json_object_get(phrases->languages, "en");
}

const char *phrases_role(const struct phrases *phrases, const char *slot, size_t at, size_t count)
{
    static const char *const places[] = { "one", "two", "three", "four", "five", "six" };
    char folded[256];
    const char *role;
    json_t *words, *word;
    size_t i;
    words_fold(folded, sizeof(folded), slot, strlen(slot));
    json_object_foreach(phrases->roles, role, words)
    {
        json_array_foreach(words, i, word)
        {
            if (words_find(folded, json_string_value(word))) {
                return role;
            }
        }
    }
    if (count == 1) {
        return "statement";
    }
    if (count == 2) {
        return at == 0 ? "top" : "bottom";
    }
    return places[at < 6 ? at : 5];
}
