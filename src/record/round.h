// Inside the pump: its rounds, apart from its thread.
//
// All of it is called and returns with the pump's lock held, and lets go of it while it writes.
// What returns bool says false when the run was abandoned meanwhile: then the lock alone is still
// its own.
#ifndef RECORD_ROUND_H
#define RECORD_ROUND_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "record/drain.h"
#include "record/mask/mask.h"
#include "record/pump.h"
#include "record/mask/repeats.h"
#include "record/output/writer.h"

// One start of the pump: what its thread alone needs. The thread frees it.
struct spy__run {
    unsigned number;
    pthread_mutex_t *mu;                     // the pump's
    const struct spy__pump_options *options; // the pump's
    bool (*abandoned)(void *run);            // atomic
    bool moved;                              // something was written since this was last cleared
    struct spy__masker *masker;
    struct spy__repeats *repeats;
    struct spy__drain drain; // of the open rings
    struct spy__writer writer;
};

// Makes the masker and the limiter of repeats by the options. Returns 0 or -ENOMEM.
int spy__round_init(struct spy__run *run);
void spy__round_done(struct spy__run *run);

// Sees all rings once, and writes what they hold. *ret_most is what the fullest had.
bool spy__round(struct spy__run *run, size_t *ret_most);

// Writes the lines that tell of repeats, whether or not their second is over.
bool spy__round_last(struct spy__run *run);

// Writes all that the state directory has of dead processes, oldest first.
bool spy__round_replay(struct spy__run *run, const char *state_dir);

// Counts what is still in the rings, by kind; returns the sum. For when the run is over.
uint64_t spy__round_count_left(uint64_t left[SPY__KINDS]);

#endif
