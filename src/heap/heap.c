#include "heap/heap.h"

#include <errno.h>
#include <sys/mman.h>

#include "heap/sampling.h"

// Whether this thread has the lock already, as it is about to fork.
static __thread bool holds;

static void lock(struct spy__heap *heap)
{
    if (!holds) {
        pthread_mutex_lock(&heap->mu);
    }
}

static void unlock(struct spy__heap *heap)
{
    if (!holds) {
        pthread_mutex_unlock(&heap->mu);
    }
}

int spy__heap_open(struct spy__heap *heap, const struct spy__heap_options *o)
{
    const size_t live_bytes = spy__heap_live_bytes(o->slots);
    const size_t bytes = live_bytes + spy__heap_sums_bytes(o->stacks_max, o->frames_max);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    heap->memory = memory;
    heap->memory_bytes = bytes;
    heap->sums = spy__heap_sums_init(memory, o->stacks_max, o->frames_max);
    spy__heap_live_init(&heap->live, memory + (bytes - live_bytes), o->slots);
    heap->in_use_max = o->slots / 2;
    heap->mean_bytes = o->mean_bytes;
    return 0;
}

void spy__heap_close(struct spy__heap *heap)
{
    (void)munmap(heap->memory, heap->memory_bytes);
    *heap = (struct spy__heap){ .mu = PTHREAD_MUTEX_INITIALIZER };
}

// ---- what is in use. Called under mu.

static void freed(struct spy__heap *heap, const struct spy__heap_block *block)
{
    const double objects = spy__heap_weight(block->size, heap->mean_bytes);
    spy__heap_sums_freed(heap->sums, block->sum, objects, objects * (double)block->size);
    heap->in_use--;
}

static void used(struct spy__heap *heap, uintptr_t address, const struct spy__heap_block *block)
{
    const double objects = spy__heap_weight(block->size, heap->mean_bytes);
    struct spy__heap_block old;
    bool had = false;
    if (heap->in_use == heap->in_use_max ||
        !spy__heap_live_put(&heap->live, address, block, &old, &had)) {
        heap->losses.untracked++;
        return;
    }
    if (had) {
        freed(heap, &old);
    }
    spy__heap_sums_used(heap->sums, block->sum, objects, objects * (double)block->size);
    heap->in_use++;
}

// ---- what happens

void spy__heap_allocated(struct spy__heap *heap, uintptr_t address, size_t size,
                         const uintptr_t *stack, size_t n)
{
    const double objects = spy__heap_weight(size, heap->mean_bytes);
    lock(heap);
    const struct spy__heap_block block = { .size = size,
                                           .sum = spy__heap_sums_find(heap->sums, stack, n) };
    heap->losses.stacks += block.sum == 0;
    spy__heap_sums_allocated(heap->sums, block.sum, objects, objects * (double)size);
    used(heap, address, &block);
    unlock(heap);
}

bool spy__heap_freed(struct spy__heap *heap, uintptr_t address, struct spy__heap_block *ret)
{
    if (!spy__heap_live_has(&heap->live, address)) {
        return false;
    }
    lock(heap);
    const bool had = spy__heap_live_take(&heap->live, address, ret);
    if (had) {
        freed(heap, ret);
    }
    unlock(heap);
    return had;
}

void spy__heap_kept(struct spy__heap *heap, uintptr_t address, const struct spy__heap_block *block)
{
    lock(heap);
    used(heap, address, block);
    unlock(heap);
}

// ---- what is read

uint32_t spy__heap_count(struct spy__heap *heap)
{
    uint32_t count = 0;
    lock(heap);
    if (heap->sums) {
        count = spy__heap_sums_count(heap->sums);
    }
    unlock(heap);
    return count;
}

void spy__heap_read(struct spy__heap *heap, struct spy__heap_sum *ret, uint32_t i)
{
    lock(heap);
    spy__heap_sums_read(heap->sums, ret, i);
    unlock(heap);
}

void spy__heap_losses(struct spy__heap *heap, struct spy__heap_losses *ret)
{
    lock(heap);
    *ret = heap->losses;
    unlock(heap);
}

// ---- fork

void spy__heap_hold(struct spy__heap *heap)
{
    lock(heap);
    holds = true;
}

void spy__heap_release(struct spy__heap *heap)
{
    holds = false;
    unlock(heap);
}
