// A sampled profile of the heap: what was allocated where, and what of it is in use. The hooks
// (heap/hooks.c) say what happens; libspyglass reads it (heap/source.h).
//
// Its memory is reserved at the start and bounded, some 4 MiB by default, of which the kernel gives what
// is used. Nothing in here allocates. One lock is held for as long as a look-up takes, by sampled
// allocations and their frees alone: no other code runs under it.
#ifndef HEAP_HEAP_H
#define HEAP_HEAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/live.h"
#include "heap/source.h"
#include "heap/sums.h"

// Places that allocate; stacks of 25 frames fit.
#define SPY__HEAP_STACKS_MAX 10240u
#define SPY__HEAP_FRAMES_MAX (256u * 1024)
// Twice as many slots as samples in use: at the default mean, a heap of 16 GiB.
#define SPY__HEAP_SLOTS 65536u

struct spy__heap_options {
    uint64_t mean_bytes; // from one sample to the next
    uint32_t stacks_max, frames_max;
    uint32_t slots; // a power of two; half of them may be in use
};

struct spy__heap {
    struct spy__heap_live live; // its changes are guarded by mu
    pthread_mutex_t mu;
    uint64_t mean_bytes;         // const after open; 0: not open
    struct spy__heap_sums *sums; // guarded by mu, as all below
    struct spy__heap_losses losses;
    uint32_t in_use, in_use_max;
    void *memory;
    size_t memory_bytes;
};

// *heap is zero, with mu as PTHREAD_MUTEX_INITIALIZER has it. Returns 0, or -ENOMEM with *heap as it
// was.
int spy__heap_open(struct spy__heap *heap, const struct spy__heap_options *options);
void spy__heap_close(struct spy__heap *heap);

// All of these: threads any, on an open heap.

// A sampled allocation, before its caller has it. size > 0.
void spy__heap_allocated(struct spy__heap *heap, uintptr_t address, size_t size,
                         const uintptr_t *stack, size_t n);
// Before the address is free for others. False: it was not sampled. Most are told by
// spy__heap_live_may_have(), which is for the caller to ask first.
bool spy__heap_freed(struct spy__heap *heap, uintptr_t address, struct spy__heap_block *ret);
// It is in use all the same.
void spy__heap_kept(struct spy__heap *heap, uintptr_t address, const struct spy__heap_block *block);

uint32_t spy__heap_count(struct spy__heap *heap);
void spy__heap_read(struct spy__heap *heap, struct spy__heap_sum *ret, uint32_t i);
void spy__heap_losses(struct spy__heap *heap, struct spy__heap_losses *ret);

// Over a fork, so that the child finds it whole. In between, the thread that forks may still allocate
// and free.
void spy__heap_hold(struct spy__heap *heap);
void spy__heap_release(struct spy__heap *heap);

#endif
