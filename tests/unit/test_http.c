// The HTTP middleware: what it counts, measures, logs and keeps together, with time in the test's
// hand.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "alloc_fail.h"
#include "base/clock.h"
#include "lines.h"
#include "metrics/dropped.h"
#include "scrape.h"

static struct spy__fake_clock fake = { .monotonic_ns = 1000 };
static int log_fd;

static void pass_ms(uint64_t ms)
{
    fake.monotonic_ns += ms * 1000000;
}

// How long a call that makes a line takes: it may have to wait for room.
static uint64_t line_ms;

void __real_spy__log(struct spy__site *site, enum spy_level level, const char *module,
                     const char *event, const struct spy_field *fields, size_t n);
void __wrap_spy__log(struct spy__site *site, enum spy_level level, const char *module,
                     const char *event, const struct spy_field *fields, size_t n);

void __wrap_spy__log(struct spy__site *site, enum spy_level level, const char *module,
                     const char *event, const struct spy_field *fields, size_t n)
{
    pass_ms(line_ms);
    __real_spy__log(site, level, module, event, fields, n);
}

// The last line of that event; `*ret_lines` keeps it.
static json_t *last(json_t **ret_lines, const char *event)
{
    *ret_lines = lines_read(log_fd);
    json_t *line = lines_last(*ret_lines, event);
    assert_non_null(line);
    return line;
}

static double number(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static struct spy_http *get(const char *path)
{
    return spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = path });
}

static void a_request_is_counted_and_logged(void **state)
{
    json_t *lines;
    (void)state;
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){
        .method = "POST", .path = "/memes/7?token=x", .correlation_id = "id-1", .body_bytes = 10 });
    assert_non_null(http);
    assert_string_equal(spy_http_correlation_id(http), "id-1");
    assert_string_equal(spy_correlation_id(), "id-1");
    assert_true(scrape_value("http_requests_in_flight") == 1);
    spy_http_route(http, "/memes/{id}");
    spy_http_received(http, 20);
    pass_ms(250);
    spy_http_answered(http, 201, 3000);
    pass_ms(1750);
    spy_http_end(http);
    assert_string_equal(spy_correlation_id(), "");

    const json_t *line = last(&lines, "request_processed");
    assert_string_equal(lines_str(line, "level"), "info");
    assert_string_equal(lines_str(line, "path"), "/memes/7");
    assert_string_equal(lines_str(line, "method"), "POST");
    assert_string_equal(lines_str(line, "route"), "/memes/{id}");
    assert_string_equal(lines_str(line, "correlation_id"), "id-1");
    assert_int_equal(strlen(lines_str(line, "span_id")), SPY_SPAN_ID_LEN);
    assert_true(number(line, "status_code") == 201);
    assert_true(fabs(number(line, "duration_seconds") - 0.25) < 1e-9);
    assert_true(fabs(number(line, "send_seconds") - 1.75) < 1e-9);
    json_decref(lines);

#define LABELS "method=\"POST\",route=\"/memes/{id}\""
    assert_true(scrape_value("http_requests_total{" LABELS ",status=\"201\"}") == 1);
    assert_true(scrape_value("http_request_duration_seconds_count{" LABELS ",status=\"201\"}") ==
                1);
    // What was spent sending is no latency.
    assert_true(fabs(scrape_value("http_request_duration_seconds_sum{" LABELS ",status=\"201\"}") -
                     0.25) < 1e-9);
    assert_true(scrape_value("http_request_size_bytes_sum{" LABELS "}") == 30);
    assert_true(scrape_value("http_response_size_bytes_sum{" LABELS "}") == 3000);
    assert_true(scrape_value("http_response_size_bytes_bucket{" LABELS ",le=\"1024\"}") == 0);
    assert_true(scrape_value("http_response_size_bytes_bucket{" LABELS ",le=\"4096\"}") == 1);
    assert_true(scrape_value("http_requests_in_flight") == 0);
}

// A full log holds its caller for a while: that is no latency of the request, either.
static void waiting_for_the_log_is_no_latency(void **state)
{
    (void)state;
    struct spy_http *http = get("/logs");
    spy_http_route(http, "/logs");
    pass_ms(250);
    spy_http_answered(http, 200, 0);
    line_ms = 100;
    spy_http_end(http);
    line_ms = 0;
    double seconds = scrape_value("http_request_duration_seconds_sum{method=\"GET\","
                                  "route=\"/logs\",status=\"200\"}");
    assert_true(fabs(seconds - 0.25) < 1e-9);
}

