// The offline writer: fulfils the signatures for any topic and template, the same for the same
// seed; its phrase bank and its grammar.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "memegen/llm/grammar.h"
#include "memegen/llm/llm.h"
#include "memegen/llm/phrases.h"
#include "memegen/llm/signatures.h"
#include "memegen/llm/words.h"

static struct llm *writer;

static int open_writer(void **state)
{
    char error[256];
    (void)state;
    return offline_open(&writer, DATA_DIR, error, sizeof(error));
}

static int close_writer(void **state)
{
    (void)state;
    llm_close(writer);
    return 0;
}

static json_t *make_inputs(const char *topic, const char *language, const char *const slots[],
                           size_t n, int chars)
{
    json_t *inputs = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:[]}", "topic", topic,
                               "language", language, "intent", "statement", "subject", "tech",
                               "mood", "ironic", "template", "a picture", "slots", "slot_chars");
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(json_object_get(inputs, "slots"), json_string(slots[i]));
        json_array_append_new(json_object_get(inputs, "slot_chars"), json_integer(chars));
    }
    assert_non_null(inputs);
    return inputs;
}

static json_t *write_captions(const json_t *inputs, const struct signature *signature,
                              uint64_t seed)
{
    struct llm_failure failure;
    json_t *outputs = NULL;
    if (llm_complete(writer, signature, inputs, "tester", seed, &outputs, &failure) < 0) {
        fail_msg("%s: %s", failure.error_type, failure.message);
    }
    return json_object_get(outputs, "captions") ? outputs : NULL;
}

static const char *const two[] = { "the rejected option", "the approved option" };

static void test_any_topic_and_template(void **state)
{
    static const char *const topics[] = {
        "rust vs c",
        "a",
        "🦀🦀🦀",
        "?",
        "{topic} {person} {",
        "%s%n%d",
        "\"quoted\" «topic»",
        "why is regex so hard?",
        "why is ",
        "x or ",
        " or x",
        "a very very very long topic that goes on and on and on and does not end before it has "
        "filled "
        "every caption of every template that was ever drawn by anybody, and then some",
        "日本語のとてもとてもとてもとてもとてもとてもとてもとてもとてもとてもとてもとても長い話題",
        "\u0301\u0301\u0301",
        "-- ; DROP TABLE memes",
    };
    static const char *const languages[] = { "en", "de", "es", "fr", "pt", "it", "ru", "el",
                                             "zh", "ja", "ko", "ar", "he", "hi", "th", "xx" };
    static const char *const slots[] = {
        "what the boss asks",      "the first popular idea",
        "the second popular idea", "the honest idea that is thrown out",
        "something else",          "nothing known"
    };
    (void)state;
    for (size_t t = 0; t < sizeof(topics) / sizeof(topics[0]); t++) {
        for (size_t l = 0; l < sizeof(languages) / sizeof(languages[0]); l++) {
            for (size_t n = 1; n <= MEME_CAPTIONS_MAX; n++) {
                json_t *inputs = make_inputs(topics[t], languages[l], slots, n, 16);
                json_t *outputs = write_captions(inputs, &signature_captions, t);
                assert_int_equal(json_array_size(json_object_get(outputs, "captions")), n);
                json_decref(outputs);
                json_decref(inputs);
            }
        }
    }
}

static void test_same_seed_same_answer(void **state)
{
    json_t *inputs = make_inputs("rust vs c", "en", two, 2, 90);
    unsigned different = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        json_t *a = write_captions(inputs, &signature_captions, seed);
        json_t *b = write_captions(inputs, &signature_captions, seed);
        json_t *c = write_captions(inputs, &signature_captions, seed + 1);
        assert_true(json_equal(a, b));
        different += !json_equal(a, c);
        json_decref(a);
        json_decref(b);
        json_decref(c);
    }
    assert_true(different > 30);
    json_decref(inputs);
}

