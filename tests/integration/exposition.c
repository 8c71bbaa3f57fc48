// A program that writes one scrape to stdout, with all kinds of metrics and odd label values in it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <spyglass/spyglass.h>

static int write_out(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, arg) == n ? 0 : -1;
}

static double forty_two(void *arg)
{
    (void)arg;
    return 42.5;
}

int main(void)
{
    struct spy_counter requests, whole;
    struct spy_gauge level;
    struct spy_histogram seconds;
    int r = spy_counter_register(&requests,
                                 &(struct spy_metric){ .name = "requests_total",
                                                       .help = "Back\\slash,\n\"quoted\" ä \xff",
                                                       .labels = SPY_LABELS("path", "method") });
    r |= spy_counter_register(&whole,
                              &(struct spy_metric){ .name = "whole_total", .help = "No labels" });
    r |= spy_gauge_register(
        &level,
        &(struct spy_metric){ .name = "level", .help = "A level", .labels = SPY_LABELS("of") });
    r |= spy_histogram_register(&seconds,
                                &(struct spy_metric){ .name = "work_seconds",
                                                      .help = "Time",
                                                      .labels = SPY_LABELS("status"),
                                                      .buckets = SPY_BUCKETS(0.1, 1, 1e6) });
    r |= spy_gauge_callback(&(struct spy_metric){ .name = "asked", .help = "Asked for" }, forty_two,
                            NULL);
    if (r != 0) {
        return EXIT_FAILURE;
    }
    static const char *const paths[] = { "/plain", "a\"b\\c\nd",   "\\n",    "\xc3\x28",
                                         "",       "{},= \t\r\v#", "日本 😀", "\\" };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        spy_counter_add(spy_counter_with(requests, paths[i], "GET"), i + 1);
    }
    spy_counter_add(whole, 1ull << 53);
    spy_gauge_set(spy_gauge_with(level, "nan"), NAN);
    spy_gauge_set(spy_gauge_with(level, "inf"), INFINITY);
    spy_gauge_set(spy_gauge_with(level, "-inf"), -INFINITY);
    spy_gauge_set(spy_gauge_with(level, "tiny"), 5e-324);
    spy_gauge_set(spy_gauge_with(level, "pi"), 3.141592653589793);
    spy_gauge_set(spy_gauge_with(level, "big"), 1.7976931348623157e308);
    spy_histogram_observe(spy_histogram_with(seconds, "ok"), 0.1);
    spy_histogram_observe(spy_histogram_with(seconds, "ok"), 2);
    spy_histogram_observe(spy_histogram_with(seconds, "ok"), 1e9);
    return spy_metrics_write(NULL, NULL, write_out, stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
