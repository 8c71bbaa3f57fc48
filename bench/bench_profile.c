// What profiling costs a request: CPU time of the process for requests with and without it, in turns;
// the median of the ratios, in percent more, and the interval that holds the true median in 19 of 20
// runs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/stack.h"
#include "bench.h"
#include "profile/sampler.h"
#include "signals/context.h"
#include "signals/work.h"
#include "spyglass/spyglass.h"

enum {
    PAIRS = 41,
    REQUESTS = 400, // a turn, some half a second: what a start costs is lost in it
    OPERATIONS = 20,
    // The ranks of the interval: of 41 values, 14 or more lie on each side of the median but in one
    // of 20 times (binomial, p = 1/2).
    RANK_LOW = 14,
    RANK_HIGH = PAIRS - 1 - RANK_LOW,
};

static struct spy_operation request = { .name = "request" }, step = { .name = "step" };

static double process_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Some 200 microseconds of what services do: allocate, format, sort.
static void work(unsigned seed)
{
    char *texts[400];
    for (unsigned i = 0; i < 400; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%u", (seed + i) * 2654435761u);
        texts[i] = strdup(text);
        if (!texts[i]) {
            abort();
        }
    }
    qsort(texts, 400, sizeof(texts[0]), compare);
    for (unsigned i = 0; i < 400; i++) {
        free(texts[i]);
    }
}

static void serve(unsigned number, const struct spy__profile_ask *ask)
{
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    uint32_t profile = 0;
    if (ask && spy__profile_begin(&profile, ask) != 0) {
        abort();
    }
    struct spy_span span = spy_begin(&request);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct spy_span inner = spy_begin(&step);
        work(number + i);
        spy_end(&inner, SPY_SUCCESS);
    }
    spy_end(&span, SPY_SUCCESS);
    if (ask) {
        spy__profile_cancel(profile);
    }
    spy_context_detach(scope);
}

static void start(unsigned continuous_hz)
{
    if (spy__sampler_start(&(struct spy__sampler_options){ .continuous_hz = continuous_hz,
                                                           .work = spy__context_work,
                                                           .mark = spy__context_mark,
                                                           .watch = spy__context_watch }) != 0) {
        abort();
    }
}

// Microseconds of CPU time a request.
static double turn(unsigned continuous_hz, const struct spy__profile_ask *ask)
{
    start(continuous_hz);
    const double from_ns = process_cpu_ns();
    for (unsigned i = 0; i < REQUESTS; i++) {
        serve(i, ask);
    }
    const double us = (process_cpu_ns() - from_ns) / REQUESTS / 1e3;
    spy__sampler_stop();
    return us;
}

static void print(const char *mode, const char *what, double ratio)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s_%s", mode, what);
    bench_print(name, (ratio - 1) * 100, "percent", ratio);
}

static void compare_turns(const char *mode, unsigned continuous_hz,
                          const struct spy__profile_ask *ask)
{
    double ratios[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        // Each comes first as often as second.
        double first = turn(i % 2 ? continuous_hz : 0, i % 2 ? ask : NULL);
        double second = turn(i % 2 ? 0 : continuous_hz, i % 2 ? NULL : ask);
        ratios[i] = i % 2 ? first / second : second / first;
    }
    print(mode, "cost", bench_median(ratios, PAIRS)); // sorts
    print(mode, "cost_low", ratios[RANK_LOW - 1]);
    print(mode, "cost_high", ratios[RANK_HIGH + 1]);
}

int main(void)
{
    spy__stack_warm_up();
    bench_print("request_cpu_us", turn(0, NULL), "us", -1);
    compare_turns("nothing", 0, NULL); // what the method itself sees
    compare_turns("continuous", SPY__SAMPLER_HZ, NULL);
    compare_turns("request", 0, &(struct spy__profile_ask){ 0 });
    return 0;
}
