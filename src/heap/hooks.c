// libspyglass-malloc: malloc() and its kin, in front of the C library's, for a profile of the heap.
//
// Each thread counts down the bytes that it allocates (heap/sampling.h): an allocation costs one
// subtraction and a branch, a free one look at a byte of a table. At zero, the allocation is sampled:
// its stack is taken, and kept with its address (heap/heap.h).
//
// The next allocator is called first and returns before anything of ours is locked or a stack is
// taken, so that no lock of its is ever held within ours. What the unwinder allocates is not sampled.
// errno is kept. Before the constructor has run, nothing is sampled.
//
// malloc_usable_size() and other calls that neither give nor take memory are not in here: they reach
// the next allocator by themselves.

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/stack.h"
#include "heap/heap.h"
#include "heap/next.h"
#include "heap/sampling.h"
#include "heap/source.h"
#include "spyglass/api.h"

#define CALLER ((uintptr_t)__builtin_return_address(0))

// One a thread, with no constructor and no destructor: it is good in a thread's first call and in its
// last.
static __thread struct {
    uint64_t left; // bytes up to the next sample
    bool drawn;    // left was
    bool inside;   // a sample is being taken
} own;

static struct spy__heap heap = { .mu = PTHREAD_MUTEX_INITIALIZER };
static uint64_t mean_bytes; // atomic: released once the heap is open; 0 before, and where it is off
static bool off;            // atomic, relaxed: it stays so

// ---- a sample

// Counts down; true where the allocation is to be looked at.
static inline bool counts(size_t size)
{
    return SPY__UNLIKELY(__builtin_sub_overflow(own.left, (uint64_t)size, &own.left));
}

static void draw(uint64_t mean)
{
    own.left = spy__heap_interval(spy__random_u64(), mean);
    own.drawn = true;
}

// The way of an allocation that has passed the count, or came before there was one. Returns the block.
__attribute__((noinline, cold)) static void *look_at(void *block, size_t size, uintptr_t caller)
{
    const uint64_t mean = __atomic_load_n(&mean_bytes, __ATOMIC_ACQUIRE);
    const int error = errno;
    bool passed = own.drawn;
    uintptr_t stack[SPY__STACK_MAX];
    // Where nothing is drawn below, the next allocation comes here too. A Poisson process has no
    // memory: it may be drawn anew at any time.
    own.left = __atomic_load_n(&off, __ATOMIC_RELAXED) ? UINT64_MAX : 0;
    own.drawn = false;
    if (!block || own.inside || mean == 0) {
        return block;
    }
    own.inside = true;
    if (!passed) {
        draw(mean);
        passed = counts(size);
    }
    if (passed) {
        size_t n = spy__stack_capture_from(stack, SPY__STACK_MAX, caller);
        spy__heap_allocated(&heap, (uintptr_t)block, size, stack, n);
        draw(mean);
    }
    own.inside = false;
    errno = error;
    return block;
}

// To be called before the block is freed, while nobody else can have its address. Returns whether it
// was sampled.
static inline bool forget(const void *block, struct spy__heap_block *ret)
{
    return SPY__UNLIKELY(spy__heap_live_may_have(&heap.live, (uintptr_t)block)) &&
           spy__heap_freed(&heap, (uintptr_t)block, ret);
}

// ---- the hooks

SPY_API void *malloc(size_t size)
{
    if (counts(size)) {
        return look_at(SPY__HEAP_NEXT(malloc)(size), size, CALLER);
    }
    return SPY__HEAP_NEXT(malloc)(size);
}

SPY_API void *calloc(size_t n, size_t size)
{
    size_t all;
    // What does not fit is the next one's to refuse.
    if (!__builtin_mul_overflow(n, size, &all) && counts(all)) {
        return look_at(SPY__HEAP_NEXT(calloc)(n, size), all, CALLER);
    }
    return SPY__HEAP_NEXT(calloc)(n, size);
}

SPY_API void free(void *block)
{
    struct spy__heap_block unused;
    (void)forget(block, &unused);
    SPY__HEAP_NEXT(free)(block);
}

