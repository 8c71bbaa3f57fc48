// What clients send to memegen: bodies, query strings, content types.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "memegen/api/request.h"
#include "memegen/api/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool read_meme(struct meme_request *ret, const char *body, struct problem *problem)
{
    return request_meme(ret, body, strlen(body), problem);
}

static void a_whole_request_is_read(void **state)
{
    struct meme_request request;
    struct problem problem;

    (void)state;
    assert_true(read_meme(
        &request,
        "{\"topic\": \" \\u00a0rust vs c\\n \", \"user_id\": \"u1\", \"template_id\": \"drake\","
        " \"style\": \"dry\", \"use_trends\": true, \"seed\": 7}",
        &problem));
    assert_string_equal(request.topic, "rust vs c");
    assert_string_equal(request.user_id, "u1");
    assert_string_equal(request.template_id, "drake");
    assert_string_equal(request.style, "dry");
    assert_true(request.use_trends);
    assert_true(request.seeded);
    assert_int_equal(request.seed, 7);
}

static void what_is_left_out_is_empty(void **state)
{
    struct meme_request request;
    struct problem problem;

    (void)state;
    assert_true(read_meme(&request, "{\"topic\":\"x\",\"user_id\":null,\"seed\":null}", &problem));
    assert_string_equal(request.user_id, "");
    assert_string_equal(request.template_id, "");
    assert_string_equal(request.style, "");
    assert_false(request.use_trends);
    assert_false(request.seeded);
}

static void bad_bodies_are_named(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *field;
        const char *message; // a part of it
    } cases[] = {
        { "", 400, "", "not valid JSON" },
        { "{", 400, "", "not valid JSON" },
        { "{\"topic\":\"x\"} x", 400, "", "not valid JSON" },
        { "{'topic':'x'}", 400, "", "not valid JSON" },
        { "\xef\xbb\xbf{\"topic\":\"x\"}", 400, "", "not valid JSON" },
        { "{\"topic\":\"\xff\"}", 400, "", "not valid JSON" },
        { "{\"topic\":\"\\ud800\"}", 400, "", "not valid JSON" },
        { "{\"topic\":\"a\",\"topic\":\"b\"}", 400, "", "a key twice" },
        { "{\"topic\":\"x\",\"seed\":1e999}", 400, "", "not valid JSON" },
        { "{\"topic\":\"x\",\"seed\":9223372036854775808}", 400, "", "not valid JSON" },
        { "{\"\\u0000\":1}", 422, "", "a NUL character" },
        { "[]", 422, "", "must be a JSON object" },
        { "\"topic\"", 422, "", "must be a JSON object" },
        { "null", 422, "", "must be a JSON object" },
        { "{}", 422, "topic", "is missing" },
        { "{\"topic\":null}", 422, "topic", "must be a string" },
        { "{\"topic\":7}", 422, "topic", "must be a string" },
        { "{\"topic\":\"\"}", 422, "topic", "1 to 200 characters, and has 0" },
        { "{\"topic\":\" \\t\\u3000\"}", 422, "topic", "and has 0" },
        { "{\"topic\":\"a\\u0000b\"}", 422, "topic", "control character in place 2" },
        { "{\"topic\":\"\\u00e9\\u0085x\"}", 422, "topic", "control character in place 2" },
        { "{\"topic\":\"a\\nb\"}", 422, "topic", "control character" },
        { "{\"topic\":\"x\",\"usr_id\":\"u\"}", 422, "usr_id", "is not a field" },
        { "{\"topic\":\"x\",\"user_id\":\"\"}", 422, "user_id", "1 to 64 characters" },
        { "{\"topic\":\"x\",\"user_id\":[]}", 422, "user_id", "must be a string" },
        { "{\"topic\":\"x\",\"use_trends\":1}", 422, "use_trends", "true or false" },
        { "{\"topic\":\"x\",\"seed\":-1}", 422, "seed", "must be an integer" },
        { "{\"topic\":\"x\",\"seed\":1.0}", 422, "seed", "must be an integer" },
        { "{\"topic\":\"x\",\"seed\":\"1\"}", 422, "seed", "must be an integer" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct meme_request request;
        struct problem problem;
        assert_false(read_meme(&request, cases[i].body, &problem));
        assert_int_equal(problem.status, cases[i].status);
        assert_string_equal(problem.field, cases[i].field);
        assert_non_null(strstr(problem.message, cases[i].message));
        assert_string_equal(problem.code, cases[i].status == 400 ? "bad_json" : "invalid_field");
    }
}

