// Growth by doubling, up to the maximum.
#include "base/buf.h"

#include <stdlib.h>

// The first allocation: most records and error bodies fit.
#define FIRST_BYTES 256

void spy__buf_init(struct spy__buf *b, size_t max)
{
    *b = (struct spy__buf){ .max = max };
}

void spy__buf_init_fixed(struct spy__buf *b, char *storage, size_t cap)
{
    *b = (struct spy__buf){ .bytes = storage, .cap = cap, .max = cap, .fixed = true };
}

void spy__buf_done(struct spy__buf *b)
{
    if (!b->fixed) {
        free(b->bytes);
    }
    *b = (struct spy__buf){ 0 };
}

void spy__buf_reset(struct spy__buf *b)
{
    b->len = 0;
    b->failed = false;
}

bool spy__buf_reserve_slow(struct spy__buf *b, size_t n)
{
    if (b->failed || b->fixed || n > b->max - b->len) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
    if (cap < FIRST_BYTES) {
        cap = FIRST_BYTES < b->max ? FIRST_BYTES : b->max;
    }
    if (cap < b->len + n) {
        cap = b->len + n;
    }
    char *bytes = realloc(b->bytes, cap);
    if (!bytes) {
        b->failed = true;
        return false;
    }
    b->bytes = bytes;
    b->cap = cap;
    return true;
}
