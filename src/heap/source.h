// What libspyglass reads from libspyglass-malloc, where that is loaded: the sampled allocations of
// this process, summed by the stack that made them.
//
// The two find each other at run time alone: libspyglass looks for SPY__HEAP_SOURCE_NAME with dlsym().
// The number in it changes whenever something here does.
#ifndef HEAP_SOURCE_H
#define HEAP_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/stack.h"

#define SPY__HEAP_SOURCE spy__heap_source_1
#define SPY__HEAP_SOURCE_NAME "spy__heap_source_1"

// What the samples of one stack stand for: estimates, without bias (heap/sampling.h).
struct spy__heap_sum {
    double alloc_objects, alloc_bytes; // since the process began
    double inuse_objects, inuse_bytes; // and not freed since
    uint32_t frames;                   // 0: those whose stack found no room, or is not known
    uintptr_t stack[SPY__STACK_MAX];   // as spy__stack_capture() gives it
};

// Samples that found no room.
struct spy__heap_losses {
    uint64_t stacks;    // were summed without their stack
    uint64_t untracked; // count as allocated, but not as in use
};

// Threads: any. None of these allocates. A sum is whole in itself; sums that are read one after the
// other are of different moments.
struct spy__heap_source {
    uint64_t (*mean_bytes)(void); // from one sample to the next; 0: sampling is off
    uint32_t (*count)(void);      // of sums; it only grows
    void (*read)(struct spy__heap_sum *ret, uint32_t i);
    void (*losses)(struct spy__heap_losses *ret);
};

#endif
