// The answers to the page's rooms of logs and requests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "record/recent/keep.h"
#include "serve/recent.h"

static struct spy__buf out;

static int set_up(void **state)
{
    (void)state;
    spy__buf_init(&out, 8u << 20);
    return spy__keep_open(&(struct spy__keep_options){ .recent = true, .slow_ns = 1000000 });
}

static int tear_down(void **state)
{
    (void)state;
    spy__buf_done(&out);
    spy__keep_close();
    return 0;
}

static void give_line(enum spy_level level, const char *id, const char *event, const char *path)
{
    const struct spy_field field = spy_str("path", path);
    spy__keep_give(&(struct spy__record){ .kind = SPY__KIND_LOG,
                                          .level = level,
                                          .time_ns = 1700000000000000000u,
                                          .correlation_id = id,
                                          .event = event,
                                          .fields = &field,
                                          .field_count = path != NULL });
}

static void give_span(uint64_t trace, uint64_t span_id, uint64_t parent_id, bool root,
                      uint64_t duration_ns, const char *error_type)
{
    char id[32];
    snprintf(id, sizeof(id), "id-%u", (unsigned)trace);
    const struct spy_field fields[] = {
        spy_str("route", "/<b>"), spy_int("n", -3), spy_double("d", 0.5),
        spy_bool("b", true),      spy_uint("u", 7), spy_str("error_type", error_type)
    };
    spy__keep_give(&(struct spy__record){ .kind = SPY__KIND_SPAN,
                                          .level = SPY_LEVEL_INFO,
                                          .time_ns = 1700000000000000000u + trace * 1000,
                                          .duration_ns = duration_ns,
                                          .parent_id = parent_id,
                                          .root = root,
                                          .correlation_id = id,
                                          .trace_hi = 1,
                                          .trace_lo = trace,
                                          .span_id = span_id,
                                          .event = root ? "http_request" : "agent",
                                          .fields = fields,
                                          .field_count = error_type ? 6 : 5 });
}

// The answer to a question of "name=value" texts, NULL-ended; the caller frees it.
static json_t *ask(const char *const params[])
{
    struct spy__recent_query query;
    const char *why;
    spy__recent_query_init(&query);
    for (size_t i = 0; params[i]; i++) {
        char name[16];
        const char *equals = strchr(params[i], '=');
        snprintf(name, sizeof(name), "%.*s", (int)(equals - params[i]), params[i]);
        assert_int_equal(spy__recent_param(&query, name, equals + 1, &why), 0);
    }
    spy__buf_reset(&out);
    assert_int_equal(spy__recent_logs(&out, &query), 0);
    json_t *answer = json_loadb(out.bytes, out.len, 0, NULL);
    assert_non_null(answer);
    return answer;
}

#define ASK(...) ask((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static const char *event_of(const json_t *answer, size_t i)
{
    const json_t *line =
        json_object_get(json_array_get(json_object_get(answer, "lines"), i), "line");
    return json_string_value(json_object_get(line, "event"));
}

static size_t count_lines(const json_t *answer)
{
    return json_array_size(json_object_get(answer, "lines"));
}

static json_int_t number_in(const json_t *answer, const char *key)
{
    return json_integer_value(json_object_get(answer, key));
}

static void the_last_lines_are_shown_and_the_next_ones_followed(void **state)
{
    (void)state;
    json_t *answer = ASK();
    assert_int_equal(count_lines(answer), 0);
    assert_int_equal(number_in(answer, "next"), 1);
    json_decref(answer);

    char event[16];
    for (unsigned i = 0; i < 500; i++) {
        snprintf(event, sizeof(event), "line %u", i);
        give_line(SPY_LEVEL_INFO, "a", event, NULL);
    }
    answer = ASK();
    assert_int_equal(count_lines(answer), SPY__RECENT_LIMIT);
    assert_string_equal(event_of(answer, 0), "line 300");
    assert_string_equal(event_of(answer, 199), "line 499");
    char since[32];
    snprintf(since, sizeof(since), "since=%d", (int)number_in(answer, "next"));
    json_decref(answer);

    answer = ASK(since);
    assert_int_equal(count_lines(answer), 0);
    json_decref(answer);
    give_line(SPY_LEVEL_INFO, "a", "one more", NULL);
    answer = ASK(since);
    assert_int_equal(count_lines(answer), 1);
    assert_string_equal(event_of(answer, 0), "one more");
    assert_int_equal(number_in(answer, "missed"), 0);
    json_decref(answer);

    // In steps, from the start.
    json_int_t next = 0;
    for (size_t seen = 0; seen < 501;) {
        snprintf(since, sizeof(since), "since=%d", (int)next);
        answer = ASK(since, "limit=100");
        seen += count_lines(answer);
        assert_true(number_in(answer, "next") > next);
        next = number_in(answer, "next");
        json_decref(answer);
    }
    // A number of an earlier process.
    answer = ASK("since=999999", "limit=3");
    assert_int_equal(count_lines(answer), 3);
    json_decref(answer);
}

