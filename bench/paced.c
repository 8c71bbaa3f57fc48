// See the header.
//
// The counter may move by many ticks at a time (26 on the machine that PEERS' figures are from, 10
// ns): so a percentile is taken as that of grouped data, between the edges of its group by how far
// into the group it lies.
#include "paced.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ticks.h"
#include "bench.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define PERIOD_NS 10000

// Begins after what stands before it.
static inline uint64_t timer_begin(void)
{
#if defined(__x86_64__)
    _mm_lfence();
    return __rdtsc();
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return spy__ticks();
#endif
}

// Ends when what stands before it is done.
static inline uint64_t timer_end(void)
{
#if defined(__x86_64__)
    unsigned cpu;
    uint64_t ticks = __rdtscp(&cpu);
    _mm_lfence();
    return ticks;
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return spy__ticks();
#endif
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// The counter's step: the least difference between two of the sorted values.
static double step_of(const uint64_t *sorted, unsigned long n)
{
    uint64_t least = UINT64_MAX;
    for (unsigned long i = 1; i < n; i++) {
        uint64_t d = sorted[i] - sorted[i - 1];
        least = d > 0 && d < least ? d : least;
    }
    return least == UINT64_MAX ? 0 : (double)least;
}

static double percentile(const uint64_t *sorted, unsigned long n, double p)
{
    unsigned long at = (unsigned long)((double)n * p), low = at, high = at;
    while (low > 0 && sorted[low - 1] == sorted[at]) {
        low--;
    }
    while (high < n && sorted[high] == sorted[at]) {
        high++;
    }
    double into = (double)(at - low) / (double)(high - low);
    return (double)sorted[at] + (into - 0.5) * step_of(sorted, n);
}

static struct paced_percentiles percentiles(uint64_t *ticks, unsigned long n, double ns_per_tick)
{
    if (n == 0) {
        return (struct paced_percentiles){ 0 };
    }
    qsort(ticks, n, sizeof(ticks[0]), compare);
    return (struct paced_percentiles){ .p50_ns = percentile(ticks, n, 0.5) * ns_per_tick,
                                       .p99_ns = percentile(ticks, n, 0.99) * ns_per_tick,
                                       .p999_ns = percentile(ticks, n, 0.999) * ns_per_tick };
}

// ---- whose the core is

#define WINDOW 100 // calls: a millisecond

// Eight chains of additions, as much at a time as a core can do: some 200 ns.
static uint64_t work(uint64_t seed)
{
    uint64_t a[8];
    for (unsigned i = 0; i < 8; i++) {
        a[i] = seed + i;
    }
    for (unsigned round = 0; round < 64; round++) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; i++) {
            a[i] += a[(i + 1) % 8] ^ (i + 3);
        }
    }
    return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

uint64_t paced_time_work(void)
{
    uint64_t before = timer_begin(), done = work(before);
    __asm__ volatile("" : : "r"(done)); // it is wanted
    return timer_end() - before;
}

// Moves the calls of those windows that had the core to themselves to `to`; returns how many.
static unsigned long take_alone(uint64_t *to, const uint64_t *ticks, uint64_t *worked,
                                struct paced *ret)
{
    static double medians[PACED_CALLS / WINDOW], sorted[PACED_CALLS / WINDOW];
    const int windows = PACED_CALLS / WINDOW;
    unsigned long n = 0;
    for (int i = 0; i < windows; i++) {
        uint64_t *w = worked + (unsigned long)i * WINDOW;
        qsort(w, WINDOW, sizeof(w[0]), compare);
        sorted[i] = medians[i] = (double)w[WINDOW / 2];
    }
    ret->work_p50_ns = bench_median(sorted, windows);
    ret->work_best_ns = sorted[0];
    for (int i = 0; i < windows; i++) {
        if (medians[i] <= sorted[0] * PACED_ALONE) {
            memcpy(to + n, ticks + (unsigned long)i * WINDOW, WINDOW * sizeof(to[0]));
            n += WINDOW;
        }
    }
    return n;
}

void paced_run(struct paced *ret, void (*call)(void *arg, unsigned long i), void *arg,
               uint64_t *made)
{
    static uint64_t ticks[PACED_CALLS], worked[PACED_CALLS], alone[PACED_CALLS];
    struct spy__ticks_map map;
    spy__ticks_init(&map);
    struct timespec tenth = { .tv_nsec = 100000000 };
    nanosleep(&tenth, NULL);
    spy__ticks_sync(&map); // the rate over a tenth of a second
    const double ns_per_tick = map.ns_per_tick > 0 ? map.ns_per_tick : 1;
    const uint64_t period = (uint64_t)(PERIOD_NS / ns_per_tick);
    uint64_t next = spy__ticks();
    for (unsigned long i = 0; i < PACED_CALLS; i++) {
        while (spy__ticks() < next + period / 2) {
        }
        worked[i] = paced_time_work();
        for (next += period; spy__ticks() < next;) {
        }
        uint64_t before = timer_begin();
        call(arg, i);
        uint64_t after = timer_end();
        ticks[i] = after - before;
        if (made) {
            made[i] = before;
        }
        next = after > next + period ? after : next; // whoever was interrupted does not catch up
    }
    spy__ticks_sync(&map);
    for (unsigned long i = 0; made && i < PACED_CALLS; i++) {
        made[i] = spy__ticks_to_ns(&map, made[i]);
    }
    const unsigned long n = take_alone(alone, ticks, worked, ret);
    ret->work_p50_ns *= ns_per_tick;
    ret->work_best_ns *= ns_per_tick;
    ret->alone_share = (double)n / PACED_CALLS;
    ret->alone = percentiles(alone, n, ns_per_tick);
    ret->all = percentiles(ticks, PACED_CALLS, ns_per_tick);
}

bool paced_was_alone(const struct paced *run, const struct paced runs[], int n)
{
    double best = run->work_best_ns;
    for (int i = 0; i < n; i++) {
        best = runs[i].work_best_ns < best ? runs[i].work_best_ns : best;
    }
    return run->work_best_ns <= best * PACED_ALONE;
}
