// The files that agents judge by: claims and their faults, trends and their scores, the lexicon;
// and wrong files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memegen/pipeline/blocklist.h"
#include "memegen/pipeline/claims.h"
#include "memegen/pipeline/lexicon.h"
#include "memegen/pipeline/trends.h"

static struct claims *claims;
static struct trends *trends;
static struct lexicon *lexicon;

static int open_all(void **state)
{
    char error[256];
    (void)state;
    return claims_load(&claims, DATA_DIR, error, sizeof(error)) < 0 ||
           trends_load(&trends, DATA_DIR, error, sizeof(error)) < 0 ||
           lexicon_load(&lexicon, DATA_DIR, error, sizeof(error)) < 0;
}

static int close_all(void **state)
{
    (void)state;
    claims_free(claims);
    trends_free(trends);
    lexicon_free(lexicon);
    claims_free(NULL);
    trends_free(NULL);
    lexicon_free(NULL);
    return 0;
}

static void test_faults(void **state)
{
    static const struct {
        const char *text, *wrong, *right; // right is "" where it cannot be mended
    } cases[] = {
        { "Linux was created in 2003!", "2003", "1991" },
        { "They say the Earth is flat.", "Earth is flat", "Earth is round" },
        { "THE EARTH IS FLAT", "EARTH IS FLAT", "Earth is round" },
        { "spiders have 6 legs", "6", "8" },
        { "5g causes covid", "5g causes covid", "" },
        { "a byte has 9 bits, they say", "9", "8" },
        { "brasília? no: capital of brazil is rio", "capital of brazil is rio",
          "capital of Brazil is Brasília" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct claims_fault fault;
        if (!claims_find(claims, cases[i].text, 0, &fault)) {
            fail_msg("no fault in: %s", cases[i].text);
        }
        assert_int_equal(fault.len, strlen(cases[i].wrong));
        assert_memory_equal(cases[i].text + fault.at, cases[i].wrong, fault.len);
        assert_int_equal(fault.mendable, cases[i].right[0] != '\0');
        assert_string_equal(fault.right, cases[i].right);
        assert_true(strlen(fault.fact) > 0);
        assert_false(claims_find(claims, cases[i].text, fault.at + fault.len, &fault));
    }
}

static void test_no_faults(void **state)
{
    static const char *const texts[] = {
        "",
        "linux was created in 1991",
        "spiders have 8 legs",
        "spiders have many legs",
        "it is a myth that the earth is flat",
        "nobody says bats are blind",
        "the earth is not flat",
        "earth is flatter than expected",
        "linux was created in 99999999999999999999",
        "\xff\xff earth",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct claims_fault fault;
        if (claims_find(claims, texts[i], 0, &fault)) {
            fail_msg("%s: %s", texts[i], fault.fact);
        }
    }
}

static const json_t *find_trend(const json_t *list, const char *topic)
{
    size_t i;
    json_t *trend;
    json_array_foreach(list, i, trend)
    {
        if (strcmp(json_string_value(json_object_get(trend, "topic")), topic) == 0) {
            return trend;
        }
    }
    return NULL;
}

static double number(const json_t *trend, const char *key)
{
    return json_number_value(json_object_get(trend, key));
}

static void test_trends(void **state)
{
    const time_t christmas = 1798156800; // 2026-12-25 00:00 UTC
    json_t *list = trends_at(trends, christmas);
    (void)state;
    assert_non_null(list);
    for (size_t i = 1; i < json_array_size(list); i++) {
        assert_true(number(json_array_get(list, i - 1), "score") >=
                    number(json_array_get(list, i), "score"));
    }
    const json_t *dinner = find_trend(list, "family dinner politics"); // its day was yesterday
    assert_non_null(dinner);
    assert_true(fabs(number(dinner, "age_hours") - 24) < 1e-9);
    assert_true(fabs(number(dinner, "score") - (0.6 * 0.7 + 0.4 * exp2(-1.0 / 6))) < 1e-9);
    const json_t *valentine = find_trend(list, "Valentine's Day"); // ten months ago
    assert_true(number(valentine, "age_hours") > 24 * 300);
    assert_true(number(valentine, "score") < 0.6 * 0.8 + 0.01);
    json_decref(list);
    // Before its first day a trend is none; yearly ones were there the year before.
    list = trends_at(trends, 946684800); // 2000-01-01
    assert_null(find_trend(list, "air fryers"));
    assert_non_null(find_trend(list, "Black Friday deals"));
    json_decref(list);
}

static void test_lexicon(void **state)
{
    (void)state;
    assert_string_equal(lexicon_subject(lexicon, "rust vs c"), "tech");
    assert_string_equal(lexicon_subject(lexicon, "blurb"), "general");
    assert_string_equal(lexicon_mood(lexicon, "exam panic at night"), "anxious");
    assert_string_equal(lexicon_mood(lexicon, "blurb"), "ironic");
    assert_string_equal(lexicon_language(lexicon, "warum ist die bahn so spat", "Latn"), "de");
    assert_string_equal(lexicon_language(lexicon, "la siesta de mi abuela y el perro", "Latn"),
                        "es");
    assert_string_equal(lexicon_language(lexicon, "blurb", "Latn"), "en");
    assert_string_equal(lexicon_language(lexicon, "猫", "Hani"), "zh");
    assert_true(lexicon_is_stopword(lexicon, "the"));
    assert_true(lexicon_is_common(lexicon, "the"));
    assert_true(lexicon_is_common(lexicon, "people"));
    assert_true(lexicon_is_comic(lexicon, "raccoon"));
    assert_false(lexicon_is_common(lexicon, "raccoon"));
}

// What each loader says of a wrong file; NULL data leaves it out.
static const struct {
    const char *file, *text, *error;
} wrong[] = {
    { "claims.yaml", "claims: 5", "claims must be a list of 1 to 500" },
    { "claims.yaml", "claims: [{fact: f}]", "claim 1 is wrong: Object item not found: said" },
    { "claims.yaml", "claims: [{fact: f, said: []}]", "said must be a list of patterns" },
    { "claims.yaml", "claims: [{fact: f, said: [one]}]", "2 to 12 words" },
    { "claims.yaml", "claims: [{fact: f, said: [1]}]", "2 to 12 words" },
    { "claims.yaml", "claims: [{fact: f, said: ['a #']}]", "\"#\" stands once" },
    { "claims.yaml", "claims: [{fact: f, said: ['a b'], number: 1}]", "\"#\" stands once" },
    { "claims.yaml", "claims: [{fact: f, said: ['a #'], number: x}]",
      "number must be a whole number" },
    { "claims.yaml", "claims: [{fact: f, said: ['a #'], number: 1, right: r}]",
      "both a number and a right text" },
    { "claims.yaml", "claims: [{fact: f, said: ['a b c d e f g h i j k l m']}]", "2 to 12 words" },
    { "claims.yaml", "claims: [", "claims.yaml" },
    { "trends.yaml", "trends: []", "trends must be a list of 1 to 500" },
    { "trends.yaml", "trends: [{topic: t}]",
      "trend 1 is wrong: Object item not found: popularity" },
    { "trends.yaml",
      "trends: [{topic: '', popularity: 1, half_life_days: 1, tags: [], peak: '01-01'}]",
      "1 to 200 bytes" },
    { "trends.yaml",
      "trends: [{topic: t, popularity: 2, half_life_days: 1, tags: [], peak: '01-01'}]",
      "popularity must be" },
    { "trends.yaml",
      "trends: [{topic: t, popularity: 1, half_life_days: 0, tags: [], peak: '01-01'}]",
      "half_life_days must" },
    { "trends.yaml",
      "trends: [{topic: t, popularity: 1, half_life_days: 1, tags: [1], peak: '01-01'}]",
      "tags must be" },
    { "trends.yaml", "trends: [{topic: t, popularity: 1, half_life_days: 1, tags: []}]",
      "needs peak" },
    { "trends.yaml",
      "trends: [{topic: t, popularity: 1, half_life_days: 1, tags: [], peak: '13-01'}]",
      "needs peak" },
    { "trends.yaml",
      "trends: [{topic: t, popularity: 1, half_life_days: 1, tags: [], since: '2024-01-01x'}]",
      "needs peak" },
    { "blocklist.yaml", "lists: {}", "must have 1 to 2000 entries" },
    { "blocklist.yaml", "lists: {x: {rot13: maybe, entries: [a]}}", "list x is wrong" },
    { "blocklist.yaml", "lists: {x: {entries: ['...']}}", "entry 1 of x is no text" },
    { "blocklist.yaml", "lists: {x: {entries: [5]}}", "entry 1 of x is no text" },
    { "phrases-words.yaml", "subjects: {}", "subjects must be a map of lists of words" },
    { "phrases-words.yaml", "{subjects: {a: [b]}, moods: {a: [1]}}",
      "moods must be a map of lists of words" },
    { "phrases-words.yaml", "{subjects: {a: [b]}, moods: {a: [b]}, stopwords: {a: [b]}}",
      "common must be a list of words" },
};

static int load(const char *file, const char *dir, char *error, size_t size)
{
    struct claims *c = NULL;
    struct trends *t = NULL;
    struct blocklist *b = NULL;
    struct lexicon *l = NULL;
    int r = strcmp(file, "claims.yaml") == 0      ? claims_load(&c, dir, error, size)
            : strcmp(file, "trends.yaml") == 0    ? trends_load(&t, dir, error, size)
            : strcmp(file, "blocklist.yaml") == 0 ? blocklist_load(&b, dir, error, size)
                                                  : lexicon_load(&l, dir, error, size);
    assert_true(!c && !t && !b && !l);
    return r;
}

static void test_wrong_files_are_refused(void **state)
{
    char dir[] = "/tmp/test_claims_XXXXXX", path[256];
    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char error[256] = "";
        snprintf(path, sizeof(path), "%s/%s", dir, wrong[i].file);
        assert_true(load(wrong[i].file, dir, error, sizeof(error)) < 0);
        assert_non_null(strstr(error, wrong[i].file));
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(wrong[i].text, file);
        assert_int_equal(fclose(file), 0);
        assert_true(load(wrong[i].file, dir, error, sizeof(error)) < 0);
        if (!strstr(error, wrong[i].error) || !strstr(error, wrong[i].file)) {
            fail_msg("\"%s\" is not in: %s", wrong[i].error, error);
        }
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_no_faults),
        cmocka_unit_test(test_trends),
        cmocka_unit_test(test_lexicon),
        cmocka_unit_test(test_wrong_files_are_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