// A body with a run of one character in it. The caller frees.
static char *body_of(const char *before, const char *character, size_t times, const char *after)
{
    char *body;
    size_t len;
    FILE *out = open_memstream(&body, &len);

    assert_non_null(out);
    fputs(before, out);
    while (times-- > 0) {
        fputs(character, out);
    }
    fputs(after, out);
    assert_int_equal(fclose(out), 0);
    return body;
}

static void a_topic_is_counted_in_characters(void **state)
{
    static const char *const characters[] = { "a", "\xc3\xa9", "\xe7\x8c\xab", "\xf0\x9f\x90\x88" };

    (void)state;
    for (size_t i = 0; i < COUNT(characters); i++) {
        struct meme_request request;
        struct problem problem;
        char *fits = body_of("{\"topic\":\"", characters[i], 200, "\"}");
        char *too_long = body_of("{\"topic\":\"", characters[i], 201, "\"}");
        assert_true(read_meme(&request, fits, &problem));
        assert_int_equal(strlen(request.topic), 200 * strlen(characters[i]));
        assert_false(read_meme(&request, too_long, &problem));
        assert_non_null(strstr(problem.message, "and has 201"));
        free(fits);
        free(too_long);
    }
}

static void a_name_fits_its_buffer(void **state)
{
    // 43 characters of 3 bytes: 129
    char *body = body_of("{\"topic\":\"x\",\"user_id\":\"", "\xe7\x8c\xab", 43, "\"}");
    struct meme_request request;
    struct problem problem;

    (void)state;
    assert_false(read_meme(&request, body, &problem));
    assert_non_null(strstr(problem.message, "at most 128 bytes of UTF-8, and has 129"));
    free(body);
}

static void a_long_key_is_cut_at_a_character(void **state)
{
    char *body = body_of("{\"a", "\xe7\x8c\xab", 40, "\":1}");
    struct meme_request request;
    struct problem problem;

    (void)state;
    assert_false(read_meme(&request, body, &problem));
    assert_int_equal(strlen(problem.field), 61); // 1 + 20 × 3; the next one would not fit into 63
    free(body);
}

static void an_interaction_is_read(void **state)
{
    static const char body[] =
        "{\"interaction_type\":\"like\",\"platform\":\"web\",\"user_id\":\"u1\"}";
    static const char too_long[] =
        "{\"interaction_type\":\"like\",\"user_id\":\"u\",\"platform\":"
        "\"01234567890123456789012345678901234567890123456789012345678901234\"}";
    static const char *const bad[] = {
        too_long,
        "{\"interaction_type\":\"like\",\"platform\":\"web\"}",
        "{\"interaction_type\":\"\",\"platform\":\"web\",\"user_id\":\"u\"}",
        "{\"interaction_type\":\"like\",\"platform\":null,\"user_id\":\"u\"}",
        "{\"interaction_type\":\"like\",\"platform\":\"web\",\"user_id\":\"u\",\"id\":\"x\"}",
    };
    struct store_interaction interaction = { .id = "kept", .created_us = 5 };
    struct problem problem;

    (void)state;
    assert_true(request_interaction(&interaction, body, strlen(body), &problem));
    assert_string_equal(interaction.type, "like");
    assert_string_equal(interaction.platform, "web");
    assert_string_equal(interaction.user_id, "u1");
    assert_string_equal(interaction.id, "kept");
    assert_int_equal(interaction.created_us, 5);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(request_interaction(&interaction, bad[i], strlen(bad[i]), &problem));
        assert_int_equal(problem.status, 422);
    }
}

