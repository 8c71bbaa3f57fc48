#include "heap/next.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static __thread bool finding;

// dlsym() gives an object's address; POSIX has it read as a function's.
#define FIND(name)                                                                                 \
    do {                                                                                           \
        void *address = dlsym(RTLD_NEXT, #name);                                                   \
        __typeof__(spy__heap_next.name) function;                                                  \
        memcpy(&function, &address, sizeof(function));                                             \
        if (function) {                                                                            \
            __atomic_store_n(&spy__heap_next.name, function, __ATOMIC_RELAXED);                    \
        }                                                                                          \
    } while (0)

// False within itself.
static bool find_all(void)
{
    if (finding) {
        errno = ENOMEM;
        return false;
    }
    finding = true;
    FIND(malloc);
    FIND(calloc);
    FIND(realloc);
    FIND(free);
    FIND(posix_memalign);
    FIND(aligned_alloc);
    FIND(memalign);
    FIND(valloc);
    FIND(pvalloc);
    finding = false;
    return true;
}

// A C library may be without one: then it has no memory to give.
#define FIRST(name, none, ...)                                                                     \
    if (find_all() && SPY__HEAP_NEXT(name) != first_##name) {                                      \
        return SPY__HEAP_NEXT(name)(__VA_ARGS__);                                                  \
    }                                                                                              \
    errno = ENOMEM;                                                                                \
    return none

static void *first_malloc(size_t size)
{
    FIRST(malloc, NULL, size);
}

static void *first_calloc(size_t n, size_t size)
{
    FIRST(calloc, NULL, n, size);
}

static void *first_realloc(void *block, size_t size)
{
    FIRST(realloc, NULL, block, size);
}

static void first_free(void *block)
{
    // Within find_all(): there is nothing of ours to free.
    if (find_all() && SPY__HEAP_NEXT(free) != first_free) {
        SPY__HEAP_NEXT(free)(block);
    }
}

static int first_posix_memalign(void **ret, size_t alignment, size_t size)
{
    FIRST(posix_memalign, ENOMEM, ret, alignment, size);
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
    FIRST(aligned_alloc, NULL, alignment, size);
}

static void *first_memalign(size_t alignment, size_t size)
{
    FIRST(memalign, NULL, alignment, size);
}

static void *first_valloc(size_t size)
{
    FIRST(valloc, NULL, size);
}

static void *first_pvalloc(size_t size)
{
    FIRST(pvalloc, NULL, size);
}

struct spy__heap_next spy__heap_next = {
    .malloc = first_malloc,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .free = first_free,
    .posix_memalign = first_posix_memalign,
    .aligned_alloc = first_aligned_alloc,
    .memalign = first_memalign,
    .valloc = first_valloc,
    .pvalloc = first_pvalloc,
};
