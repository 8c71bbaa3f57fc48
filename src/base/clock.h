// Time, injectable in tests.
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

// Nanoseconds of CLOCK_MONOTONIC.
uint64_t spy__monotonic_ns(void);
// Nanoseconds since 1970 UTC, CLOCK_REALTIME.
uint64_t spy__realtime_ns(void);
// The same as it was at the kernel's last tick, up to some milliseconds ago: at a quarter of the
// cost.
uint64_t spy__realtime_coarse_ns(void);
// Nanoseconds of CPU time that the calling thread has used, CLOCK_THREAD_CPUTIME_ID: a system call.
uint64_t spy__thread_cpu_ns(void);

// Tests: all clocks read from *fake until it is NULL again. One at a time, before other threads
// start.
struct spy__fake_clock {
    uint64_t monotonic_ns, realtime_ns, thread_cpu_ns;
};
void spy__clock_fake(struct spy__fake_clock *fake);
bool spy__clock_is_fake(void);

// Whether the processor's counter stands for time (base/ticks.h): there is a steady one, as was
// said here, and no fake clock. Atomic, relaxed.
extern bool spy__ticks_raw __attribute__((visibility("hidden")));
void spy__clock_counter(bool steady);
// Whether lengths of time are measured by it too (base/moment.h): its rate is known, as was said
// here, and no fake clock. Atomic, released.
extern bool spy__moment_counts __attribute__((visibility("hidden")));
void spy__clock_moments(bool rate_known);

#endif
