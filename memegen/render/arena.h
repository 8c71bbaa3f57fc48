// Memory that is given back all at once: what a template file becomes lives and dies together.
//
// Not for use by two threads at a time; what was allocated may be read by any number of them.
#ifndef MEMEGEN_RENDER_ARENA_H
#define MEMEGEN_RENDER_ARENA_H

#include <stddef.h>

struct arena {
    struct arena_chunk *chunks; // the newest first
};

// size zeroed bytes, aligned for any type, or NULL without memory. Lives until arena_done().
void *arena_alloc(struct arena *arena, size_t size);
// Room for count elements of size bytes each, or NULL.
void *arena_array(struct arena *arena, size_t count, size_t size);
// A copy of len bytes and a NUL, or NULL.
char *arena_copy(struct arena *arena, const char *bytes, size_t len);
void arena_done(struct arena *arena);

#endif