static void what_went_before_it_was_asked_for_is_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SPY__WINDOW_RECORDS + 30; i++) {
        give_line(SPY_LEVEL_INFO, "a", "line", NULL);
    }
    json_t *answer = ASK("since=11", "limit=1");
    assert_int_equal(number_in(answer, "missed"), 20);
    json_decref(answer);
}

static void questions_filter(void **state)
{
    (void)state;
    give_line(SPY_LEVEL_DEBUG, "a", "debugged", NULL);
    give_line(SPY_LEVEL_WARN, "b", "warned", "\"<script>\xff");
    give_line(SPY_LEVEL_ERROR, "a", "failed", NULL);
    give_span(1, 1, 0, true, 1, NULL); // is no line
    static const struct {
        const char *param;
        size_t lines;
    } cases[] = {
        { "level=warn", 2 },   { "level=error", 1 }, { "level=debug", 3 }, { "text=<SCRIPT>", 1 },
        { "text=nowhere", 0 }, { "id=a", 2 },        { "id=c", 0 },        { "level=", 3 },
        { "other=x", 3 },      { "limit=2", 2 },     { "text=PATH", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json_t *answer = ASK(cases[i].param);
        assert_int_equal(count_lines(answer), cases[i].lines);
        json_decref(answer);
    }
}

static void wrong_questions_are_refused(void **state)
{
    (void)state;
    char long_text[SPY__RECENT_TEXT_MAX + 2];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    const char *const cases[][2] = {
        { "level", "loud" }, { "level", "off" },    { "level", "default" },
        { "limit", "0" },    { "limit", "1001" },   { "limit", "-1" },
        { "limit", "1x" },   { "since", "x" },      { "since", "1e3" },
        { "limit", " 1" },   { "text", long_text }, { "since", "99999999999999999999999" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct spy__recent_query query;
        const char *why = NULL;
        spy__recent_query_init(&query);
        assert_int_equal(spy__recent_param(&query, cases[i][0], cases[i][1], &why), -EINVAL);
        assert_non_null(why);
    }
}

static json_t *parse(void)
{
    json_t *answer = json_loadb(out.bytes, out.len, 0, NULL);
    assert_non_null(answer);
    spy__buf_reset(&out);
    return answer;
}

static void failed_and_slow_requests_come_first(void **state)
{
    (void)state;
    give_span(1, 11, 0, true, 5000, NULL);
    give_span(2, 21, 5, true, 5000, "timeout");
    give_span(3, 31, 0, true, 2000000, NULL);
    give_span(4, 41, 0, true, 5000, NULL);
    give_span(5, 51, 1, false, 5000, NULL); // open
    assert_int_equal(spy__recent_requests(&out), 0);
    json_t *answer = parse(), *list = json_object_get(answer, "requests");
    static const char *const ids[] = { "id-3", "id-2", "id-4", "id-1" };
    static const char *const outcomes[] = { "slow", "error", NULL, NULL };
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *request = json_array_get(list, i);
        const json_t *outcome = json_object_get(request, "outcome");
        assert_string_equal(json_string_value(json_object_get(request, "correlation_id")), ids[i]);
        assert_string_equal(json_string_value(json_object_get(request, "name")), "http_request");
        if (outcomes[i]) {
            assert_string_equal(json_string_value(outcome), outcomes[i]);
        } else {
            assert_null(outcome);
        }
    }
    json_decref(answer);
}

static void a_request_has_its_timeline_and_its_lines(void **state)
{
    (void)state;
    give_span(2, 22, 21, false, 3000, "timeout");
    give_line(SPY_LEVEL_WARN, "id-2", "operation_failed", NULL);
    give_line(SPY_LEVEL_INFO, "id-3", "of another", NULL);
    give_span(2, 21, 5, true, 5000, NULL);
    const char *const ids[] = { "id-2", "00000000000000010000000000000002" };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(spy__recent_request(&out, ids[i]), 0);
        json_t *answer = parse();
        const json_t *spans = json_object_get(answer, "spans"), *span = json_array_get(spans, 0);
        assert_int_equal(json_array_size(spans), 2);
        assert_string_equal(json_string_value(json_object_get(answer, "outcome")), "error");
        assert_string_equal(json_string_value(json_object_get(answer, "trace_id")), ids[1]);
        assert_string_equal(json_string_value(json_object_get(span, "span_id")),
                            "0000000000000016");
        assert_string_equal(json_string_value(json_object_get(span, "parent_id")),
                            "0000000000000015");
        assert_int_equal(json_integer_value(json_object_get(span, "duration_us")), 3);
        assert_int_equal(json_integer_value(json_object_get(span, "start_us")), 1700000000000002);
        assert_false(json_is_true(json_object_get(span, "root")));
        const json_t *fields = json_object_get(span, "fields");
        assert_string_equal(json_string_value(json_object_get(fields, "route")), "/<b>");
        assert_int_equal(json_integer_value(json_object_get(fields, "n")), -3);
        assert_true(json_is_true(json_object_get(fields, "b")));
        // Lines carry no trace id here: they are found by the correlation id alone.
        assert_int_equal(count_lines(answer), i == 0);
        json_decref(answer);
    }
    assert_int_equal(spy__recent_request(&out, "id-9"), -ENOENT);
}

