// The HTTP middleware where the host has taken the name of one of its metrics: requests have all
// but their metrics, and what is lost is counted as what it is.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "lines.h"
#include "metrics/dropped.h"
#include "scrape.h"

static void requests_go_on_without_metrics(void **state)
{
    struct spy_counter taken;
    int log_fd = lines_open();
    (void)state;
    assert_int_equal(
        spy_counter_register(&taken, &(struct spy_metric){ .name = "http_requests_total",
                                                           .help = "The host's own" }),
        0);
    lines_start(log_fd);
    for (int i = 0; i < 3; i++) {
        struct spy_http *http =
            spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/" });
        assert_non_null(http);
        spy_http_answered(http, 200, 1);
        spy_http_end(http);
    }
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_HTTP, SPY__DROP_UNREGISTERED), 3);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_SPAN, SPY__DROP_UNREGISTERED), 3);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_HTTP, SPY__DROP_MEMORY), 0);
    assert_true(scrape_value("spyglass_dropped_total{signal=\"http\",reason=\"unregistered\"}") ==
                3);
    assert_true(scrape_value("http_requests_total") == 0);
    assert_true(isnan(scrape_value("http_requests_in_flight")));
    assert_int_equal(spy_http_declare("GET", "/", (const int[]){ 200, 0 }), -EEXIST);
    json_t *lines = lines_read(log_fd);
    assert_non_null(lines_last(lines, "request_processed"));
    json_decref(lines);
    assert_int_equal(spy_stop(10000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_on_without_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
