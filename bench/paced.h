// What a call costs the thread that makes it, one call at a time, as a service makes them: one every
// 10 us, timed by the processor's counter, the time that the timing takes included.
//
// A virtual processor may be one of two threads of a core whose other thread is somebody else's: for
// as long as that one works, every instruction here takes up to twice its time, and nothing in this
// machine tells so. Therefore a fixed piece of arithmetic is timed midway between two calls. What
// was called while that went at its best is counted by itself as well: `alone`.
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PACED_CALLS 100000ul

struct paced_percentiles {
    double p50_ns, p99_ns, p999_ns;
};

struct paced {
    struct paced_percentiles all, alone; // alone: 0 where alone_share is
    double alone_share;                  // of the calls, 0 to 1
    double work_best_ns, work_p50_ns; // of the arithmetic: in the best millisecond, and the median
};

// Makes PACED_CALLS calls. `made` gets the time of each (CLOCK_REALTIME, ns), unless it is NULL.
void paced_run(struct paced *ret, void (*call)(void *arg, unsigned long i), void *arg,
               uint64_t *made);

// The time of that arithmetic now, in ticks of the counter; and by how much its median of many may be
// above the best one's where the core was our own.
uint64_t paced_time_work(void);
#define PACED_ALONE 1.15

// Whether the best of this run was about the best of all `n`: if not, the core was somebody else's
// throughout, and `alone` says nothing.
bool paced_was_alone(const struct paced *run, const struct paced runs[], int n);

#ifdef __cplusplus
}
#endif

#endif