static void test_refining_does_not_repeat(void **state)
{
    json_t *inputs = make_inputs("kubernetes", "en", two, 2, 90);
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        json_t *first = write_captions(inputs, &signature_captions, seed);
        json_t *again = json_copy(inputs);
        json_object_set(again, "captions", json_object_get(first, "captions"));
        json_object_set_new(again, "score", json_real(0.5));
        json_object_set_new(again, "wanting", json_string("The punch line is too ordinary."));
        json_object_set_new(again, "round", json_integer(1));
        json_t *second = write_captions(again, &signature_refine, seed);
        assert_false(
            json_equal(json_object_get(first, "captions"), json_object_get(second, "captions")));
        json_decref(first);
        json_decref(second);
        json_decref(again);
    }
    json_decref(inputs);
}

static void test_other_signatures_are_refused(void **state)
{
    static const struct sig_field none[] = { { NULL } };
    static const struct signature other = { "other", "Do.", none, none };
    struct llm_failure failure;
    json_t *inputs = json_object(), *outputs;
    (void)state;
    assert_int_equal(llm_complete(writer, &other, inputs, "tester", 1, &outputs, &failure),
                     -ENOTSUP);
    assert_string_equal(failure.error_type, "internal");
    assert_string_equal(failure.message, "the offline writer does not write \"other\"");
    json_decref(inputs);
}

static void test_grammar(void **state)
{
    static const struct {
        const char *topic, *text, *out;
    } cases[] = {
        { "tabs", "{topic} rule", "Tabs rule" },
        { "tabs", "a {x} and {TOPIC}", "A yy and TABS" },
        { "tabs", "{x} is {x}", "Yy is yy" },
        { "tabs", "{unknown}{", "{" },
        { "tabs vs spaces!", "{a}|{b}", "Tabs|spaces" },
        { "TABS OR SPACES", "{a}|{b}", "TABS|SPACES" },
        { "tabs or ", "({a}{b})", "()" },
        { "why is regex so hard?", "{topic}!", "Regex!" },
        { "Is it over?", "{topic}", "“Is it over?”" },
        { "cats are liquid", "{topic}, they say", "“cats are liquid”, they say" },
        { "one two three four five six", "{topic}", "“one two three four five six”" },
        { "she said \"no\" to it all, again.", "{topic}", "She said \"no\" to it all, again." },
        { "iPhone", "{topic}", "iPhone" },
        { "ёлка", "{topic}", "Ёлка" },
        { "a bb cccc dd", "{key}", "Cccc" },
        { "🦀", "{key}", "🦀" },
    };
    json_t *language =
        json_pack("{s:[s,s], s:[s], s:[[s,s]], s:{s:[s], s:[s]}}", "quotes", "“", "”", "verbs",
                  "are", "questions", "why is ", " so ", "words", "x", "{y}{y}", "y", "y");
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dice dice = { 1 };
        struct grammar grammar;
        char out[MEME_CAPTION_BYTES];
        grammar_init(&grammar, language, &dice, cases[i].topic, "");
        grammar_expand(&grammar, cases[i].text, out);
        assert_string_equal(out, cases[i].out);
    }
    json_decref(language);
}

static void test_grammar_ends_in_a_loop(void **state)
{
    // A word that means itself twice, deeper and deeper.
    json_t *language = json_pack("{s:[s,s], s:{s:[s]}}", "quotes", "\"", "\"", "words", "x",
                                 "{x1}{x2}{x3}{x4} loop");
    struct dice dice = { 1 };
    struct grammar grammar;
    char out[MEME_CAPTION_BYTES];
    (void)state;
    grammar_init(&grammar, language, &dice, "t", "");
    grammar_expand(&grammar, "{x}", out);
    assert_true(strlen(out) < sizeof(out));
    json_decref(language);
}

