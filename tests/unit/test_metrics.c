// Metrics as their callers see them: registration, labels, limits, removal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/dropped.h"
#include "scrape.h"
#include "spyglass/metrics.h"

static uint64_t dropped(enum spy__drop reason)
{
    return spy__dropped_count(SPY__SIGNAL_METRICS, reason);
}

static bool scrape_has(const char *part)
{
    char *text = scrape();
    bool has = strstr(text, part) != NULL;
    free(text);
    return has;
}

static int register_counter(const struct spy_metric *m)
{
    struct spy_counter c = { NULL, 77 };
    int r = spy_counter_register(&c, m);
    assert_true(r == 0 ? c.family != NULL : c.family == NULL && c.cell == 77);
    return r;
}

static int register_histogram(const struct spy_metric *m)
{
    struct spy_histogram h;
    return spy_histogram_register(&h, m);
}

static void names_and_labels(void **state)
{
    (void)state;
    char long_name[202];
    memset(long_name, 'n', sizeof(long_name));
    long_name[201] = 0;
    const char *const bad_names[] = { NULL, "", "1a", "a-b", "a b", "\xc3\xa4", "a\n", long_name };
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        assert_int_equal(register_counter(&(struct spy_metric){ .name = bad_names[i] }), -EINVAL);
    }
    assert_int_equal(register_counter(NULL), -EINVAL);
    long_name[200] = 0;
    assert_int_equal(register_counter(&(struct spy_metric){ .name = long_name }), 0);
    assert_int_equal(register_counter(&(struct spy_metric){ .name = ":_aZ9" }), 0);
    const char *const bad_labels[] = { "", "1", "__name__", "a:b", "a-b" };
    for (size_t i = 0; i < sizeof(bad_labels) / sizeof(bad_labels[0]); i++) {
        assert_int_equal(register_counter(&(struct spy_metric){
                             .name = "x", .labels = SPY_LABELS(bad_labels[i]) }),
                         -EINVAL);
    }
    assert_int_equal(
        register_counter(&(struct spy_metric){ .name = "x", .labels = SPY_LABELS("a", "a") }),
        -EINVAL);
    assert_int_equal(
        register_histogram(&(struct spy_metric){ .name = "x", .labels = SPY_LABELS("le") }),
        -EINVAL);
    assert_int_equal(
        register_counter(&(struct spy_metric){ .name = "le_x", .labels = SPY_LABELS("le") }), 0);
}

static void buckets(void **state)
{
    (void)state;
    const struct spy_buckets bad[] = {
        SPY_BUCKETS(1, 1), SPY_BUCKETS(2, 1),         SPY_BUCKETS(1, INFINITY),
        SPY_BUCKETS(NAN),  SPY_BUCKETS(-INFINITY, 1), { SPY_BUCKETS_MAX + 1, { 1 } },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(register_histogram(&(struct spy_metric){ .name = "b", .buckets = bad[i] }),
                         -EINVAL);
    }
    struct spy_metric m = { .name = "many_buckets", .buckets = { .count = SPY_BUCKETS_MAX } };
    for (size_t i = 0; i < SPY_BUCKETS_MAX; i++) {
        m.buckets.bounds[i] = (double)i - 5;
    }
    struct spy_histogram h;
    assert_int_equal(spy_histogram_register(&h, &m), 0);
    for (size_t i = 0; i < SPY_BUCKETS_MAX; i++) { // on a bound, and just above it
        spy_histogram_observe(h, m.buckets.bounds[i]);
        spy_histogram_observe(h, m.buckets.bounds[i] + .5);
    }
    assert_true(scrape_value("many_buckets_bucket{le=\"-5\"}") == 1);
    assert_true(scrape_value("many_buckets_bucket{le=\"0\"}") == 11);
    assert_true(scrape_value("many_buckets_bucket{le=\"34\"}") == 79);
    assert_true(scrape_value("many_buckets_bucket{le=\"+Inf\"}") == 80);
    assert_int_equal(spy_histogram_count(h), 80);
}

