// Text on its way into and out of a database: whole characters alone.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "memegen/store/columns.h"
#include "memegen/telemetry.h"

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        { "", 0 },
        { "plain", 5 },
        { "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 19 },
        { "a\x80", 1 },             // a byte that continues nothing
        { "a\xc1\xbf", 1 },         // longer than needed
        { "a\xe0\x9f\xbf", 1 },     // as well
        { "a\xf0\x8f\xbf\xbf", 1 }, // as well
        { "a\xed\xa0\x80", 1 },     // a surrogate
        { "a\xed\x9f\xbf", 4 },     // the character before them
        { "a\xf4\x90\x80\x80", 1 }, // past U+10FFFF
        { "a\xf5\x80\x80\x80", 1 },
        { "a\xff", 1 },
        { "a\xe4\xba", 1 }, // cut
        { "a\xf0\x9f\x98", 1 },
        { "a\xf0\x9fz\x80", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(column_utf8_len(cases[i].text), cases[i].len);
    }
}

static void test_copies_what_fits(void **state)
{
    char room[5];
    (void)state;
    column_copy(room, sizeof(room), "abcd");
    assert_string_equal(room, "abcd");
    column_copy(room, sizeof(room), "abcde");
    assert_string_equal(room, "abcd");
    column_copy(room, sizeof(room), "abc\xc3\xa9"); // the last character does not fit whole
    assert_string_equal(room, "abc");
    column_copy(room, sizeof(room), "\xf0\x9f\x98\x80x");
    assert_string_equal(room, "\xf0\x9f\x98\x80");
    column_copy(room, 1, "a");
    assert_string_equal(room, "");
}

static void test_error_types(void **state)
{
    (void)state;
    assert_null(column_error_type(""));
    for (const char *const *type = telemetry_error_types; *type; type++) {
        char copy[32];
        column_copy(copy, sizeof(copy), *type);
        assert_ptr_equal(column_error_type(copy), *type);
    }
    assert_string_equal(column_error_type("of a later version"), "internal");
}

static void test_json(void **state)
{
    struct meme meme = { .captions = { "a\"b", "\xff" }, .caption_count = 2, .score.total = 0.5 };
    char *captions = column_from_captions(&meme), *score = column_from_score(&meme.score);
    char *reports = column_from_reports(&meme);
    struct meme_score read = { 0 };
    (void)state;
    assert_string_equal(captions, "[\"a\\\"b\",\"\"]");
    assert_string_equal(reports, "[]");
    column_to_score(&read, score);
    assert_memory_equal(&read, &meme.score, sizeof(read));
    free(captions);
    free(score);
    free(reports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_copies_what_fits),
        cmocka_unit_test(test_error_types),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
