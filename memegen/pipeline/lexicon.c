// Words by what they tell: see lexicon.h.

#include "memegen/pipeline/lexicon.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/words.h"
#include "memegen/yaml.h"

#define FILE_NAME "phrases-words.yaml"

struct lexicon {
    json_t *tree;
    json_t *subjects, *moods, *stopwords; // name → words; borrowed from the tree
    json_t *common, *comic, *stop_set;    // sets: word → true
};

static int is_list_of_words(const json_t *list)
{
    size_t i;
    json_t *word;
    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word) || !*json_string_value(word)) {
            return 0;
        }
    }
    return json_array_size(list) > 0;
}

// A map of lists of words, by its name; *r gets -EINVAL where it is none.
static json_t *read_lists(const json_t *tree, const char *name, char *error, size_t error_size,
                          int *r)
{
    const char *key;
    json_t *words, *lists = json_object_get(tree, name);
    bool good = json_object_size(lists) > 0;
    json_object_foreach(lists, key, words)
    {
        good = good && is_list_of_words(words);
    }
    if (!good && *r == 0) {
        snprintf(error, error_size, "%s: %s must be a map of lists of words", FILE_NAME, name);
        *r = -EINVAL;
    }
    return lists;
}

// Adds the words, folded, to a set.
static int add_words(json_t *set, const json_t *words)
{
    char folded[WORDS_WORD_BYTES];
    size_t i;
    json_t *word;
    int failed = 0;
    json_array_foreach(words, i, word)
    {
        words_fold(folded, sizeof(folded), json_string_value(word), json_string_length(word));
        failed |= json_object_set_new(set, folded, json_true());
    }
    return failed ? -ENOMEM : 0;
}

static json_t *read_set(const json_t *tree, const char *name, char *error, size_t error_size,
                        int *r)
{
    json_t *set = json_object(), *words = json_object_get(tree, name);
    if (*r == 0 && !is_list_of_words(words)) {
        snprintf(error, error_size, "%s: %s must be a list of words", FILE_NAME, name);
        *r = -EINVAL;
    }
    if (*r == 0 && (!set || add_words(set, words) < 0)) {
        snprintf(error, error_size, "out of memory");
        *r = -ENOMEM;
    }
    return set;
}

int lexicon_load(struct lexicon **ret, const char *data_dir, char *error, size_t error_size)
{
    char path[4096];
    const char *key;
    json_t *words;
    int r = 0;
    struct lexicon *lexicon = calloc(1, sizeof(*lexicon));
    if (!lexicon) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    snprintf(path, sizeof(path), "%s/%s", data_dir, FILE_NAME);
    lexicon->tree = yaml_load(path, error, error_size);
    if (!lexicon->tree) {
        free(lexicon);
        return -EINVAL;
    }
    lexicon->subjects = read_lists(lexicon->tree, "subjects", error, error_size, &r);
    lexicon->moods = read_lists(lexicon->tree, "moods", error, error_size, &r);
    lexicon->stopwords = read_lists(lexicon->tree, "stopwords", error, error_size, &r);
    lexicon->common = read_set(lexicon->tree, "common", error, error_size, &r);
    lexicon->comic = read_set(lexicon->tree, "comic", error, error_size, &r);
    lexicon->stop_set = json_object();
    json_object_foreach(lexicon->stopwords, key, words)
    {
        if (r == 0 && (!lexicon->stop_set || add_words(lexicon->stop_set, words) < 0)) {
            snprintf(error, error_size, "out of memory");
            r = -ENOMEM;
        }
    }
    if (r < 0) {
        lexicon_free(lexicon);
        return r;
    }
    *ret = lexicon;
    return 0;
}

void lexicon_free(struct lexicon *lexicon)
{
    if (lexicon) {
        json_decref(lexicon->common);
        json_decref(lexicon->comic);
        json_decref(lexicon->stop_set);
        json_decref(lexicon->tree);
        free(lexicon);
    }
}

// The list that the text has most words of; the first of equals. *ret_hits is how many.
static const char *most_words(const json_t *lists, const char *folded, const char *fallback,
                              size_t *ret_hits)
{
    const char *name, *best = fallback;
    json_t *words, *word;
    size_t i;
    *ret_hits = 0;
    json_object_foreach((json_t *)lists, name, words)
    {
        size_t hits = 0;
        json_array_foreach(words, i, word)
        {
            hits += words_find(folded, json_string_value(word)) != NULL;
        }
        if (hits > *ret_hits) {
            *ret_hits = hits;
            best = name;
        }
    }
    return best;
}

const char *lexicon_subject(const struct lexicon *lexicon, const char *folded)
{
    size_t hits;
    return most_words(lexicon->subjects, folded, "general", &hits);
}

const char *lexicon_mood(const struct lexicon *lexicon, const char *folded)
{
    size_t hits;
    return most_words(lexicon->moods, folded, "ironic", &hits);
}

const char *lexicon_language(const struct lexicon *lexicon, const char *folded, const char *script)
{
    static const char *const by_script[][2] = {
        { "Hani", "zh" }, { "Jpan", "ja" }, { "Hang", "ko" }, { "Arab", "ar" },
        { "Hebr", "he" }, { "Deva", "hi" }, { "Grek", "el" }, { "Thai", "th" },
        { "Cyrl", "ru" }, { "Beng", "bn" }, { "Taml", "ta" },
    };
    for (size_t i = 0; i < sizeof(by_script) / sizeof(by_script[0]); i++) {
        if (strcmp(script, by_script[i][0]) == 0) {
            return by_script[i][1];
        }
    }
    size_t hits;
    return most_words(lexicon->stopwords, folded, "en", &hits);
}

bool lexicon_is_stopword(const struct lexicon *lexicon, const char *word)
{
    return json_object_get(lexicon->stop_set, word) != NULL;
}

bool lexicon_is_common(const struct lexicon *lexicon, const char *word)
{
    return json_object_get(lexicon->common, word) || lexicon_is_stopword(lexicon, word);
}

bool lexicon_is_comic(const struct lexicon *lexicon, const char *word)
{
    return json_object_get(lexicon->comic, word) != NULL;
}
