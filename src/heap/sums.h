// The stacks that samples were taken in, and the sums of each. A stack that came stays, so that its
// index does; once there is no room for another, its samples go to sum 0, which has no stack.
//
// Not for use by two threads at a time.
#ifndef HEAP_SUMS_H
#define HEAP_SUMS_H

#include <stdbool.h>

#include "heap/source.h"

struct spy__heap_sums;

// Bytes of memory for so many stacks of so many frames in all.
size_t spy__heap_sums_bytes(uint32_t stacks_max, uint32_t frames_max);
// Makes them in memory of that size that is zero, aligned to 16 bytes.
struct spy__heap_sums *spy__heap_sums_init(void *memory, uint32_t stacks_max, uint32_t frames_max);

// The index of a stack of at most SPY__STACK_MAX frames; 0 where there is no room for it.
uint32_t spy__heap_sums_find(struct spy__heap_sums *s, const uintptr_t *stack, size_t n);

void spy__heap_sums_allocated(struct spy__heap_sums *s, uint32_t i, double objects, double bytes);
// What was allocated is in use, or no longer.
void spy__heap_sums_used(struct spy__heap_sums *s, uint32_t i, double objects, double bytes);
void spy__heap_sums_freed(struct spy__heap_sums *s, uint32_t i, double objects, double bytes);

uint32_t spy__heap_sums_count(const struct spy__heap_sums *s);
void spy__heap_sums_read(const struct spy__heap_sums *s, struct spy__heap_sum *ret, uint32_t i);

#endif
