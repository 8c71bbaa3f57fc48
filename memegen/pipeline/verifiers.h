// A few threads that run the verifiers side by side.
//
// Help first: whoever asks runs what no thread has taken yet itself, so that it never waits for a
// free thread, and no number of callers can lock each other out. With no threads at all it still
// works.
#ifndef MEMEGEN_PIPELINE_VERIFIERS_H
#define MEMEGEN_PIPELINE_VERIFIERS_H

#include <stddef.h>

struct verifiers;

struct verifiers_task {
    void (*run)(void *arg);
    void *arg;
    struct verifiers_task *next; // private, as is all below
    size_t *left;
    int taken;
};

// As many threads as can be had, up to `threads`; each blocks all signals. NULL without memory.
struct verifiers *verifiers_new(size_t threads);
// No verifiers_run() may be under way. NULL is a no-op.
void verifiers_free(struct verifiers *verifiers);

// Runs all n > 0 tasks, the last one in this thread, and returns when they are done. The tasks must
// not call it themselves. Threads: any.
void verifiers_run(struct verifiers *verifiers, struct verifiers_task tasks[], size_t n);

#endif