// A block that is given another size counts as freed, and as allocated anew.
static inline void *reallocate(void *block, size_t size, uintptr_t caller)
{
    struct spy__heap_block was;
    const uintptr_t address = (uintptr_t)block; // it may be no pointer any more afterwards
    const bool sampled = forget(block, &was);
    void *now = SPY__HEAP_NEXT(realloc)(block, size);
    if (SPY__UNLIKELY(sampled && !now && size > 0)) {
        spy__heap_kept(&heap, address, &was);
    }
    return counts(size) ? look_at(now, size, caller) : now;
}

SPY_API void *realloc(void *block, size_t size)
{
    return reallocate(block, size, CALLER);
}

SPY_API void *reallocarray(void *block, size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return reallocate(block, all, CALLER);
}

SPY_API int posix_memalign(void **ret, size_t alignment, size_t size)
{
    const int error = SPY__HEAP_NEXT(posix_memalign)(ret, alignment, size);
    if (error == 0 && counts(size)) {
        (void)look_at(*ret, size, CALLER);
    }
    return error;
}

SPY_API void *aligned_alloc(size_t alignment, size_t size)
{
    void *block = SPY__HEAP_NEXT(aligned_alloc)(alignment, size);
    return counts(size) ? look_at(block, size, CALLER) : block;
}

SPY_API void *memalign(size_t alignment, size_t size)
{
    void *block = SPY__HEAP_NEXT(memalign)(alignment, size);
    return counts(size) ? look_at(block, size, CALLER) : block;
}

SPY_API void *valloc(size_t size)
{
    void *block = SPY__HEAP_NEXT(valloc)(size);
    return counts(size) ? look_at(block, size, CALLER) : block;
}

SPY_API void *pvalloc(size_t size)
{
    void *block = SPY__HEAP_NEXT(pvalloc)(size);
    return counts(size) ? look_at(block, size, CALLER) : block;
}

// ---- what libspyglass reads

static uint64_t source_mean_bytes(void)
{
    return __atomic_load_n(&mean_bytes, __ATOMIC_ACQUIRE);
}

static uint32_t source_count(void)
{
    return spy__heap_count(&heap);
}

static void source_read(struct spy__heap_sum *ret, uint32_t i)
{
    spy__heap_read(&heap, ret, i);
}

static void source_losses(struct spy__heap_losses *ret)
{
    spy__heap_losses(&heap, ret);
}

extern const struct spy__heap_source SPY__HEAP_SOURCE;
SPY_API const struct spy__heap_source SPY__HEAP_SOURCE = { .mean_bytes = source_mean_bytes,
                                                           .count = source_count,
                                                           .read = source_read,
                                                           .losses = source_losses };

// ---- start

static void hold(void)
{
    spy__heap_hold(&heap);
}

static void release(void)
{
    spy__heap_release(&heap);
}

// What is no number from 0 to the maximum is the default: there is nobody to tell, but that the
// profile says what it is.
static uint64_t mean_of(const char *value)
{
    char *end;
    if (!value || value[0] < '0' || value[0] > '9') {
        return SPY__HEAP_MEAN_BYTES;
    }
    const unsigned long long mean = strtoull(value, &end, 10);
    return *end == '\0' && mean <= SPY__HEAP_MEAN_BYTES_MAX ? mean : SPY__HEAP_MEAN_BYTES;
}

__attribute__((constructor)) static void start(void)
{
    const uint64_t mean = mean_of(getenv("SPY_HEAP_SAMPLE_BYTES"));
    const struct spy__heap_options options = { .mean_bytes = mean,
                                               .stacks_max = SPY__HEAP_STACKS_MAX,
                                               .frames_max = SPY__HEAP_FRAMES_MAX,
                                               .slots = SPY__HEAP_SLOTS };
    if (mean == 0 || pthread_atfork(hold, release, release) != 0 ||
        spy__heap_open(&heap, &options) != 0) {
        __atomic_store_n(&off, true, __ATOMIC_RELAXED);
        return;
    }
    // What registers for forks, or allocates, when it is called first.
    (void)spy__random_u64();
    spy__stack_warm_up();
    __atomic_store_n(&mean_bytes, mean, __ATOMIC_RELEASE);
}