static void same_shape_same_handle(void **state)
{
    (void)state;
    struct spy_counter a, b;
    struct spy_gauge g;
    struct spy_histogram h;
    const struct spy_metric m = { .name = "twice_total", .labels = SPY_LABELS("x") };
    assert_int_equal(spy_counter_register(&a, &m), 0);
    assert_int_equal(spy_counter_register(&b, &m), 0);
    assert_ptr_equal(a.family, b.family);
    assert_int_equal(spy_gauge_register(&g, &m), -EEXIST);
    assert_int_equal(spy_histogram_register(&h, &m), -EEXIST);
    assert_int_equal(
        register_counter(&(struct spy_metric){ .name = "twice_total", .labels = SPY_LABELS("y") }),
        -EEXIST);
    assert_int_equal(register_counter(&(struct spy_metric){ .name = "twice_total" }), -EEXIST);
    assert_int_equal(
        register_histogram(&(struct spy_metric){ .name = "twice_h", .buckets = SPY_BUCKETS(1, 2) }),
        0);
    assert_int_equal(
        register_histogram(&(struct spy_metric){ .name = "twice_h", .buckets = SPY_BUCKETS(1, 2) }),
        0);
    assert_int_equal(
        register_histogram(&(struct spy_metric){ .name = "twice_h", .buckets = SPY_BUCKETS(1, 3) }),
        -EEXIST);
    // Series names must not meet either.
    assert_int_equal(register_counter(&(struct spy_metric){ .name = "twice_h_count" }), -EEXIST);
    assert_int_equal(register_histogram(&(struct spy_metric){ .name = "twice" }), 0);
    assert_int_equal(register_counter(&(struct spy_metric){ .name = "late_sum" }), 0);
    assert_int_equal(register_histogram(&(struct spy_metric){ .name = "late" }), -EEXIST);
    assert_int_equal(register_counter(&(struct spy_metric){ .name = "spyglass_dropped_total" }),
                     -EEXIST);
}

static void counters_are_exact(void **state)
{
    (void)state;
    struct spy_counter c;
    assert_int_equal(spy_counter_register(&c, &(struct spy_metric){ .name = "exact_total" }), 0);
    assert_true(scrape_has("\nexact_total 0\n"));
    spy_counter_add(c, (1ull << 63) + 1);
    spy_counter_inc(c);
    assert_true(scrape_has("\nexact_total 9223372036854775810\n"));
    spy_counter_add(c, 0 - (1ull << 63) - 2);
    spy_counter_add_double(c, 3);
    assert_true(scrape_has("\nexact_total 3\n"));
    spy_counter_add_double(c, .25);
    assert_true(scrape_has("\nexact_total 3.25\n"));
    assert_true(spy_counter_value(c) == 3.25);
    uint64_t before = dropped(SPY__DROP_NEGATIVE);
    spy_counter_add_double(c, -1);
    spy_counter_add_double(c, NAN);
    assert_true(spy_counter_value(c) == 3.25);
    assert_int_equal(dropped(SPY__DROP_NEGATIVE), before + 2);
    spy_counter_add_double(c, 1e300); // far past an integer
    assert_true(spy_counter_value(c) == 1e300);
}

static void gauges(void **state)
{
    (void)state;
    struct spy_gauge g;
    assert_int_equal(spy_gauge_register(&g, &(struct spy_metric){ .name = "level" }), 0);
    assert_true(spy_gauge_value(g) == 0);
    spy_gauge_set(g, -2.5);
    spy_gauge_add(g, 1);
    spy_gauge_inc(g);
    spy_gauge_dec(g);
    assert_true(spy_gauge_value(g) == -1.5);
    assert_true(scrape_has("\nlevel -1.5\n"));
    spy_gauge_set(g, NAN);
    assert_true(scrape_has("\nlevel NaN\n"));
    spy_gauge_set(g, -INFINITY);
    assert_true(scrape_has("\nlevel -Inf\n"));
    spy_gauge_set_to_current_time(g);
    assert_true(spy_gauge_value(g) > 1.7e9);
    spy_gauge_remove(g); // a family's own handle
    assert_true(spy_gauge_value(g) > 1.7e9);
}

static void zero_handles_do_nothing(void **state)
{
    (void)state;
    struct spy_counter c = { 0 };
    struct spy_gauge g = { 0 };
    struct spy_histogram h = { 0 };
    spy_counter_inc(c);
    spy_counter_add_double(c, .5);
    spy_counter_remove(c);
    spy_gauge_set(g, 1);
    spy_gauge_add(g, 1);
    spy_gauge_remove(g);
    spy_histogram_observe(h, 1);
    spy_histogram_remove(h);
    assert_true(spy_counter_value(c) == 0 && spy_gauge_value(g) == 0 &&
                spy_histogram_count(h) == 0);
    assert_null(spy_counter_with(c, "a").family);
    assert_null(spy_gauge_with(g, "a").family);
    assert_null(spy_histogram_with(h, "a").family);
    // The handle of a family with labels counts nowhere.
    assert_int_equal(spy_counter_register(&c, &(struct spy_metric){ .name = "has_labels_total",
                                                                    .labels = SPY_LABELS("x") }),
                     0);
    spy_counter_inc(c);
    spy_counter_remove(c);
    assert_true(scrape_has("# TYPE has_labels_total counter\n"));
    assert_false(scrape_has("\nhas_labels_total"));
}

