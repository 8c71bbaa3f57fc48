// Metrics when each allocation in turn fails: nothing breaks, and nothing half-made is shown.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "metrics/dropped.h"
#include "metrics/process.h"
#include "metrics/resource.h"
#include "scrape.h"
#include "spyglass/spyglass.h"

// So many series fill some chunks of the arena and let an index grow several times.
#define SERIES 3000

static int register_all(void)
{
    struct spy_counter c;
    struct spy_gauge g;
    struct spy_histogram h;
    int r = spy_counter_register(&c, &(struct spy_metric){ .name = "a_total" });
    r = r ? r
          : spy_gauge_register(&g, &(struct spy_metric){ .name = "b", .labels = SPY_LABELS("x") });
    r = r ? r : spy_histogram_register(&h, &(struct spy_metric){ .name = "c" });
    return r ? r : spy__process_register();
}

// First of all: the library's own families are made by the first registration.
static void registration(void **state)
{
    (void)state;
    int r = -ENOMEM;
    for (long n = 0; r != 0; n++) {
        alloc_fail_after(n);
        r = register_all();
        alloc_fail_never();
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(n < 100);
    }
    char *text = scrape();
    assert_non_null(strstr(text, "\na_total 0\n"));
    assert_non_null(strstr(text, "\nc_count 0\n"));
    const char *dropped = strstr(text, "# TYPE spyglass_dropped_total counter\n");
    assert_non_null(dropped);
    assert_null(strstr(dropped + 1, "# TYPE spyglass_dropped_total"));
    assert_non_null(strstr(text, "\nspyglass_build_info{version=\"" SPYGLASS_VERSION "\"} 1\n"));
    free(text);
}

static struct spy_histogram child(struct spy_histogram family, int i)
{
    char value[16];
    snprintf(value, sizeof(value), "%d", i);
    return spy_histogram_with(family, value);
}

static void children(void **state)
{
    (void)state;
    struct spy_histogram family;
    struct spy_metric m = { .name = "grown", .labels = SPY_LABELS("i"), .series_max = SERIES };
    assert_int_equal(spy_histogram_register(&family, &m), 0);
    uint64_t before = spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY), failed = 0;
    for (int i = 0; i < SERIES; i++) {
        alloc_fail_after(0);
        struct spy_histogram h = child(family, i);
        alloc_fail_never();
        spy_histogram_observe(h, 1);
        if (!h.family) {
            failed++;
            spy_histogram_observe(child(family, i), 1);
        }
    }
    assert_in_range(failed, 3, SERIES / 2);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY), before + failed);
    for (int i = 0; i < SERIES; i++) {
        assert_int_equal(spy_histogram_count(child(family, i)), 1);
    }
    struct spy_histogram overflow = { 0 };
    for (long n = 0; !overflow.family; n++) {
        alloc_fail_after(n);
        overflow = child(family, SERIES);
        alloc_fail_never();
        assert_true(n < 5);
    }
    spy_histogram_observe(overflow, 1);
    assert_true(scrape_value("grown_count{i=\"__overflow__\"}") == 1);
}

// A child whose baseline finds no memory is not removed.
static void removal(void **state)
{
    (void)state;
    struct spy_histogram family;
    assert_int_equal(
        spy_histogram_register(&family,
                               &(struct spy_metric){ .name = "kept", .labels = SPY_LABELS("i") }),
        0);
    uint64_t before = spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY);
    int kept = 0;
    for (int i = 0; i < 1500; i++) {
        struct spy_histogram h = child(family, i);
        spy_histogram_observe(h, 1);
        alloc_fail_after(0);
        spy_histogram_remove(h);
        alloc_fail_never();
        kept += spy_histogram_count(h) == 1;
    }
    assert_in_range(kept, 1, 100);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY),
                     before + (uint64_t)kept);
}

static int ignore(void *arg, const char *bytes, size_t n)
{
    (void)arg, (void)bytes, (void)n;
    return 0;
}

static int refuse(void *arg, const char *bytes, size_t n)
{
    (void)arg, (void)bytes, (void)n;
    return -EPIPE;
}

static void a_scrape(void **state)
{
    (void)state;
    const char *type = "untouched";
    alloc_fail_after(0);
    assert_int_equal(spy_metrics_write(NULL, &type, ignore, NULL), -ENOMEM);
    alloc_fail_never();
    assert_string_equal(type, "untouched");
    assert_int_equal(spy_metrics_write("text/html", &type, refuse, NULL), -EPIPE);
    assert_string_equal(type, "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(spy_metrics_write(NULL, NULL, ignore, NULL), 0);
}

static void the_sampler(void **state)
{
    (void)state;
    int r = -ENOMEM;
    for (long n = 0; r != 0; n++) {
        alloc_fail_after(n);
        r = spy__resource_start(60, "/");
        alloc_fail_never();
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(n < 50);
    }
    assert_int_equal(spy__resource_start(60, "/"), -EALREADY);
    spy__resource_stop(60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registration), cmocka_unit_test(children),    cmocka_unit_test(removal),
        cmocka_unit_test(a_scrape),     cmocka_unit_test(the_sampler),
    };
    return cmocka_run_group_tests_name("metrics_alloc", tests, NULL, NULL);
}
