// Moments: how long something took, for the price of two readings of the processor's counter.
//
// A moment is a count of that counter (base/ticks.h), or nanoseconds of CLOCK_MONOTONIC with the
// highest bit set, which no counter reaches: where there is no steady counter, before its rate is
// known, and while a test's fake clock is set. What began with one kind ends with it.
//
// Only the counter's rate is used, as it was measured against CLOCK_MONOTONIC lately. A length is off
// by less than 0.1 %: up to 0.025 % at first, which the readings are uncertain by, and soon by next to
// nothing; and as much as CLOCK_MONOTONIC itself is slewed, by 0.05 % at most, until two
// seconds after that began or ended. A length is never negative: where the counters of two
// processors differ, or one began anew while the machine slept, it is 0. One that the machine slept
// in counts the sleep where the counter does, which CLOCK_MONOTONIC does not. Where the rate itself is
// found to have changed (a virtual machine that moved to another processor) the counter is not asked
// again.
//
// Reading the counter is not ordered with other instructions: it may be early by what the processor
// has in flight.
#ifndef BASE_MOMENT_H
#define BASE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ticks.h"

#define SPY__MOMENT_NS (UINT64_C(1) << 63)

// Nanoseconds per count; atomic, relaxed: set before spy__moment_counts is released.
extern double spy__moment_rate __attribute__((visibility("hidden")));

// A moment of CLOCK_MONOTONIC.
static inline uint64_t spy__moment_of(uint64_t monotonic_ns)
{
    return monotonic_ns | SPY__MOMENT_NS;
}

static inline bool spy__moment_is_count(uint64_t moment)
{
    return !(moment & SPY__MOMENT_NS);
}

static inline uint64_t spy__moment_now(void)
{
    if (__builtin_expect(__atomic_load_n(&spy__moment_counts, __ATOMIC_ACQUIRE), 1)) {
        return spy__counter();
    }
    return spy__moment_of(spy__monotonic_ns());
}

// Now, as `start` has it.
static inline uint64_t spy__moment_end(uint64_t start)
{
    return __builtin_expect(spy__moment_is_count(start), 1) ? spy__counter()
                                                            : spy__moment_of(spy__monotonic_ns());
}

// From one to a later one of its kind; else 0.
static inline uint64_t spy__moment_ns(uint64_t from, uint64_t to)
{
    double rate;
    int64_t counts = (int64_t)(to - from);
    if (__builtin_expect(!spy__moment_is_count(from), 0)) {
        return to > from ? to - from : 0;
    }
    __atomic_load(&spy__moment_rate, &rate, __ATOMIC_RELAXED);
    return counts > 0 ? (uint64_t)(int64_t)((double)counts * rate) : 0;
}

// Moments of both kinds as times, in one order: by one rate.
struct spy__moment_map {
    uint64_t count, monotonic_ns, realtime_ns; // one moment
    double rate;
};
void spy__moment_map_init(struct spy__moment_map *map);
// Nanoseconds since 1970.
uint64_t spy__moment_time_ns(const struct spy__moment_map *map, uint64_t moment);

// Measuring the rate: begins, after spy__ticks_init(), and looks again, now and then. It is known
// from the second look on, or a later one where the first are too close together. Threads: one at a
// time.
void spy__moments_begin(void);
void spy__moments_look(void);

#endif
