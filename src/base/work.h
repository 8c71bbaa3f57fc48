// What a thread works for, and who is told of it: between the contexts and operations of signals/
// and the sampler of profile/, which do not know each other. spyglass.c puts them together.
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include <stdint.h>

// The calling thread's work, by value.
struct spy__work {
    uint64_t trace_hi, trace_lo, span_id; // 0: none
    const char *operation;                // name of the innermost one; NULL outside of all
    const char *correlation_id; // NULL without a context; lives as long as the thread's is the same
    uint32_t profile;           // what its context was marked with; 0: nothing
};

// Told by each thread of its own work. The time is of the monotonic clock.
struct spy__watch {
    // It works under a context from here on, or no longer; with that one's mark. `caller` is the
    // return address into the host's code, as below.
    void (*enter)(uint32_t profile, uintptr_t caller);
    void (*leave)(uint32_t profile, uintptr_t caller);
    // An operation begins, and is the innermost one now; it ends, and is still.
    void (*begin)(uint64_t span_id, uint64_t parent_id, uint64_t now_ns, uintptr_t caller);
    void (*end)(uint64_t span_id, uint64_t now_ns, uintptr_t caller);
};

#endif
