// Ticks: the cheapest time that a caller can take, turned into CLOCK_REALTIME by whoever reads it.
//
// A tick is one count of the processor's own counter: x86's TSC, where the processor says that it
// runs at one rate whatever its power states (Intel SDM vol. 3, 18.17.1 "Invariant TSC"; CPUID
// 80000007H, EDX bit 8), or arm64's virtual counter. Elsewhere, before spy__ticks_init(), and while
// a test's fake clock is set, a stamp is nanoseconds since 1970 with the highest bit set, which no
// counter reaches. Reading the counter is not ordered with other instructions: it may be early by
// what the processor has in flight.
//
// A map turns ticks into nanoseconds since 1970. It is a pair of readings, taken a while apart, of
// both clocks; what was stamped between the two is interpolated. Plain data: it lies in the file of
// the rings, so that the stamps of a process that died can still be read.
#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define SPY__TICKS_NS (UINT64_C(1) << 63)

// The counter itself, whatever it is worth; 0 where there is none.
static inline uint64_t spy__counter(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return 0;
#endif
}

static inline uint64_t spy__ticks(void)
{
    if (__builtin_expect(!__atomic_load_n(&spy__ticks_raw, __ATOMIC_RELAXED), 0)) {
        return spy__realtime_ns() | SPY__TICKS_NS;
    }
    return spy__counter();
}

// The counter, and a clock of base/clock.h, at one moment.
struct spy__reading {
    uint64_t count, ns;
    uint64_t doubt; // in counts: how far apart the two may lie
};

// Of a few tries the one in which the counter moved least.
struct spy__reading spy__counter_read(uint64_t (*clock_ns)(void));

struct spy__ticks_map {
    uint64_t ticks, ns;           // the last reading of both clocks
    uint64_t base_ticks, base_ns; // an earlier one, which the rate is measured from
    double ns_per_tick;           // 0: no counter
};

// Decides what ticks are, and reads both clocks for the first time: takes a quarter of a
// millisecond to measure the rate.
void spy__ticks_init(struct spy__ticks_map *map);

// Reads both clocks again. Stamps taken before it are read best after it. Threads: one at a time.
void spy__ticks_sync(struct spy__ticks_map *map);

// Nanoseconds since 1970 UTC.
uint64_t spy__ticks_to_ns(const struct spy__ticks_map *map, uint64_t ticks);

#endif
