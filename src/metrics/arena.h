// Memory for series: chunks of 64 KiB, never freed, addressed by 32-bit references.
//
// A reference costs half of a pointer, and leaves five bits free for a tag (metrics/child.c).
// Reference 0 is none. Allocation is guarded by the registry's lock. Reading a reference needs no
// lock: who publishes it (with a release) wrote its chunk's address before.
#ifndef METRICS_ARENA_H
#define METRICS_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define SPY__ARENA_UNIT 8u             // bytes
#define SPY__ARENA_CHUNK_UNITS_LOG2 13 // 64 KiB
#define SPY__ARENA_CHUNKS_MAX 16384u   // 1 GiB
#define SPY__ARENA_REF_BITS 27

extern char *spy__arena_chunks[SPY__ARENA_CHUNKS_MAX];

// Zeroed, aligned to 8, bytes <= 64 KiB - 8. Returns its reference, 0 when there is no memory.
uint32_t spy__arena_new(size_t bytes);

static inline void *spy__arena_at(uint32_t ref)
{
    return spy__arena_chunks[ref >> SPY__ARENA_CHUNK_UNITS_LOG2] +
           (size_t)(ref & ((1u << SPY__ARENA_CHUNK_UNITS_LOG2) - 1)) * SPY__ARENA_UNIT;
}

#endif