static void test_the_bank_is_rich(void **state)
{
    struct phrases *phrases = NULL;
    char error[256];
    (void)state;
    assert_int_equal(phrases_load(&phrases, DATA_DIR, error, sizeof(error)), 0);
    assert_true(phrases_count(phrases) >= 200);
    assert_string_equal(phrases_role(phrases, "The REJECTED option", 0, 2), "bad");
    assert_string_equal(phrases_role(phrases, "?", 0, 1), "statement");
    assert_string_equal(phrases_role(phrases, "?", 1, 2), "bottom");
    assert_string_equal(phrases_role(phrases, "?", 5, 6), "six");
    assert_ptr_equal(phrases_language(phrases, "xx"), phrases_language(phrases, "en"));
    phrases_free(phrases);
    phrases_free(NULL);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

#define EN(more) "languages: {en: {quotes: [a, b], lines: {any: [x]}" more "}}"

static void test_wrong_files_are_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "languages: {de: {quotes: [a, b], lines: {any: [x]}}}", "no phrases in English" },
        { EN(", songs: []"), "has \"songs\", which is not known" },
        { EN(", words: [x]"), "words of language en must be a map of lists" },
        { EN(", words: {w: []}"), "w of language en must be a list of strings" },
        { EN(", verbs: [1]"), "verbs of language en must be a list" },
        { EN(", questions: [[a]]"), "questions of language en must be pairs" },
        { EN(", jokes: [{say: {bad: '{nobody}'}}]"), "no list of words is called {nobody}" },
        { EN(", jokes: [{say: {bad: '{9-1}'}}]"), "no list of words is called {9-1}" },
        { EN(", jokes: [{say: {}}]"), "says nothing" },
        { EN(", jokes: [{say: [a, 1]}]"), "is not a string" },
        { EN(", jokes: [{say: [a], mode: x}]"), "a joke of language en is wrong" },
        { EN(", jokes: [{say: [a], needs: luck}]"), "needs \"luck\"" },
        { EN(", jokes: [5]"), "a joke of language en is wrong" },
        { "languages: {en: {quotes: [a, b], lines: {top: [x]}}}",
          "needs lines for the role \"any\"" },
        { "languages: {en: {quotes: [a], lines: {any: [x]}}}", "needs its quotes" },
        { "languages: {en: 5}", "must be a map" },
        { "roles: {bad: []}", "role bad has no words" },
        { "roles: {bad: [1]}", "words of role bad must be strings" },
        { "a: [", "phrases.yaml" },
    };
    char dir[] = "/tmp/test_offline_XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    put_file(dir, "phrases-lines.yaml", "roles: {top: [upper]}");
    put_file(dir, "phrases-languages.yaml", "{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct llm *llm = NULL;
        char error[256] = "";
        put_file(dir, "phrases.yaml", cases[i].text);
        assert_true(offline_open(&llm, dir, error, sizeof(error)) < 0);
        assert_null(llm);
        if (!strstr(error, cases[i].error)) {
            fail_msg("\"%s\" is not in: %s", cases[i].error, error);
        }
    }
    static const char *const names[] = { "phrases.yaml", "phrases-lines.yaml",
                                         "phrases-languages.yaml" };
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    struct llm *llm;
    char error[256] = "";
    assert_true(offline_open(&llm, dir, error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "phrases.yaml"));
    assert_int_equal(rmdir(dir), 0);
}

static void *counted_malloc(size_t n)
{
    return malloc(n);
}

static void test_no_memory(void **state)
{
    json_t *inputs = make_inputs("rust", "en", two, 2, 90);
    bool done = false;
    (void)state;
    json_set_alloc_funcs(counted_malloc, free);
    for (long n = 0; !done; n++) {
        struct llm_failure failure = { 0 };
        json_t *outputs = NULL;
        alloc_fail_after(n);
        int r = llm_complete(writer, &signature_captions, inputs, "tester", 3, &outputs, &failure);
        alloc_fail_never();
        done = r == 0;
        assert_int_equal(done, failure.error_type == NULL);
        json_decref(outputs);
        assert_true(n < 500);
    }
    json_decref(inputs);
    // Opening makes ten thousands of allocations: each of the first, then every so many.
    done = false;
    for (long n = 0; !done; n += n < 50 ? 1 : 997) {
        struct llm *llm = NULL;
        char error[256] = "";
        alloc_fail_after(n);
        int r = offline_open(&llm, DATA_DIR, error, sizeof(error));
        alloc_fail_never();
        done = r == 0;
        assert_int_equal(done, llm != NULL);
        assert_true(done || error[0]);
        llm_close(llm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_topic_and_template),
        cmocka_unit_test(test_same_seed_same_answer),
        cmocka_unit_test(test_refining_does_not_repeat),
        cmocka_unit_test(test_other_signatures_are_refused),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_grammar_ends_in_a_loop),
        cmocka_unit_test(test_the_bank_is_rich),
        cmocka_unit_test(test_wrong_files_are_refused),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, open_writer, close_writer);
}
