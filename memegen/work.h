// The workers: threads that take accepted requests from the queue, make their memes and commit
// them.
//
// A job goes through: reserved (work_reserve) → stored as pending and queued (work_submit) → made →
// committed → published → counted → handed to `ended`, under the context of the request that asked for it.
// Every job that was submitted ends.
//
// Its timeline is gathered from work_submit() on. What there is of it is committed with the meme, so
// that a meme never lacks one, and the whole of it after `ended`, when the request has its end too;
// until then work_timeline() has it.
#ifndef MEMEGEN_WORK_H
#define MEMEGEN_WORK_H

#include <jansson.h>
#include <stddef.h>

#include "memegen/events.h"
#include "memegen/meme.h"
#include "memegen/pipeline/pipeline.h"
#include "memegen/store/store.h"

struct work;

// A job's meme is whole and stored; where it could not be stored its status is MEME_ERROR. Borrows
// meme. job_arg is what work_submit() was given. Runs in the worker's thread, under the job's
// context.
typedef void work_ended(void *arg, const struct meme *meme, void *job_arg);

struct work_options {
    size_t queue;              // jobs that may wait
    size_t workers;            // threads, 1 to 64
    struct pipeline *pipeline; // borrowed, as all below
    struct store *store;
    struct events *events; // may be NULL: none are published
    work_ended *ended;
    void *arg;
};

// Starts the workers, with all signals blocked. Returns 0 or a negative errno. Free with
// work_free().
int work_start(struct work **ret, const struct work_options *options);
// Only after work_wait() returned 0. NULL is a no-op.
void work_free(struct work *work);

// Takes a place for one job, to be filled or given back. Returns 0, -EAGAIN (the queue is full) or
// -ESHUTDOWN. Threads: any.
int work_reserve(struct work *work);
void work_cancel(struct work *work);

// Stores the meme as pending and queues it under this thread's context, inside of the request's span;
// uses up the reserved place, whatever happens. meme has its id, created_us and request; its other
// fields are filled here. Copies meme. Returns 0, -ENOMEM or what the store says; then `ended` is
// never called. Just before the job can be seen by a worker `before(before_arg)` is called, where it
// is not NULL. job_arg NULL: nobody waits for the job, whose spans are then a task of their own
// (spyglass/context.h). Threads: any.
int work_submit(struct work *work, const struct meme *meme, void (*before)(void *before_arg),
                void *before_arg, void *job_arg);

// The timeline so far of a job that was submitted and has not been let go; a new reference, NULL
// where there is no such job. Threads: any.
json_t *work_timeline(struct work *work, const char *id);

// The end: no more reservations; what is queued is still made.
void work_close(struct work *work);
// After work_close(): waits until every job has ended and the workers with them. Returns 0 or
// -ETIMEDOUT.
int work_wait(struct work *work, unsigned timeout_ms);
// Jobs that no worker has begun end as errors instead of being made.
void work_abandon(struct work *work);

#endif
