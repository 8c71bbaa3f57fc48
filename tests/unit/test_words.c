// Words and characters in any script.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "memegen/llm/words.h"

static void test_clean(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "" },
        { "  a \t\r\n b  ", "a b" },
        { "a\x01\x7f"
          "b",
          "a b" },
        { "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "a\xc3", "a\xef\xbf\xbd" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "a\u202Eevil\u202C", "aevil" },
        { "\uFEFFx", "x" },
        { "日本\u3000語", "日本 語" },
        { "👩‍💻 ok", "👩‍💻 ok" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        assert_int_equal(words_clean(out, sizeof(out), cases[i].in), strlen(cases[i].out));
        assert_string_equal(out, cases[i].out);
    }
}

static void test_nothing_is_written_past_the_end(void **state)
{
    const char *text = "é 日本 👩‍💻 \xff x";
    (void)state;
    for (size_t size = 1; size < 40; size++) {
        char out[48], copy[48];
        memset(out, 'Z', sizeof(out));
        memset(copy, 'Z', sizeof(copy));
        assert_true(words_clean(out, size, text) < size);
        assert_int_equal(out[size], 'Z');
        assert_true(words_fold(copy, size, text, strlen(text)) < size);
        assert_int_equal(copy[size], 'Z');
        words_copy(copy, size, "日本語日本語日本語日本語日本語");
        assert_int_equal(strlen(copy) % 3, 0);
        assert_int_equal(copy[size], 'Z');
    }
}

static void test_shorten(void **state)
{
    static const struct {
        const char *in;
        size_t max;
        const char *out;
    } cases[] = {
        { "short", 5, "short" },
        { "one two three", 9, "one two…" },
        { "one two three", 1, "…" },
        { "Donaudampfschifffahrt", 6, "Donau…" },
        { "a, b, c, d, e, f", 8, "a, b, c…" },
        { "日本語の文章です", 4, "日本語…" },
        { "ab👩‍💻cd", 4, "ab…" }, // not through a joined emoji
        { "abe\u0301f", 4, "ab…" },      // not between a letter and its accent
        { "x", 0, "x" },                 // no limit
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char s[64];
        words_copy(s, sizeof(s), cases[i].in);
        assert_int_equal(words_shorten(s, sizeof(s), cases[i].max),
                         strcmp(cases[i].in, cases[i].out) != 0);
        assert_string_equal(s, cases[i].out);
        assert_true(cases[i].max == 0 || words_chars(s) <= cases[i].max);
    }
}

static void test_shorten_in_a_full_buffer(void **state)
{
    (void)state;
    // "…" has three bytes: cutting two of these characters does not make room for it.
    char s[7] = "abcdef";
    assert_true(words_shorten(s, sizeof(s), 5));
    assert_string_equal(s, "abc…");
    char tiny[4] = "abc";
    assert_true(words_shorten(tiny, sizeof(tiny), 2));
    assert_string_equal(tiny, "…");
}

static void test_fold(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "CAFÉ", "cafe" },     { "ＡＢＣ", "abc" },    { "𝐀𝐛", "ab" },  { "it’s", "it's" },
        { "ПРИВЕТ", "привет" }, { "Straße", "straße" }, { "ⓚⓘ", "ki" },  { "がぎ", "がぎ" },
        { "हिंदी", "हिंदी" },     { "한국", "한국" },     { "ﬁx", "fix" }, { "s\u00ADoft", "soft" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        words_fold(out, sizeof(out), cases[i].in, strlen(cases[i].in));
        assert_string_equal(out, cases[i].out);
    }
}

static void test_next(void **state)
{
    static const char *const expected[] = { "don't", "use",    "c++", "or",
                                            "c#",    "日本語", "42",  "हिंदी" };
    const char *at = "«don't» -- use c++, or c#! 日本語 (42) हिंदी...'";
    struct words_span span;
    size_t n = 0;
    (void)state;
    while (words_next(&at, &span)) {
        assert_true(n < 8);
        assert_int_equal(span.n, strlen(expected[n]));
        assert_memory_equal(span.s, expected[n++], span.n);
    }
    assert_int_equal(n, 8);
    assert_int_equal(words_count("  ...  "), 0);
}

static void test_find(void **state)
{
    static const struct {
        const char *text, *words;
        bool found;
    } cases[] = {
        { "the cat sat", "cat", true },
        { "concatenate", "cat", false },
        { "c++ is fun", "c", false },
        { "c is fun", "c", true },
        { "a cat", "cat", true },
        { "cats, cat", "cat", true },
        { "on the moon", "the moon", true },
        { "月曜日の残業", "残業", true },
        { "", "a", false },
        { "abc", "", false },
        { "x-ray vision", "ray", true },
        { "naïve", "naive", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if ((words_find(cases[i].text, cases[i].words) != NULL) != cases[i].found) {
            fail_msg("%s in %s", cases[i].words, cases[i].text);
        }
    }
}

static void test_script(void **state)
{
    static const struct {
        const char *text, *script;
    } cases[] = {
        { "hello", "Latn" },  { "привет", "Cyrl" },
        { "猫", "Hani" },     { "猫が好き", "Jpan" },
        { "고양이", "Hang" }, { "قطة", "Arab" },
        { "שלום", "Hebr" },   { "नमस्ते", "Deva" },
        { "γάτα", "Grek" },   { "แมว", "Thai" },
        { "বিড়াল", "Beng" },  { "🦀 42!", "" },
        { "", "" },           { "rust と c と go は", "Latn" },
        { "\xff\xff", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(words_script(cases[i].text), cases[i].script);
    }
    assert_true(words_script_unspaced("Jpan"));
    assert_false(words_script_unspaced("Latn"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),   cmocka_unit_test(test_nothing_is_written_past_the_end),
        cmocka_unit_test(test_shorten), cmocka_unit_test(test_shorten_in_a_full_buffer),
        cmocka_unit_test(test_fold),    cmocka_unit_test(test_next),
        cmocka_unit_test(test_find),    cmocka_unit_test(test_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
