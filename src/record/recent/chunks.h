// What a trace's spans lie in: chunks, each twice as long as the one before, so that a trace that ends
// early takes little and one of some thirty spans three of them.
//
// Most traces are dropped as soon as they have ended, and an allocation of that size is not a cheap
// one: a few chunks of each size are kept for the next trace.
//
// Not for use by two threads at a time.
#ifndef RECORD_RECENT_CHUNKS_H
#define RECORD_RECENT_CHUNKS_H

#include <stddef.h>

#define SPY__CHUNK_BYTES_MIN 2048u
#define SPY__CHUNK_BYTES_MAX (32u << 10)
#define SPY__CHUNK_SIZES 5u  // 2, 4, 8, 16 and 32 KiB
#define SPY__CHUNKS_SPARE 4u // of each size: 248 KiB in all

struct spy__trace_chunk {
    struct spy__trace_chunk *older;
    size_t used, bytes;
    _Alignas(8) unsigned char spans[]; // struct spy__trace_span, one behind the other
};

// Zeroed, it has none.
struct spy__chunks {
    struct spy__trace_chunk *spare[SPY__CHUNK_SIZES];
    unsigned count[SPY__CHUNK_SIZES];
};

// A chunk with room for that many bytes, any number of them, and nothing in it. NULL without memory.
struct spy__trace_chunk *spy__chunk_take(struct spy__chunks *chunks, size_t bytes);
void spy__chunk_give(struct spy__chunks *chunks, struct spy__trace_chunk *chunk);
// Frees all that are kept.
void spy__chunks_done(struct spy__chunks *chunks);

#endif
