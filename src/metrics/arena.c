// Chunks, filled one after the other.
#include "metrics/arena.h"

#include <stdlib.h>

#define CHUNK_UNITS (1u << SPY__ARENA_CHUNK_UNITS_LOG2)

char *spy__arena_chunks[SPY__ARENA_CHUNKS_MAX];

static uint32_t next_unit =
    CHUNK_UNITS;        // guarded by the registry's lock; CHUNK_UNITS: the chunk is full
static uint32_t chunks; // guarded by the registry's lock

uint32_t spy__arena_new(size_t bytes)
{
    uint32_t units = (uint32_t)((bytes + SPY__ARENA_UNIT - 1) / SPY__ARENA_UNIT);
    if (units > CHUNK_UNITS - next_unit) {
        char *chunk = chunks < SPY__ARENA_CHUNKS_MAX ? calloc(CHUNK_UNITS, SPY__ARENA_UNIT) : NULL;
        if (!chunk) {
            return 0;
        }
        spy__arena_chunks[chunks++] = chunk;
        next_unit = 1; // the first unit is nobody's, so that no reference is 0
    }
    uint32_t ref = (chunks - 1) * CHUNK_UNITS + next_unit;
    next_unit += units;
    return ref;
}
