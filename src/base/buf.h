// Growing byte buffer with a maximum from its making.
//
// Invariants: len <= cap <= max; `bytes` is NULL exactly while cap is 0. A buffer that could not
// grow is `failed`: every later append is a no-op, so that an encoder appends without checking and
// asks once at its end. Not for use by two threads at a time.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct spy__buf {
    char *bytes;
    size_t len, cap, max;
    bool failed; // no memory, or past max
    bool fixed;  // borrowed storage: never grows
};

// An empty buffer that grows up to max bytes.
void spy__buf_init(struct spy__buf *b, size_t max);
// A buffer in borrowed storage of cap bytes.
void spy__buf_init_fixed(struct spy__buf *b, char *storage, size_t cap);
void spy__buf_done(struct spy__buf *b);
// Empties it and clears `failed`; keeps the storage.
void spy__buf_reset(struct spy__buf *b);
// Room for n more bytes: true, or sets failed and returns false.
bool spy__buf_reserve_slow(struct spy__buf *b, size_t n);

static inline bool spy__buf_reserve(struct spy__buf *b, size_t n)
{
    return (!b->failed && b->cap - b->len >= n) || spy__buf_reserve_slow(b, n);
}
static inline void spy__buf_put(struct spy__buf *b, const void *bytes, size_t n)
{
    if (n > 0 && spy__buf_reserve(b, n)) {
        memcpy(b->bytes + b->len, bytes, n);
        b->len += n;
    }
}
static inline void spy__buf_putc(struct spy__buf *b, char c)
{
    if (spy__buf_reserve(b, 1)) {
        b->bytes[b->len++] = c;
    }
}
static inline void spy__buf_puts(struct spy__buf *b, const char *s)
{
    spy__buf_put(b, s, strlen(s));
}

#endif
