// What the threads of a dead process were at, as its crash file says: parts of spy__crash_parse().
#ifndef CRASH_SCENE_H
#define CRASH_SCENE_H

#include "crash/read.h"

// Reads what thread i was at, out of the n bytes of a file. Returns 0 or -ENOMEM.
int spy__crash_read_scene(struct spy__crash_stack *to, const unsigned char *bytes, size_t n,
                          size_t i);

// Reads the bound fields; returns how many. They point into the bytes.
size_t spy__crash_read_bound(struct spy_field out[SPY_BOUND_MAX], const unsigned char *bytes,
                             size_t n, size_t bound_bytes);

// A thread that goes on with another's work knows but the id and the name of what that one is in: the
// rest of its chain is that of the other.
void spy__crash_join(struct spy__crash *crash);

#endif