static double read_forty_two(void *arg)
{
    ++*(int *)arg;
    return 42.5;
}

static void callbacks(void **state)
{
    (void)state;
    static int calls; // callbacks are for good
    assert_int_equal(spy_gauge_callback(&(struct spy_metric){ .name = "asked" }, NULL, NULL),
                     -EINVAL);
    assert_int_equal(spy_gauge_callback(NULL, read_forty_two, &calls), -EINVAL);
    assert_int_equal(
        spy_gauge_callback(&(struct spy_metric){ .name = "asked", .labels = SPY_LABELS("a") },
                           read_forty_two, &calls),
        -EINVAL);
    assert_int_equal(
        spy_gauge_callback(&(struct spy_metric){ .name = "asked" }, read_forty_two, &calls), 0);
    assert_int_equal(
        spy_gauge_callback(&(struct spy_metric){ .name = "asked" }, read_forty_two, &calls),
        -EEXIST);
    struct spy_gauge g;
    assert_int_equal(spy_gauge_register(&g, &(struct spy_metric){ .name = "asked" }), -EEXIST);
    assert_true(scrape_value("asked") == 42.5);
    assert_true(scrape_value("asked") == 42.5);
    assert_int_equal(calls, 2); // at each scrape
}

static void labels_find_their_child(void **state)
{
    (void)state;
    struct spy_counter f;
    assert_int_equal(
        spy_counter_register(
            &f, &(struct spy_metric){ .name = "found_total", .labels = SPY_LABELS("a", "b") }),
        0);
    char buffer[8] = "x";
    struct spy_counter x = spy_counter_with(f, buffer, "y");
    assert_int_equal(spy_counter_with(f, "x", "y").cell, x.cell);
    assert_int_equal(spy_counter_with(f, buffer, "y").cell, x.cell); // remembered
    memcpy(buffer, "xx", 3); // another value at the same address
    struct spy_counter xx = spy_counter_with(f, buffer, "y");
    assert_int_not_equal(xx.cell, x.cell);
    buffer[0] = 0;
    struct spy_counter none = spy_counter_with(f, buffer, "y");
    assert_int_not_equal(none.cell, x.cell);
    assert_int_equal(spy_counter_with(f, NULL, "y").cell, none.cell);
    assert_int_equal(spy_counter_with(f, NULL, "y").cell, none.cell);
    assert_int_not_equal(spy_counter_with(f, "y", "x").cell, x.cell);
    assert_int_not_equal(spy_counter_with(f, "xy", "").cell, spy_counter_with(f, "", "xy").cell);
    uint64_t before = dropped(SPY__DROP_LABELS);
    assert_null(spy_counter_with(f, "x").family);
    assert_null(spy_counter_with(f, "x", "y", "z").family);
    assert_int_equal(dropped(SPY__DROP_LABELS), before + 2);
}

// Values that differ only where escaping could blur it.
static void escaped_values_stay_apart(void **state)
{
    (void)state;
    static const char *const values[] = { "a\nb", "a\\nb", "a\\\nb", "a\\\\nb", "a\"b",  "a\\\"b",
                                          "\"",   "\\",    "\\\\",   "\n",      "\\n",   "a\",b=\"",
                                          "a",    "ab",    "a\n",    "",        "a\nb\n" };
    enum { N = sizeof(values) / sizeof(values[0]) };
    struct spy_counter f;
    assert_int_equal(
        spy_counter_register(
            &f, &(struct spy_metric){ .name = "apart_total", .labels = SPY_LABELS("a", "b") }),
        0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N * N; i++) {
            spy_counter_inc(spy_counter_with(f, values[i / N], values[i % N]));
        }
    }
    for (int i = 0; i < N * N; i++) {
        assert_true(spy_counter_value(spy_counter_with(f, values[i / N], values[i % N])) == 2);
    }
    assert_true(scrape_has("\napart_total{a=\"a\\nb\",b=\"a\\\\nb\"} 2\n"));
    assert_true(scrape_has("\napart_total{a=\"\\\"\",b=\"a\\\",b=\\\"\"} 2\n"));
}

