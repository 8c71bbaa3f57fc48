// The text format against its golden file, and in pieces of any size.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "encode/prom_text.h"
#include "scrape.h"
#include "spyglass/metrics.h"

#define GOLDEN SOURCE_ROOT "/tests/unit/golden/prom_text.txt"

// All that is odd: help and values that need escaping, bad UTF-8, NaN and infinities, removed and
// empty families.
static int make_families(void **state)
{
    (void)state;
    struct spy_counter odd, none, removed, fraction;
    struct spy_gauge values;
    struct spy_histogram seconds, whole;
    int r = spy_counter_register(
        &odd, &(struct spy_metric){ .name = "odd_total",
                                    .help = "Back\\slash, \"quotes\",\nnewline, \xff bad, ä",
                                    .labels = SPY_LABELS("path", "x") });
    r |= spy_counter_register(&none, &(struct spy_metric){ .name = "no_series_total",
                                                           .help = "A family without a series",
                                                           .labels = SPY_LABELS("a") });
    r |= spy_counter_register(
        &removed,
        &(struct spy_metric){ .name = "removed_total", .help = NULL, .labels = SPY_LABELS("a") });
    r |= spy_counter_register(&fraction,
                              &(struct spy_metric){ .name = "fraction_total", .help = "" });
    r |= spy_gauge_register(&values,
                            &(struct spy_metric){ .name = "values", .labels = SPY_LABELS("of") });
    r |= spy_histogram_register(
        &seconds, &(struct spy_metric){ .name = "work_seconds",
                                        .help = "Time",
                                        .labels = SPY_LABELS("status"),
                                        .buckets = SPY_BUCKETS(-1, 1e-5, 0.25, 1, 1e6, 1e21) });
    r |= spy_histogram_register(&whole,
                                &(struct spy_metric){ .name = "plain_seconds", .help = "Time" });
    spy_counter_add(spy_counter_with(odd, "a\"b\\c\nd", "\xc3\x28"), 18446744073709551615u);
    spy_counter_inc(spy_counter_with(odd, "", "{},= tab\t cr\r"));
    spy_counter_remove(spy_counter_with(removed, "x"));
    spy_counter_add_double(fraction, .1);
    spy_counter_add_double(fraction, .2);
    spy_gauge_set(spy_gauge_with(values, "nan"), NAN);
    spy_gauge_set(spy_gauge_with(values, "inf"), INFINITY);
    spy_gauge_set(spy_gauge_with(values, "-inf"), -INFINITY);
    spy_gauge_set(spy_gauge_with(values, "tiny"), 5e-324);
    spy_gauge_set(spy_gauge_with(values, "third"), 1.0 / 3);
    spy_gauge_set(spy_gauge_with(values, "-0"), -0.0);
    for (double v = 1e-6; v < 1e22; v *= 10) {
        spy_histogram_observe(spy_histogram_with(seconds, "ok"), v);
    }
    (void)spy_histogram_with(seconds, "never");
    spy_histogram_observe(whole, NAN);
    return r;
}

static char *read_golden(void)
{
    FILE *f = fopen(GOLDEN, "r");
    char *text = calloc(1, 65536);
    if (!f || !text || fread(text, 1, 65535, f) == 0) {
        fail_msg("%s cannot be read", GOLDEN);
    }
    fclose(f);
    return text;
}

static void golden(void **state)
{
    (void)state;
    char *text = scrape(), *expected = read_golden();
    char *ours = strstr(text, "# HELP odd_total");
    assert_non_null(ours);
    if (getenv("WRITE_GOLDEN")) {
        FILE *f = fopen(GOLDEN, "w");
        assert_non_null(f);
        fputs(ours, f);
        fclose(f);
    } else {
        assert_string_equal(ours, expected);
    }
    free(text);
    free(expected);
}

// Pieces as a slow client takes them: each a run of whole lines, together the scrape.
static void pieces(void **state)
{
    (void)state;
    struct spy_counter f;
    assert_int_equal(spy_counter_register(&f, &(struct spy_metric){ .name = "many_total",
                                                                    .labels = SPY_LABELS("i"),
                                                                    .series_max = 5000 }),
                     0);
    for (int i = 0; i < 5000; i++) {
        char value[8];
        snprintf(value, sizeof(value), "%d", i);
        spy_counter_add(spy_counter_with(f, value), (uint64_t)i);
    }
    char *whole = scrape();
    const char *at = whole;
    struct spy__prom_text text = { 0 };
    struct spy__buf b;
    int n = 0;
    spy__buf_init(&b, SPY__PROM_TEXT_PIECE);
    for (bool more = true; more; n++) {
        spy__buf_reset(&b);
        more = spy__prom_text_write(&text, &b);
        assert_false(b.failed);
        assert_in_range(b.len, 1, SPY__PROM_TEXT_PIECE);
        assert_int_equal(b.bytes[b.len - 1], '\n');
        assert_memory_equal(at, b.bytes, b.len);
        at += b.len;
    }
    assert_string_equal(at, "");
    assert_in_range(n, 2, 10);
    assert_false(spy__prom_text_write(&text, &b)); // there is no more
    spy__buf_done(&b);
    free(whole);
}

// A histogram's lines may lie in several pieces; they are of one moment all the same.
static void a_histogram_over_pieces(void **state)
{
    (void)state;
    static char value[1025];
    struct spy_histogram f;
    struct spy_metric m = { .name = "wide_seconds",
                            .labels = SPY_LABELS("a", "b", "c", "d"),
                            .buckets = { .count = SPY_BUCKETS_MAX } };
    for (int i = 0; i < SPY_BUCKETS_MAX; i++) {
        m.buckets.bounds[i] = i;
    }
    assert_int_equal(spy_histogram_register(&f, &m), 0);
    memset(value, '\n', 1024);
    struct spy_histogram h =
        spy_histogram_with(f, value, value, value, value); // 8 KiB a line, 43 lines
    spy_histogram_observe(h, 0);
    struct spy__prom_text text = { 0 };
    struct spy__buf b;
    char *all = calloc(1, 1 << 21);
    size_t len = 0;
    assert_non_null(all);
    spy__buf_init(&b, SPY__PROM_TEXT_PIECE);
    for (bool more = true; more;) {
        spy__buf_reset(&b);
        more = spy__prom_text_write(&text, &b);
        memcpy(all + len, b.bytes, b.len);
        len += b.len;
        spy_histogram_observe(h, 0); // meanwhile
    }
    spy__buf_done(&b);
    const char *inf = strstr(all, "wide_seconds_bucket{");
    inf = inf ? strstr(inf, "le=\"+Inf\"} ") : NULL;
    const char *count = strstr(all, "\nwide_seconds_count{");
    assert_true(inf && count);
    assert_int_equal(strtol(inf + strlen("le=\"+Inf\"} "), NULL, 10),
                     strtol(strchr(count, '}') + 1, NULL, 10));
    assert_true(strtol(strchr(count, '}') + 1, NULL, 10) >= 1);
    free(all);
}

static void without_memory(void **state)
{
    (void)state;
    struct spy__prom_text text = { 0 };
    struct spy__buf b;
    spy__buf_init(&b, SPY__PROM_TEXT_PIECE);
    alloc_fail_after(1); // the first piece of memory is there, no more
    assert_false(spy__prom_text_write(&text, &b));
    alloc_fail_never();
    assert_true(b.failed);
    spy__buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(pieces),
        cmocka_unit_test(a_histogram_over_pieces),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("prom_text", tests, make_families, NULL);
}