static void content_types_are_told_apart(void **state)
{
    static const char *const good[] = {
        "application/json",
        "Application/JSON",
        "application/json ",
        "application/json;",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        "application/json ; charset=\"utf-8\" ",
    };
    static const char *const bad[] = {
        "",
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/json; charset=utf-80",
        "application/json; charset=\"utf-8",
        "application/json; boundary=x",
        "application/problem+json",
        "application/json, text/plain",
    };

    (void)state;
    assert_false(request_is_json(NULL));
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(request_is_json(good[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(request_is_json(bad[i]));
    }
}

static void query_values_are_checked(void **state)
{
    static const char *const bad_limits[] = { "",     "0",   "101",
                                              "-1",   "1.5", " 1",
                                              "0x10", "1e1", "999999999999999999999999" };
    struct problem problem;
    size_t limit;
    int64_t before;
    bool async;

    (void)state;
    assert_true(request_limit(&limit, NULL, &problem));
    assert_int_equal(limit, REQUEST_LIST_DEFAULT);
    assert_true(request_limit(&limit, "100", &problem));
    assert_int_equal(limit, 100);
    for (size_t i = 0; i < COUNT(bad_limits); i++) {
        assert_false(request_limit(&limit, bad_limits[i], &problem));
        assert_int_equal(problem.status, 422);
        assert_string_equal(problem.field, "limit");
    }
    assert_true(request_before(&before, NULL, &problem));
    assert_int_equal(before, 0);
    assert_true(request_before(&before, "1700000000000001", &problem));
    assert_true(before == 1700000000000001);
    assert_false(request_before(&before, "0", &problem));
    assert_false(request_before(&before, "yesterday", &problem));
    assert_true(request_async(&async, NULL, &problem) && !async);
    assert_true(request_async(&async, "1", &problem) && async);
    assert_true(request_async(&async, "true", &problem) && async);
    assert_true(request_async(&async, "0", &problem) && !async);
    assert_false(request_async(&async, "yes", &problem));
}

static void every_failed_allocation_is_refused(void **state)
{
    static const char body[] = "{\"topic\":\"rust vs c\",\"user_id\":\"u1\",\"seed\":7}";
    bool done = false;

    (void)state;
    json_set_alloc_funcs(malloc, free); // jansson's own allocations fail too
    for (long n = 0; !done && n < 1000; n++) {
        struct meme_request request = { .topic = "untouched" };
        struct problem problem = { 0 };
        alloc_fail_after(n);
        done = request_meme(&request, body, strlen(body), &problem);
        alloc_fail_never();
        if (!done) {
            assert_string_equal(request.topic, "untouched");
            // jansson's lexer does not tell all of them apart from text that it cannot read.
            assert_true(problem.status == 500 || problem.status == 400);
        }
    }
    assert_true(done);
}

static void blanks_of_every_kind_are_trimmed(void **state)
{
    static const char text[] = "\t \xc2\xa0\xe2\x80\x89\xe3\x80\x80 a b \xe2\x80\xa8\x0b";
    size_t len = strlen(text);
    const char *trimmed = text_trim(text, &len);

    (void)state;
    assert_int_equal(len, 3);
    assert_memory_equal(trimmed, "a b", 3);
    len = 0;
    text_trim("", &len);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_request_is_read),
        cmocka_unit_test(what_is_left_out_is_empty),
        cmocka_unit_test(bad_bodies_are_named),
        cmocka_unit_test(a_topic_is_counted_in_characters),
        cmocka_unit_test(a_name_fits_its_buffer),
        cmocka_unit_test(a_long_key_is_cut_at_a_character),
        cmocka_unit_test(an_interaction_is_read),
        cmocka_unit_test(content_types_are_told_apart),
        cmocka_unit_test(query_values_are_checked),
        cmocka_unit_test(blanks_of_every_kind_are_trimmed),
        cmocka_unit_test(every_failed_allocation_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
