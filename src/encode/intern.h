// Byte strings as small numbers: equal ones get the same index, from 0 on, in the order of their
// coming. Encoders use it wherever a format has a table of what it repeats.
//
// Not for use by two threads at a time.
#ifndef ENCODE_INTERN_H
#define ENCODE_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct spy__intern {
    struct spy__buf bytes; // all strings, each followed by a NUL
    size_t *ends;          // of each one in `bytes`, its NUL left out
    uint32_t *slots;       // index + 1 by hash, 0: free; a power of two, at most half full
    uint32_t count, cap;   // of `ends`; `slots` has twice as many
};

// No memory, or too much of it: as an index.
#define SPY__INTERN_NONE UINT32_MAX

// Holds up to max bytes.
void spy__intern_init(struct spy__intern *intern, size_t max);
void spy__intern_done(struct spy__intern *intern);
// The index of these n bytes, or SPY__INTERN_NONE.
uint32_t spy__intern(struct spy__intern *intern, const void *bytes, size_t n);
// What has this index, and its length where ret_n is not NULL. Valid until the next spy__intern().
const char *spy__intern_at(const struct spy__intern *intern, uint32_t index, size_t *ret_n);

#endif
