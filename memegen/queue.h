// Bounded queue between the threads that accept requests and the workers that make memes.
//
// A place is reserved before anything is promised to a caller, so that a push never fails: what was
// accepted is queued.
//
// Invariant: queued + reserved <= capacity.
// Threads: any, for every call but new and free. One mutex guards it all; no call but queue_pop()
// waits.
#ifndef MEMEGEN_QUEUE_H
#define MEMEGEN_QUEUE_H

#include <stddef.h>

#define QUEUE_CAPACITY_MAX 65536 // places are made at once: half a megabyte

struct queue;

// Returns 0, -EINVAL (capacity is not 1 to QUEUE_CAPACITY_MAX) or -ENOMEM. Free with queue_free().
int queue_new(struct queue **ret, size_t capacity);
// Nobody may be waiting in it any more; what is still queued is its owner's to free. NULL is a
// no-op.
void queue_free(struct queue *queue);

// Takes a place for one job: give it back with queue_cancel() or fill it with queue_push().
// Returns 0, -EAGAIN (full) or -ESHUTDOWN (closed).
int queue_reserve(struct queue *queue);
void queue_cancel(struct queue *queue);
// Fills a reserved place, even after queue_close().
void queue_push(struct queue *queue, void *job);

// Waits for a job and returns it: first in, first out. NULL once the queue is closed and nothing is
// queued or reserved.
void *queue_pop(struct queue *queue);

// From now on nothing can be reserved; those that wait in queue_pop() take what is left, then get
// NULL.
void queue_close(struct queue *queue);

// Jobs that wait now.
size_t queue_depth(struct queue *queue);

#endif
