// Wrong claims and what is right: see claims.h.
//
// A pattern and a text are both lists of folded words; a pattern is tried at each word of the text.

#include "memegen/pipeline/claims.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/words.h"
#include "memegen/yaml.h"

#define FILE_NAME "claims.yaml"
#define CLAIMS_MAX 500
// Words of a text that are looked at: more than a topic or a caption has.
#define TEXT_WORDS_MAX 128
#define PATTERN_WORDS_MAX 12

// One way of saying a claim.
struct pattern {
    size_t count;
    char words[PATTERN_WORDS_MAX][WORDS_WORD_BYTES];
};

struct claim {
    const char *fact, *right; // borrowed from the tree; right may be NULL
    size_t said_count;
    struct pattern *said;
    bool has_number;
    json_int_t number;
};

struct claims {
    json_t *tree;
    size_t count;
    struct claim list[];
};

// A text cut into words.
struct cut {
    size_t count;
    struct words_span spans[TEXT_WORDS_MAX];
    char folded[TEXT_WORDS_MAX][WORDS_WORD_BYTES];
};

static void cut_words(const char *text, struct cut *ret)
{
    struct words_span span;
    ret->count = 0;
    while (ret->count < TEXT_WORDS_MAX && words_next(&text, &span)) {
        ret->spans[ret->count] = span;
        words_fold(ret->folded[ret->count], WORDS_WORD_BYTES, span.s, span.n);
        ret->count++;
    }
}

// Words of a pattern: between spaces, so that "#" and "*" count. None where there are too many.
static void cut_pattern(const char *text, struct pattern *ret)
{
    ret->count = 0;
    while (*text && ret->count < PATTERN_WORDS_MAX) {
        size_t n = strcspn(text, " ");
        words_fold(ret->words[ret->count++], WORDS_WORD_BYTES, text, n);
        text += n + strspn(text + n, " ");
    }
    ret->count = *text ? 0 : ret->count;
}

static bool is_number(const char *word)
{
    return word[strspn(word, "0123456789")] == '\0' && strlen(word) < 16;
}

// Whether the pattern stands at word `at`; *ret_number is the word that stands for its "#".
static bool matches(const struct cut *cut, size_t at, const struct pattern *pattern,
                    size_t *ret_number)
{
    if (at + pattern->count > cut->count) {
        return false;
    }
    for (size_t i = 0; i < pattern->count; i++) {
        const char *word = cut->folded[at + i], *wanted = pattern->words[i];
        if (strcmp(wanted, "#") == 0) {
            if (!is_number(word)) {
                return false;
            }
            *ret_number = at + i;
        } else if (strcmp(wanted, "*") != 0 && strcmp(wanted, word) != 0) {
            return false;
        }
    }
    return true;
}

// Whether one of the four words before denies what follows.
static bool is_denied(const struct cut *cut, size_t at)
{
    static const char *const denials[] = { "not",   "never", "myth",  "nobody",
                                           "isn't", "wrong", "false", "stop" };
    for (size_t i = at > 4 ? at - 4 : 0; i < at; i++) {
        for (size_t j = 0; j < sizeof(denials) / sizeof(denials[0]); j++) {
            if (strcmp(cut->folded[i], denials[j]) == 0) {
                return true;
            }
        }
    }
    return false;
}

// Whether the claim is made, wrongly, at word `at`.
static bool find_at(const struct claim *claim, const char *text, const struct cut *cut, size_t at,
                    struct claims_fault *ret)
{
    for (size_t i = 0; i < claim->said_count; i++) {
        size_t number = 0;
        if (!matches(cut, at, &claim->said[i], &number) || is_denied(cut, at) ||
            (claim->has_number && strtoll(cut->folded[number], NULL, 10) == claim->number)) {
            continue;
        }
        size_t first = claim->has_number ? number : at,
               last = claim->has_number ? number : at + claim->said[i].count - 1;
        *ret = (struct claims_fault){
            .fact = claim->fact,
            .at = (size_t)(cut->spans[first].s - text),
            .len = (size_t)(cut->spans[last].s + cut->spans[last].n - cut->spans[first].s),
            .mendable = claim->has_number || claim->right,
        };
        if (claim->has_number) {
            snprintf(ret->right, sizeof(ret->right), "%lld", (long long)claim->number);
        } else if (claim->right) {
            words_copy(ret->right, sizeof(ret->right), claim->right);
        }
        return true;
    }
    return false;
}

