#include "alloc_fail.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_long left = LONG_MAX;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *text);

void alloc_fail_after(long n)
{
    atomic_store(&left, n);
}

void alloc_fail_never(void)
{
    atomic_store(&left, LONG_MAX);
}

static bool may_succeed(void)
{
    return atomic_load(&left) == LONG_MAX || atomic_fetch_sub(&left, 1) > 0;
}

void *__wrap_malloc(size_t n)
{
    return may_succeed() ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t count, size_t n)
{
    return may_succeed() ? __real_calloc(count, n) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
    return may_succeed() ? __real_realloc(p, n) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return may_succeed() ? __real_aligned_alloc(alignment, n) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return may_succeed() ? __real_strdup(text) : NULL;
}