static void a_failure_is_500_with_its_cause(void **state)
{
    json_t *lines;
    char long_message[2000];
    (void)state;
    memset(long_message, 'x', sizeof(long_message));
    long_message[sizeof(long_message) - 1] = '\0';
    struct spy_http *http = get("/fails");
    spy_http_fail(http, "timeout", long_message);
    spy_http_fail(http, "internal", "a consequence");
    spy_http_end(http);

    const json_t *line = last(&lines, "request_failed");
    assert_string_equal(lines_str(line, "level"), "error");
    assert_string_equal(lines_str(line, "error_type"), "timeout");
    assert_int_equal(strlen(lines_str(line, "error_message")), 512);
    assert_true(number(line, "status_code") == 500);
    const json_t *traceback = json_object_get(line, "traceback");
    assert_true(json_array_size(traceback) > 0);
    assert_memory_equal(lines_str(json_array_get(traceback, 0), "address"), "0x", 2);
    json_decref(lines);
    assert_true(scrape_value(
                    "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"500\"}") == 1);
}

static void a_failure_may_have_a_status_of_its_own(void **state)
{
    json_t *lines;
    (void)state;
    struct spy_http *http = get("/fails");
    spy_http_fail(http, NULL, NULL);
    spy_http_answered(http, 503, 0);
    spy_http_answered(http, 200, 0); // too late
    spy_http_end(http);
    const json_t *line = last(&lines, "request_failed");
    assert_string_equal(lines_str(line, "error_type"), "internal");
    assert_true(number(line, "status_code") == 503);
    json_decref(lines);
}

static void what_was_never_answered_is_499(void **state)
{
    (void)state;
    spy_http_end(get("/gone"));
    assert_true(scrape_value(
                    "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"499\"}") == 1);
}

static void odd_methods_and_statuses_make_no_series(void **state)
{
    static const char *const odd[] = { "BREW", "get", "", NULL, "GET " };
    static const int bad[] = { -1, 0, 99, 1000, 200000 };
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct spy_http *http = spy_http_begin(&(struct spy_http_request){ .method = odd[i] });
        spy_http_route(http, "/odd");
        spy_http_answered(http, bad[i], 0);
        spy_http_end(http);
    }
    assert_true(
        scrape_value("http_requests_total{method=\"other\",route=\"/odd\",status=\"500\"}") == 5);
}

static void *work_elsewhere(void *arg)
{
    struct spy_http *http = arg;
    assert_string_equal(spy_correlation_id(), "");
    spy_http_enter(http);
    spy_http_enter(http); // twice is once
    assert_string_equal(spy_correlation_id(), "traveller");
    spy_bind(spy_str("user_id", "u1"));
    spy_info("elsewhere");
    spy_http_leave(http);
    spy_http_leave(http);
    assert_string_equal(spy_correlation_id(), "");
    return NULL;
}

static void a_request_travels(void **state)
{
    json_t *lines;
    pthread_t thread;
    (void)state;
    struct spy_http *http = spy_http_begin(
        &(struct spy_http_request){ .method = "GET", .path = "/", .correlation_id = "traveller" });
    spy_http_leave(http);
    assert_string_equal(spy_correlation_id(), "");
    assert_int_equal(pthread_create(&thread, NULL, work_elsewhere, http), 0);
    pthread_join(thread, NULL);
    spy_http_answered(http, 200, 0);
    spy_http_end(http); // from a thread that it had left

    const json_t *line = last(&lines, "request_processed");
    assert_string_equal(lines_str(line, "correlation_id"), "traveller");
    assert_string_equal(lines_str(line, "user_id"), "u1"); // bound over there
    assert_string_equal(lines_str(line, "path"), "/");
    assert_string_equal(lines_str(lines_last(lines, "elsewhere"), "span_id"),
                        lines_str(line, "span_id"));
    assert_string_equal(lines_str(lines_last(lines, "elsewhere"), "path"), "/");
    json_decref(lines);
    assert_string_equal(spy_correlation_id(), "");
}

