#include "encode/intern.h"

#include <stdlib.h>

#include "base/hash.h"

#define FIRST_CAP 64u
#define CAP_MAX (1u << 28)

void spy__intern_init(struct spy__intern *intern, size_t max)
{
    *intern = (struct spy__intern){ .ends = NULL };
    spy__buf_init(&intern->bytes, max);
}

void spy__intern_done(struct spy__intern *intern)
{
    spy__buf_done(&intern->bytes);
    free(intern->ends);
    free(intern->slots);
    *intern = (struct spy__intern){ .ends = NULL };
}

const char *spy__intern_at(const struct spy__intern *intern, uint32_t index, size_t *ret_n)
{
    size_t start = index == 0 ? 0 : intern->ends[index - 1] + 1;
    if (ret_n) {
        *ret_n = intern->ends[index] - start;
    }
    return intern->bytes.bytes + start;
}

// The slot of these bytes, or the free one where they go.
static uint32_t *find(const struct spy__intern *intern, const void *bytes, size_t n)
{
    const uint32_t mask = intern->cap * 2 - 1;
    for (uint32_t at = (uint32_t)spy__hash(bytes, n, 0) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &intern->slots[at];
        size_t other_n = 0;
        if (*slot == 0) {
            return slot;
        }
        const char *other = spy__intern_at(intern, *slot - 1, &other_n);
        if (other_n == n && memcmp(other, bytes, n) == 0) {
            return slot;
        }
    }
}

static bool grow(struct spy__intern *intern)
{
    uint32_t cap = intern->cap ? intern->cap * 2 : FIRST_CAP;
    uint32_t *slots = cap <= CAP_MAX ? calloc((size_t)cap * 2, sizeof(*slots)) : NULL;
    size_t *ends = slots ? realloc(intern->ends, cap * sizeof(*ends)) : NULL;
    if (!ends) {
        free(slots);
        return false;
    }
    free(intern->slots);
    intern->ends = ends;
    intern->slots = slots;
    intern->cap = cap;
    for (uint32_t i = 0; i < intern->count; i++) {
        size_t n = 0;
        const char *bytes = spy__intern_at(intern, i, &n);
        *find(intern, bytes, n) = i + 1;
    }
    return true;
}

uint32_t spy__intern(struct spy__intern *intern, const void *bytes, size_t n)
{
    if (intern->count == intern->cap && !grow(intern)) {
        return SPY__INTERN_NONE;
    }
    uint32_t *slot = find(intern, bytes, n);
    if (*slot == 0) {
        if (!spy__buf_reserve(&intern->bytes, n + 1)) {
            return SPY__INTERN_NONE;
        }
        spy__buf_put(&intern->bytes, bytes, n);
        spy__buf_putc(&intern->bytes, '\0');
        intern->ends[intern->count++] = intern->bytes.len - 1;
        *slot = intern->count;
    }
    return *slot - 1;
}
