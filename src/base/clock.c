// Clocks of the system, or those of a test.
//
// The fake is set before other threads start, so a relaxed load is enough to see it.

#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static struct spy__fake_clock *fake_clock;    // atomic, relaxed: see above
static bool counter_is_steady, rate_is_known; // as are these
bool spy__ticks_raw, spy__moment_counts;

static void choose_counter(void)
{
    const bool real = !spy__clock_is_fake();
    bool raw = real && __atomic_load_n(&counter_is_steady, __ATOMIC_RELAXED);
    bool counts = real && __atomic_load_n(&rate_is_known, __ATOMIC_RELAXED);
    __atomic_store_n(&spy__ticks_raw, raw, __ATOMIC_RELAXED);
    __atomic_store_n(&spy__moment_counts, counts, __ATOMIC_RELEASE);
}

void spy__clock_counter(bool steady)
{
    __atomic_store_n(&counter_is_steady, steady, __ATOMIC_RELAXED);
    choose_counter();
}

void spy__clock_moments(bool rate_known)
{
    __atomic_store_n(&rate_is_known, rate_known, __ATOMIC_RELAXED);
    choose_counter();
}

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t); // cannot fail for the two clocks used here
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t spy__monotonic_ns(void)
{
    const struct spy__fake_clock *fake = __atomic_load_n(&fake_clock, __ATOMIC_RELAXED);
    return fake ? fake->monotonic_ns : read_ns(CLOCK_MONOTONIC);
}

uint64_t spy__realtime_ns(void)
{
    const struct spy__fake_clock *fake = __atomic_load_n(&fake_clock, __ATOMIC_RELAXED);
    return fake ? fake->realtime_ns : read_ns(CLOCK_REALTIME);
}

uint64_t spy__realtime_coarse_ns(void)
{
    const struct spy__fake_clock *fake = __atomic_load_n(&fake_clock, __ATOMIC_RELAXED);
    return fake ? fake->realtime_ns : read_ns(CLOCK_REALTIME_COARSE);
}

uint64_t spy__thread_cpu_ns(void)
{
    const struct spy__fake_clock *fake = __atomic_load_n(&fake_clock, __ATOMIC_RELAXED);
    return fake ? fake->thread_cpu_ns : read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void spy__clock_fake(struct spy__fake_clock *fake)
{
    __atomic_store_n(&fake_clock, fake, __ATOMIC_RELAXED);
    choose_counter();
}

bool spy__clock_is_fake(void)
{
    return __atomic_load_n(&fake_clock, __ATOMIC_RELAXED) != NULL;
}
