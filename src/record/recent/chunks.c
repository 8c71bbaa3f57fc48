#include "record/recent/chunks.h"

#include <stdlib.h>

// SPY__CHUNK_SIZES for one of another size: a span was too long for those.
static unsigned size_of(size_t bytes)
{
    unsigned size = 0;
    while (size < SPY__CHUNK_SIZES && bytes != (size_t)SPY__CHUNK_BYTES_MIN << size) {
        size++;
    }
    return size;
}

struct spy__trace_chunk *spy__chunk_take(struct spy__chunks *chunks, size_t bytes)
{
    const unsigned size = size_of(bytes);
    struct spy__trace_chunk *chunk = size < SPY__CHUNK_SIZES ? chunks->spare[size] : NULL;
    if (chunk) {
        chunks->spare[size] = chunk->older;
        chunks->count[size]--;
    } else {
        chunk = malloc(sizeof(*chunk) + bytes);
    }
    if (chunk) {
        chunk->older = NULL;
        chunk->used = 0;
        chunk->bytes = bytes;
    }
    return chunk;
}

void spy__chunk_give(struct spy__chunks *chunks, struct spy__trace_chunk *chunk)
{
    const unsigned size = size_of(chunk->bytes);
    if (size == SPY__CHUNK_SIZES || chunks->count[size] == SPY__CHUNKS_SPARE) {
        free(chunk);
        return;
    }
    chunk->older = chunks->spare[size];
    chunks->spare[size] = chunk;
    chunks->count[size]++;
}

void spy__chunks_done(struct spy__chunks *chunks)
{
    for (unsigned size = 0; size < SPY__CHUNK_SIZES; size++) {
        while (chunks->spare[size]) {
            struct spy__trace_chunk *chunk = chunks->spare[size];
            chunks->spare[size] = chunk->older;
            free(chunk);
        }
        chunks->count[size] = 0;
    }
}