static void values_are_made_fit(void **state)
{
    (void)state;
    struct spy_counter f;
    assert_int_equal(spy_counter_register(&f, &(struct spy_metric){ .name = "fit_total",
                                                                    .labels = SPY_LABELS("a") }),
                     0);
    spy_counter_inc(spy_counter_with(f, "a\xff\xfe"
                                        "b"));
    spy_counter_inc(spy_counter_with(f, "a\xef\xbf\xbd\xef\xbf\xbd"
                                        "b")); // the same, written out
    assert_true(scrape_value("fit_total{a=\"a\xef\xbf\xbd\xef\xbf\xbd"
                             "b\"}") == 2);
    static char big[5000];
    memset(big, 'x', sizeof(big) - 1);
    memcpy(big + 1023, "\xc3\xa4", 2); // its end would be cut off
    spy_counter_inc(spy_counter_with(f, big));
    big[1023] = 0;
    struct spy_counter cut = spy_counter_with(f, big);
    assert_true(spy_counter_value(cut) == 1);
    // All bytes of all labels escaped or replaced: still one line, still in its piece.
    struct spy_histogram h;
    assert_int_equal(spy_histogram_register(
                         &h, &(struct spy_metric){ .name = "wide",
                                                   .labels = SPY_LABELS("a", "b", "c", "d", "e",
                                                                        "f", "g", "h") }),
                     0);
    memset(big, '"', 3000);
    spy_histogram_observe(spy_histogram_with(h, big, big, big, big, big, big, big, big), 1);
    assert_true(scrape_has("wide_count{a=\"\\\"\\\""));
}

static void cardinality_is_limited(void **state)
{
    (void)state;
    struct spy_counter f;
    assert_int_equal(spy_counter_register(&f, &(struct spy_metric){ .name = "limited_total",
                                                                    .labels = SPY_LABELS("a", "b"),
                                                                    .series_max = 3 }),
                     0);
    uint64_t before = dropped(SPY__DROP_CARDINALITY);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10; i++) {
            char value[12];
            snprintf(value, sizeof(value), "%d", i);
            spy_counter_inc(spy_counter_with(f, value, "b"));
        }
    }
    assert_true(scrape_value("limited_total{a=\"2\",b=\"b\"}") == 2);
    assert_true(isnan(scrape_value("limited_total{a=\"3\",b=\"b\"}")));
    assert_true(scrape_value("limited_total{a=\"__overflow__\",b=\"__overflow__\"}") == 14);
    assert_int_equal(dropped(SPY__DROP_CARDINALITY), before + 14);
    assert_true(scrape_value("spyglass_dropped_total{signal=\"metrics\",reason=\"cardinality\"}") ==
                (double)before + 14);
    spy_counter_inc(spy_counter_with(f, "__overflow__", "__overflow__"));
    assert_true(scrape_value("limited_total{a=\"__overflow__\",b=\"__overflow__\"}") == 15);
}

static void many_children(void **state)
{
    (void)state;
    struct spy_gauge f;
    assert_int_equal(spy_gauge_register(&f, &(struct spy_metric){ .name = "many",
                                                                  .labels = SPY_LABELS("i"),
                                                                  .series_max = 20000 }),
                     0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            char value[12];
            snprintf(value, sizeof(value), "%d", i);
            spy_gauge_add(spy_gauge_with(f, value), i);
        }
    }
    assert_true(scrape_value("many{i=\"0\"}") == 0);
    assert_true(scrape_value("many{i=\"19999\"}") == 39998);
    assert_true(isnan(scrape_value("many{i=\"__overflow__\"}")));
}

static void removed_counters_come_back_at_zero(void **state)
{
    (void)state;
    struct spy_counter f;
    assert_int_equal(spy_counter_register(&f, &(struct spy_metric){ .name = "gone_total",
                                                                    .labels = SPY_LABELS("a") }),
                     0);
    struct spy_counter kept = spy_counter_with(f, "x");
    spy_counter_add(kept, 5);
    spy_counter_add_double(kept, .5);
    for (int round = 0; round < 3; round++) {
        spy_counter_remove(kept);
        assert_true(isnan(scrape_value("gone_total{a=\"x\"}")));
        assert_true(spy_counter_value(kept) == 0);
        spy_counter_inc(kept); // a kept handle revives it
        assert_true(scrape_value("gone_total{a=\"x\"}") == 1);
        spy_counter_remove(kept);
        assert_int_equal(spy_counter_with(f, "x").cell, kept.cell); // so does a look-up
        assert_true(scrape_value("gone_total{a=\"x\"}") == 0);
        spy_counter_add_double(kept, .25);
        assert_true(scrape_value("gone_total{a=\"x\"}") == .25);
    }
}

