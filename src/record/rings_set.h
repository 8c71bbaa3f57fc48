// What the files of the rings share: the set of rings, and the words that threads wait on. Not for
// others.
//
// What a caller may look at while the rings are closed or opened again is static. It touches the
// mapping only between its `busy` and a generation that is still its own (spy__rings_enter()).
#ifndef RECORD_RINGS_SET_H
#define RECORD_RINGS_SET_H

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "record/rings_map.h"
#include "record/rings_push.h"

// One place for a thread, or for all that share the last one.
struct spy__place {
    // Atomic: generation << 1 | taken, so that one compare-and-swap both takes a place and knows
    // that it is a place of these rings.
    _Alignas(64) uint64_t claim;
    uint32_t busy; // atomic: its thread is inside a push
    uint64_t seen; // of the pump: the head at the last snapshot
};

struct spy__rings_set {
    // Written by open, while nobody is inside a push; read by those who are.
    struct spy__rings_map map;
    struct spy__rings_options options;
    size_t count; // with the overflow ring
    // Atomic words that threads wait on: changes with what the pump released; waiters on it; changes
    // with each wake of the pump; whether it waits.
    uint32_t moved, waiters, wakes, waiting;
    bool stalled; // atomic: a wait was in vain
    bool child;   // atomic, relaxed: a fork made this process while rings were open
    struct spy__place places[SPY__RING_SLOTS_MAX + 1];
};

extern struct spy__rings_set spy__rings;

// The overflow ring's producer, guarded by the lock.
extern pthread_mutex_t spy__rings_shared_mu;
extern struct spy__producer spy__rings_shared;

// Claims a ring for this thread. False when none is free.
bool spy__rings_claim(unsigned generation);
// Makes every thread of the process pass a full fence.
void spy__rings_fence_all(void);
// Something moved: whoever waits for room looks again.
void spy__rings_moved(void);

static inline long spy__futex(uint32_t *word, int op, uint32_t value,
                              const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static inline struct timespec spy__timespec(uint64_t ns)
{
    return (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
}

// CLOCK_MONOTONIC, the system's own: a test's fake clock must not hold a thread for ever.
static inline uint64_t spy__wait_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
