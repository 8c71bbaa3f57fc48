// How many may do a thing at once: the rest wait for a while, in the order of the kernel's
// choosing.
#ifndef SERVE_SLOTS_H
#define SERVE_SLOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct spy__slots {
    pthread_mutex_t mu;
    pthread_cond_t freed; // or closed
    unsigned free;        // guarded by mu
    bool closed;          // guarded by mu
};

void spy__slots_init(struct spy__slots *slots, unsigned count);
void spy__slots_done(struct spy__slots *slots);
// Takes a slot, waiting up to timeout_ns of CLOCK_MONOTONIC for one. False: none came free, or the
// slots are closed.
bool spy__slots_take(struct spy__slots *slots, uint64_t timeout_ns);
void spy__slots_give(struct spy__slots *slots);
// Sends away whoever waits, and all who come.
void spy__slots_close(struct spy__slots *slots);

#endif
