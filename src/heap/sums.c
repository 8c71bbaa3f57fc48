// A table of open addressing from a stack's hash to its sum, which points to its frames in one array.
// Nothing is ever taken out.

#include "heap/sums.h"

#include <string.h>

#include "base/hash.h"

struct sum {
    uint64_t hash;
    uint32_t first, count; // frames
    uint32_t live;         // samples in use
    double alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
};

struct spy__heap_sums {
    uint32_t count, stacks_max;
    uint32_t frame_count, frames_max;
    uint32_t *slots; // index of a sum; 0: free, as sum 0 is never looked for
    struct sum *sums;
    uintptr_t *frames;
};

// Twice as many as stacks, so that a probe ends.
static uint32_t slots_of(uint32_t stacks_max)
{
    return 2 * stacks_max;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

size_t spy__heap_sums_bytes(uint32_t stacks_max, uint32_t frames_max)
{
    return aligned(sizeof(struct spy__heap_sums)) +
           aligned(slots_of(stacks_max) * sizeof(uint32_t)) +
           aligned((stacks_max + (size_t)1) * sizeof(struct sum)) + frames_max * sizeof(uintptr_t);
}

struct spy__heap_sums *spy__heap_sums_init(void *memory, uint32_t stacks_max, uint32_t frames_max)
{
    char *at = memory;
    struct spy__heap_sums *s = memory;
    *s = (struct spy__heap_sums){ .count = 1, .stacks_max = stacks_max, .frames_max = frames_max };
    s->slots = (void *)(at += aligned(sizeof(*s)));
    s->sums = (void *)(at += aligned(slots_of(stacks_max) * sizeof(uint32_t)));
    s->frames = (void *)(at + aligned((stacks_max + (size_t)1) * sizeof(struct sum)));
    return s;
}

static bool is(const struct spy__heap_sums *s, uint32_t i, uint64_t hash, const uintptr_t *stack,
               size_t n)
{
    const struct sum *sum = &s->sums[i];
    return sum->hash == hash && sum->count == n &&
           memcmp(s->frames + sum->first, stack, n * sizeof(*stack)) == 0;
}

uint32_t spy__heap_sums_find(struct spy__heap_sums *s, const uintptr_t *stack, size_t n)
{
    const uint32_t slots = slots_of(s->stacks_max);
    if (n == 0 || s->stacks_max == 0) {
        return 0;
    }
    const uint64_t hash = spy__hash(stack, n * sizeof(*stack), 0);
    uint32_t at = (uint32_t)(hash % slots);
    for (; s->slots[at] != 0; at = (at + 1) % slots) {
        if (is(s, s->slots[at], hash, stack, n)) {
            return s->slots[at];
        }
    }
    if (s->count > s->stacks_max || n > s->frames_max - s->frame_count) {
        return 0;
    }
    s->sums[s->count] = (struct sum){ .hash = hash, .first = s->frame_count, .count = (uint32_t)n };
    memcpy(s->frames + s->frame_count, stack, n * sizeof(*stack));
    s->frame_count += (uint32_t)n;
    return s->slots[at] = s->count++;
}

void spy__heap_sums_allocated(struct spy__heap_sums *s, uint32_t i, double objects, double bytes)
{
    s->sums[i].alloc_objects += objects;
    s->sums[i].alloc_bytes += bytes;
}

void spy__heap_sums_used(struct spy__heap_sums *s, uint32_t i, double objects, double bytes)
{
    s->sums[i].inuse_objects += objects;
    s->sums[i].inuse_bytes += bytes;
    s->sums[i].live++;
}

void spy__heap_sums_freed(struct spy__heap_sums *s, uint32_t i, double objects, double bytes)
{
    struct sum *sum = &s->sums[i];
    sum->live--;
    // None in use is none: not what is left of rounding.
    sum->inuse_objects = sum->live > 0 ? sum->inuse_objects - objects : 0;
    sum->inuse_bytes = sum->live > 0 ? sum->inuse_bytes - bytes : 0;
}

uint32_t spy__heap_sums_count(const struct spy__heap_sums *s)
{
    return s->count;
}

void spy__heap_sums_read(const struct spy__heap_sums *s, struct spy__heap_sum *ret, uint32_t i)
{
    const struct sum *sum = &s->sums[i];
    ret->alloc_objects = sum->alloc_objects;
    ret->alloc_bytes = sum->alloc_bytes;
    ret->inuse_objects = sum->inuse_objects;
    ret->inuse_bytes = sum->inuse_bytes;
    ret->frames = sum->count;
    memcpy(ret->stack, s->frames + sum->first, sum->count * sizeof(*ret->stack));
}