static void a_request_that_was_not_kept_is_known_as_long_as_the_window_has_it(void **state)
{
    (void)state;
    give_span(7, 71, 0, true, 5000, NULL);
    assert_int_equal(spy__recent_request(&out, "id-7"), 0);
    json_t *answer = parse();
    assert_int_equal(json_array_size(json_object_get(answer, "spans")), 1);
    assert_null(json_object_get(answer, "outcome"));
    json_decref(answer);
    spy__buf_reset(&out);
    give_line(SPY_LEVEL_INFO, "alone", "a line alone", NULL);
    assert_int_equal(spy__recent_request(&out, "alone"), 0);
}

static void an_answer_is_bounded(void **state)
{
    (void)state;
    static char text[SPY__FIELD_STR_MAX];
    memset(text, '\1', sizeof(text) - 1); // six bytes each in JSON
    for (unsigned i = 0; i < 400; i++) {
        give_line(SPY_LEVEL_INFO, "a", "line", text);
    }
    json_t *answer = ASK("limit=1000");
    assert_in_range(out.len, SPY__RECENT_BYTES, SPY__RECENT_BYTES + (64 << 10));
    size_t n = count_lines(answer);
    assert_in_range(n, 15, 50);
    json_decref(answer);
}

static void where_nothing_is_kept_nothing_is_known(void **state)
{
    (void)state;
    struct spy__recent_query query;
    spy__recent_query_init(&query);
    spy__keep_close();
    assert_int_equal(spy__recent_logs(&out, &query), -ENOENT);
    assert_int_equal(spy__recent_requests(&out), -ENOENT);
    assert_int_equal(spy__recent_request(&out, "a"), -ENOENT);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct spy__recent_query query;
    spy__recent_query_init(&query);
    give_line(SPY_LEVEL_INFO, "id-2", "line", "path");
    give_span(2, 21, 5, true, 5000, "timeout");
    for (unsigned which = 0; which < 3; which++) {
        int err = -1;
        for (long n = 0; err != 0; n++) {
            spy__buf_done(&out);
            spy__buf_init(&out, 1u << 20);
            alloc_fail_after(n);
            err = which == 0   ? spy__recent_logs(&out, &query)
                  : which == 1 ? spy__recent_requests(&out)
                               : spy__recent_request(&out, "id-2");
            alloc_fail_never();
            assert_true(err == 0 || err == -ENOMEM);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_last_lines_are_shown_and_the_next_ones_followed),
        TEST(what_went_before_it_was_asked_for_is_told),
        TEST(questions_filter),
        TEST(wrong_questions_are_refused),
        TEST(failed_and_slow_requests_come_first),
        TEST(a_request_has_its_timeline_and_its_lines),
        TEST(a_request_that_was_not_kept_is_known_as_long_as_the_window_has_it),
        TEST(an_answer_is_bounded),
        TEST(where_nothing_is_kept_nothing_is_known),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
