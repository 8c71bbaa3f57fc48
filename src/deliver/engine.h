// The delivery engine: one thread that brings the journal's records to all backends.
//
// Each backend has a lane (deliver/lane.h); the thread waits for the network, for news of the
// journal, and for the earliest moment that a lane has named, and lets the lanes act. It blocks all
// signals. Its memory does not depend on what waits: a batch, a body, and the body compressed, for
// each lane (SPY__PARCEL_…, SPY__LANE_BODY_MAX).
//
// Threads: open, start and stop one at a time; wake any. In a forked child there is no thread,
// and stop does nothing: the copy is left, whatever the thread was at.
#ifndef DELIVER_ENGINE_H
#define DELIVER_ENGINE_H

#include "deliver/backend.h"
#include "deliver/lane.h"
#include "deliver/transport.h"
#include "record/journal/journal.h"

#define SPY__ENGINE_LANES_MAX 8u
// How often what waits is looked at while anything does.
#define SPY__ENGINE_LOOK_MS 1000u

struct spy__engine;

struct spy__engine_options {
    struct spy__journal *journal;
    const char *state_dir; // for what is to be known after a crash, and dead letters; NULL for none
    const struct spy__backend *const *backends; // they and what they point to: until stop
    size_t count;                               // at most SPY__ENGINE_LANES_MAX
    struct spy__transport transport; // with a slot for each backend; it is not freed here
    struct spy__lane_hooks hooks;
    // What waits in the journal for a backend; told about once a second while that changes.
    // `queued`: how many records are new since it was told last. All that ever were have been sent,
    // or dropped, or wait.
    void (*waits)(void *arg, const char *backend, uint64_t queued, uint64_t records, uint64_t bytes,
                  bool failing);
    // Called by the thread between two waits: whatever was told by spy__engine_wake() is done here.
    void (*woken)(void *arg);
};

// Opens the journal's readers, so that it keeps records for them. Returns 0, -ENOMEM, or what
// spy__journal_reader_open() says.
int spy__engine_open(struct spy__engine **ret, const struct spy__engine_options *options);
// Starts the thread. Returns 0 or -EAGAIN.
int spy__engine_start(struct spy__engine *engine);
// Sends what it can within timeout_ms, and frees it. Where the journal is on a disk what has failed
// is not tried again: the next start does. Where it is in memory what is left is lost, and counted.
// Returns how many records that were. NULL is fine.
uint64_t spy__engine_stop(struct spy__engine *engine, unsigned timeout_ms);
// Lets the thread look around now. Never waits. Threads: any.
void spy__engine_wake(struct spy__engine *engine);

#endif