static void a_request_inside_a_context_leaves_it_as_it_was(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_begin("outer", NULL);
    struct spy_http *http = get("/");
    assert_string_not_equal(spy_correlation_id(), "outer");
    spy_http_end(http);
    assert_string_equal(spy_correlation_id(), "outer");
    spy_context_detach(scope);
}

static void declared_series_stand_at_zero(void **state)
{
    (void)state;
    assert_int_equal(spy_http_declare("GET", "/declared", (const int[]){ 200, 404, 0 }), 0);
    assert_true(scrape_value(
                    "http_requests_total{method=\"GET\",route=\"/declared\",status=\"200\"}") == 0);
    assert_true(scrape_value(
                    "http_requests_total{method=\"GET\",route=\"/declared\",status=\"404\"}") == 0);
    assert_true(scrape_value("http_request_duration_seconds_count{method=\"GET\",route=\"/"
                             "declared\",status=\"404\"}") == 0);
    assert_true(scrape_value("http_request_size_bytes_count{method=\"GET\",route=\"/declared\"}") ==
                0);
    assert_int_equal(spy_http_declare("GET", "/declared", (const int[]){ 99, 0 }), -EINVAL);
    assert_int_equal(spy_http_declare("GET", "/declared", NULL), 0);
}

static void nothing_is_a_no_op(void **state)
{
    (void)state;
    spy_http_leave(NULL);
    spy_http_enter(NULL);
    spy_http_route(NULL, "/");
    spy_http_received(NULL, 1);
    spy_http_fail(NULL, "a", "b");
    spy_http_answered(NULL, 200, 0);
    spy_http_end(NULL);
    assert_string_equal(spy_http_correlation_id(NULL), "");
}

// Each allocation of a request fails in turn: the request goes on, and what is lost is counted.
static void no_memory_hurts_no_host(void **state)
{
    (void)state;
    uint64_t lost = spy__dropped_count(SPY__SIGNAL_HTTP, SPY__DROP_MEMORY);
    for (long n = 0; n < 40; n++) {
        alloc_fail_after(n);
        struct spy_http *http = get("/no/memory");
        spy_http_route(http, "/no/memory");
        spy_http_leave(http);
        spy_http_enter(http);
        spy_http_answered(http, 200, 1);
        spy_http_end(http);
        alloc_fail_never();
        if (n == 0) {
            assert_null(http);
            assert_int_equal(spy__dropped_count(SPY__SIGNAL_HTTP, SPY__DROP_MEMORY), lost + 1);
        }
        assert_string_equal(spy_correlation_id(), "");
        assert_true(scrape_value("http_requests_in_flight") == 0);
    }
}

static void the_host_s_operation_comes_before_the_first_request(void **state)
{
    static struct spy_operation late = {
        .name = "late",
        .labels = SPY_LABELS("method", "route", "status"),
        .total = { .name = "late_total", .help = "Too late" },
    };
    static struct spy_operation other_labels = {
        .name = "other",
        .labels = SPY_LABELS("method", "path", "status"),
        .total = { .name = "other_total", .help = "Of other labels" },
    };
    (void)state;
    assert_int_equal(spy_http_register(&late), -EEXIST);
    assert_int_equal(spy_http_register(&other_labels), -EINVAL);
    assert_int_equal(spy_http_register(NULL), -EINVAL);
    assert_true(isnan(scrape_value("late_total")));
}

static int start(void **state)
{
    (void)state;
    spy__clock_fake(&fake);
    log_fd = lines_open();
    lines_start(log_fd);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return spy_stop(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_counted_and_logged),
        cmocka_unit_test(waiting_for_the_log_is_no_latency),
        cmocka_unit_test(a_failure_is_500_with_its_cause),
        cmocka_unit_test(a_failure_may_have_a_status_of_its_own),
        cmocka_unit_test(what_was_never_answered_is_499),
        cmocka_unit_test(odd_methods_and_statuses_make_no_series),
        cmocka_unit_test(a_request_travels),
        cmocka_unit_test(a_request_inside_a_context_leaves_it_as_it_was),
        cmocka_unit_test(declared_series_stand_at_zero),
        cmocka_unit_test(nothing_is_a_no_op),
        cmocka_unit_test(no_memory_hurts_no_host),
        cmocka_unit_test(the_host_s_operation_comes_before_the_first_request),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
