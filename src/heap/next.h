// The allocator behind the hooks: the next one in the order in which the loader looks symbols up, the
// C library's own or another that comes before it.
//
// Each pointer first leads to a function that finds them all, so that a hook may be called before any
// constructor has run, and finds them without a test. To find them takes dlsym(), which in C libraries
// before glibc 2.34 allocates, and goes on without where it is given nothing: so within it, this
// thread's allocations fail.
//
// Threads: any.
#ifndef HEAP_NEXT_H
#define HEAP_NEXT_H

#include <stddef.h>

struct spy__heap_next {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t n, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    int (*posix_memalign)(void **ret, size_t alignment, size_t size);
    void *(*aligned_alloc)(size_t alignment, size_t size);
    void *(*memalign)(size_t alignment, size_t size);
    void *(*valloc)(size_t size);
    void *(*pvalloc)(size_t size);
};

extern struct spy__heap_next spy__heap_next; // atomic, relaxed: all that write it write the same

// SPY__HEAP_NEXT(malloc)(size)
#define SPY__HEAP_NEXT(name) (__atomic_load_n(&spy__heap_next.name, __ATOMIC_RELAXED))

#endif