bool claims_find(const struct claims *claims, const char *text, size_t from,
                 struct claims_fault *ret)
{
    struct cut cut;
    cut_words(text, &cut);
    for (size_t at = 0; at < cut.count; at++) {
        if ((size_t)(cut.spans[at].s - text) < from) {
            continue;
        }
        for (size_t i = 0; i < claims->count; i++) {
            if (find_at(&claims->list[i], text, &cut, at, ret)) {
                return true;
            }
        }
    }
    return false;
}

// Every pattern of a numbered claim needs one "#", every other none. NULL, or what is wrong.
static const char *read_said(struct claim *claim, const json_t *said)
{
    if (json_array_size(said) == 0) {
        return "said must be a list of patterns";
    }
    claim->said = calloc(json_array_size(said), sizeof(claim->said[0]));
    if (!claim->said) {
        return "out of memory";
    }
    for (; claim->said_count < json_array_size(said); claim->said_count++) {
        struct pattern *pattern = &claim->said[claim->said_count];
        const char *text = json_string_value(json_array_get(said, claim->said_count));
        size_t numbers = 0;
        cut_pattern(text ? text : "", pattern);
        for (size_t j = 0; j < pattern->count; j++) {
            numbers += strcmp(pattern->words[j], "#") == 0;
        }
        if (pattern->count < 2) {
            return "a pattern must be a string of 2 to 12 words";
        }
        if (numbers != (claim->has_number ? 1 : 0)) {
            return "\"#\" stands once in each pattern of a claim with a number, and in no other";
        }
    }
    return NULL;
}

static int read_claim(struct claim *claim, json_t *object, char *error, size_t size)
{
    json_error_t problem;
    json_t *number = NULL, *said;
    if (json_unpack_ex(object, &problem, JSON_STRICT, "{s:s, s:o, s?s, s?o}", "fact", &claim->fact,
                       "said", &said, "right", &claim->right, "number", &number) < 0) {
        snprintf(error, size, "%s", problem.text);
        return -EINVAL;
    }
    claim->has_number = number != NULL;
    claim->number = json_integer_value(number);
    const char *what = number && !json_is_integer(number) ? "number must be a whole number"
                       : number && claim->right           ? "it has both a number and a right text"
                                                          : read_said(claim, said);
    snprintf(error, size, "%s", what ? what : "");
    return what ? -EINVAL : 0;
}

int claims_load(struct claims **ret, const char *data_dir, char *error, size_t error_size)
{
    char path[4096], what[160];
    int r = -EINVAL;
    struct claims *claims = NULL;
    snprintf(path, sizeof(path), "%s/%s", data_dir, FILE_NAME);
    json_t *tree = yaml_load(path, error, error_size);
    if (!tree) {
        return -EINVAL;
    }
    const json_t *list = json_object_get(tree, "claims");
    size_t count = json_array_size(list);
    if (count == 0 || count > CLAIMS_MAX) {
        snprintf(error, error_size, "%s: claims must be a list of 1 to %d", FILE_NAME, CLAIMS_MAX);
        goto fail;
    }
    claims = calloc(1, sizeof(*claims) + count * sizeof(claims->list[0]));
    if (!claims) {
        snprintf(error, error_size, "out of memory");
        r = -ENOMEM;
        goto fail;
    }
    claims->tree = tree;
    while (claims->count < count) {
        const json_t *object = json_array_get(list, claims->count);
        r = read_claim(&claims->list[claims->count++], (json_t *)object, what, sizeof(what));
        if (r < 0) {
            snprintf(error, error_size, "%s: claim %zu is wrong: %s", FILE_NAME, claims->count,
                     what);
            claims_free(claims);
            return r;
        }
    }
    *ret = claims;
    return 0;
fail:
    json_decref(tree);
    return r;
}

void claims_free(struct claims *claims)
{
    if (!claims) {
        return;
    }
    for (size_t i = 0; i < claims->count; i++) {
        free(claims->list[i].said);
    }
    json_decref(claims->tree);
    free(claims);
}
