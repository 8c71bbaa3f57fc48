#include "paired.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

struct sums {
    double on_ns, off_ns;
};

static struct sums take_turns(const struct paired_work *work)
{
    struct sums sums = { 0 };
    for (unsigned i = 0; i < PAIRED_TURNS; i++) {
        const bool on = i % 4 == 1 || i % 4 == 2;
        if (work->turn) {
            work->turn(work->arg, on);
        }
        const double from_ns = work->cpu_ns();
        work->run(work->arg, on);
        *(on ? &sums.on_ns : &sums.off_ns) += work->cpu_ns() - from_ns;
    }
    return sums;
}

void paired_run(struct paired *ret, const struct paired_work *work, unsigned ratios)
{
    double *costs = calloc(ratios, sizeof(*costs));
    struct sums all = { 0 };
    if (!costs) {
        abort();
    }
    (void)take_turns(work); // warms up
    for (unsigned i = 0; i < ratios; i++) {
        const struct sums sums = take_turns(work);
        costs[i] = sums.on_ns / sums.off_ns - 1;
        all.on_ns += sums.on_ns;
        all.off_ns += sums.off_ns;
    }
    ret->cost = bench_median(costs, (int)ratios); // sorts
    // Ranks n/2 -+ 1.96 sqrt(n)/2, rounded outwards.
    const double reach = 0.98 * sqrt(ratios);
    const double low = floor(ratios / 2.0 - reach) - 1, high = ceil(ratios / 2.0 + reach);
    ret->low = costs[low > 0 ? (unsigned)low : 0];
    ret->high = costs[high < ratios ? (unsigned)high : ratios - 1];
    ret->total_cost = all.on_ns / all.off_ns - 1;
    ret->off_ns = all.off_ns / ratios / (PAIRED_TURNS / 2.0);
    ret->on_s = all.on_ns / 1e9;
    free(costs);
}

static void print_percent(const char *name, const char *what, double cost)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "%s%s", name, what);
    bench_print(line, 100 * cost, "percent", 1 + cost);
}

void paired_print(const char *name, const struct paired *result, double more)
{
    print_percent(name, "", result->cost + more);
    print_percent(name, "_low", result->low + more);
    print_percent(name, "_high", result->high + more);
    (void)fprintf(stderr, "# %s: %.2f %% by the sums of %.1f s of CPU time that were on\n", name,
                  100 * (result->total_cost + more), result->on_s);
}
