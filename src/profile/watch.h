// What the sampler does in a host's thread itself: at its signals, at its operations, and when it
// comes to work under a context.
//
// Outside of a profiled request, continuous profiling costs an operation a frame (waits.h) and no
// system call; inside, two readings of the thread's CPU time and one stack.
#ifndef PROFILE_WATCH_H
#define PROFILE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/work.h"
#include "profile/workers.h"

extern const struct spy__watch spy__sampler_watch;

// Where a thread's work is asked for, and whether a history is kept. Threads: one at a time, before
// the watch is set.
void spy__watch_options(void (*work)(struct spy__work *ret), bool history);
// Whether a history is kept, now. Threads: any.
bool spy__watch_history(void);

// For spy__workers_open(). Async-signal-safe.
void spy__watch_take(struct spy__worker *worker, uint64_t weight_ns, uintptr_t pc);

// Of a profile that the calling thread's context was marked with just now: it works under it from
// here on. And: it ends, so what the thread waited for it until now is told.
void spy__watch_marked(uint32_t profile, uintptr_t caller);
void spy__watch_ending(uint32_t profile);

#endif
