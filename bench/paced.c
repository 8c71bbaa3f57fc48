// See the header.
//
// The counter may move by many ticks at a time (26 on the machine that PEERS' figures are from, 10
// ns): so a percentile is taken as that of grouped data, between the edges of its group by how far
// into the group it lies.
#include "paced.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/ticks.h"

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

void paced_run(struct paced *ret, void (*call)(void *arg, unsigned long i), void *arg,
               uint64_t *made)
{
    static uint64_t ticks[PACED_CALLS];
    struct spy__ticks_map map;
    spy__ticks_init(&map);
    struct timespec tenth = { .tv_nsec = 100000000 };
    nanosleep(&tenth, NULL);
    spy__ticks_sync(&map); // the rate over a tenth of a second
    const double ns_per_tick = map.ns_per_tick > 0 ? map.ns_per_tick : 1;
    const uint64_t period = (uint64_t)(PERIOD_NS / ns_per_tick);
    uint64_t next = spy__ticks();
    for (unsigned long i = 0; i < PACED_CALLS; i++) {
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
    qsort(ticks, PACED_CALLS, sizeof(ticks[0]), compare);
    ret->p50_ns = percentile(ticks, PACED_CALLS, 0.5) * ns_per_tick;
    ret->p99_ns = percentile(ticks, PACED_CALLS, 0.99) * ns_per_tick;
    ret->p999_ns = percentile(ticks, PACED_CALLS, 0.999) * ns_per_tick;
}
