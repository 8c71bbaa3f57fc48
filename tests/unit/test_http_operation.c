// The HTTP middleware under an operation of the host's own: its names, its buckets, its outcomes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "alloc_fail.h"
#include "scrape.h"

static struct spy_operation host = {
    .name = "host_request",
    .labels = SPY_LABELS("method", "route", "status"),
    .seconds = { .name = "host_seconds",
                 .help = "Time",
                 .labels = SPY_LABELS("route"),
                 .buckets = SPY_BUCKETS(1) },
    .total = { .name = "host_total", .help = "All" },
    .success = { .name = "host_success_total", .help = "Good ones", .labels = SPY_LABELS("route") },
    .failures = { .name = "host_failures_total",
                  .help = "Bad ones",
                  .labels = SPY_LABELS("route") },
};

static void answer(int status, const char *error_type)
{
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/" });
    spy_http_route(http, "/");
    if (error_type) {
        spy_http_fail(http, error_type, "it failed");
    }
    spy_http_answered(http, status, 0);
    spy_http_end(http);
}

static void registration_without_memory_may_be_tried_again(void **state)
{
    int rc = -ENOMEM;
    (void)state;
    for (long n = 0; n < 100 && rc != 0; n++) {
        alloc_fail_after(n);
        rc = spy_http_register(&host);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(spy_http_register(&host), -EEXIST);
}

static void the_host_s_families_are_fed(void **state)
{
    (void)state;
    answer(200, NULL);
    answer(404, NULL);
    answer(503, NULL);
    answer(500, "timeout");
    assert_true(scrape_value("host_total{method=\"GET\",route=\"/\",status=\"200\"}") == 1);
    assert_true(scrape_value("host_total{method=\"GET\",route=\"/\",status=\"500\"}") == 1);
    assert_true(scrape_value("host_seconds_count{route=\"/\"}") == 4);
    assert_true(scrape_value("host_success_total{route=\"/\"}") == 2);
    assert_true(scrape_value("host_failures_total{route=\"/\",error_type=\"status_5xx\"}") == 1);
    assert_true(scrape_value("host_failures_total{route=\"/\",error_type=\"timeout\"}") == 1);
    assert_true(
        isnan(scrape_value("http_requests_total{method=\"GET\",route=\"/\",status=\"200\"}")));
    assert_true(scrape_value("http_requests_in_flight") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registration_without_memory_may_be_tried_again),
        cmocka_unit_test(the_host_s_families_are_fed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
