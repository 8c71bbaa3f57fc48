// A profile of the heap, from the samples of libspyglass-malloc where the program runs with it
// (heap/source.h).
#ifndef PROFILE_HEAP_H
#define PROFILE_HEAP_H

#include <stdbool.h>

#include "heap/source.h"
#include "profile/profile.h"

// What is loaded in this process; NULL for nothing. Threads: any.
const struct spy__heap_source *spy__heap_source(void);

// Whether it takes samples; false for NULL. Threads: any.
bool spy__heap_is_sampled(const struct spy__heap_source *source);

// Makes one with names; free it with spy__profile_free(). Returns 0, -ENOSYS where source is NULL or
// samples nothing, or -ENOMEM. Threads: any.
int spy__profile_heap(struct spy__profile **ret, const struct spy__heap_source *source);

#endif
