// What a call costs the thread that makes it, one call at a time, as a service makes them: one every
// 10 us, timed by the processor's counter, the time that the timing takes included.
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PACED_CALLS 100000ul

struct paced {
    double p50_ns, p99_ns, p999_ns;
};

// Makes PACED_CALLS calls. `made` gets the time of each (CLOCK_REALTIME, ns), unless it is NULL.
void paced_run(struct paced *ret, void (*call)(void *arg, unsigned long i), void *arg,
               uint64_t *made);

#ifdef __cplusplus
}
#endif

#endif