static void removed_gauges_and_histograms(void **state)
{
    (void)state;
    struct spy_gauge gf, g;
    struct spy_histogram hf, h;
    assert_int_equal(
        spy_gauge_register(&gf, &(struct spy_metric){ .name = "gone", .labels = SPY_LABELS("a") }),
        0);
    assert_int_equal(
        spy_histogram_register(&hf, &(struct spy_metric){ .name = "gone_seconds",
                                                          .labels = SPY_LABELS("a"),
                                                          .buckets = SPY_BUCKETS(1, 2) }),
        0);
    g = spy_gauge_with(gf, "x");
    h = spy_histogram_with(hf, "x");
    spy_gauge_set(g, 5);
    spy_histogram_observe(h, 1.5);
    for (int round = 0; round < 2; round++) {
        spy_gauge_remove(g);
        spy_histogram_remove(h);
        assert_true(isnan(scrape_value("gone{a=\"x\"}")));
        assert_true(isnan(scrape_value("gone_seconds_count{a=\"x\"}")));
        assert_true(spy_gauge_value(g) == 0 && spy_histogram_count(h) == 0);
        spy_gauge_add(g, 2);
        spy_histogram_observe(h, .5);
        assert_true(scrape_value("gone{a=\"x\"}") == 2);
        assert_true(scrape_value("gone_seconds_bucket{a=\"x\",le=\"1\"}") == 1);
        assert_true(scrape_value("gone_seconds_bucket{a=\"x\",le=\"2\"}") == 1);
        assert_true(scrape_value("gone_seconds_sum{a=\"x\"}") == .5);
        assert_true(scrape_value("gone_seconds_count{a=\"x\"}") == 1);
    }
    spy_gauge_remove(g);
    spy_histogram_remove(h);
    assert_ptr_equal(spy_gauge_with(gf, "x").word, g.word);
    assert_int_equal(spy_histogram_with(hf, "x").cell, h.cell);
    assert_true(scrape_value("gone{a=\"x\"}") == 0);
    assert_true(scrape_value("gone_seconds_count{a=\"x\"}") == 0);
}

static void a_histogram_counts_nan(void **state)
{
    (void)state;
    struct spy_histogram h;
    assert_int_equal(spy_histogram_register(
                         &h, &(struct spy_metric){ .name = "odd", .buckets = SPY_BUCKETS(1) }),
                     0);
    spy_histogram_observe(h, -INFINITY);
    spy_histogram_observe(h, 1);
    spy_histogram_observe(h, NAN);
    assert_true(scrape_value("odd_bucket{le=\"1\"}") == 2);
    assert_true(scrape_value("odd_bucket{le=\"+Inf\"}") == 3);
    assert_true(scrape_value("odd_count") == 3);
    assert_true(scrape_has("\nodd_sum NaN\n"));
}

static void drops_that_nobody_expects_show_up(void **state)
{
    (void)state;
    const char *series = "spyglass_dropped_total{signal=\"span\",reason=\"too_long\"}";
    assert_true(isnan(scrape_value(series)));
    spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_TOO_LONG, 3);
    assert_true(scrape_value(series) == 3);
    assert_true(scrape_value("spyglass_dropped_total{signal=\"metrics\",reason=\"memory\"}") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_labels),
        cmocka_unit_test(buckets),
        cmocka_unit_test(same_shape_same_handle),
        cmocka_unit_test(counters_are_exact),
        cmocka_unit_test(gauges),
        cmocka_unit_test(zero_handles_do_nothing),
        cmocka_unit_test(callbacks),
        cmocka_unit_test(labels_find_their_child),
        cmocka_unit_test(escaped_values_stay_apart),
        cmocka_unit_test(values_are_made_fit),
        cmocka_unit_test(cardinality_is_limited),
        cmocka_unit_test(many_children),
        cmocka_unit_test(removed_counters_come_back_at_zero),
        cmocka_unit_test(removed_gauges_and_histograms),
        cmocka_unit_test(a_histogram_counts_nan),
        cmocka_unit_test(drops_that_nobody_expects_show_up),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
