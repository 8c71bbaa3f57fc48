// The rings between callers and the pump: one for each thread that makes records, in memory that
// outlives the process where there is a state directory.
//
// A thread claims a ring with its first record, by one compare-and-swap, and gives it back when it
// ends; the next one goes on where it stopped. Where no ring is free, threads share one overflow
// ring under a lock, the last one; the pump counts its records. No caller makes a file operation.
//
// **Accepted** is a record whose push returned SPY__PUSH_OK: the kernel keeps it when the process
// dies, and the next start finds it. Every other one is told to lost() and counted in the mapping.
//
// When a ring is full: log records at debug are dropped; all else waits for the pump up to
// full_wait_ms, then is dropped, and once such a wait was in vain (nothing moved at all), nobody
// waits until something moves.
//
// A child after fork() never writes into its parent's rings: SPY__PUSH_CHILD.
//
// Threads: pushes any, not from signal handlers; open, stop and close one at a time; the rest of it
// the pump's thread alone, but spy__rings_wake().
#ifndef RECORD_RINGS_H
#define RECORD_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ticks.h"
#include "record/record.h"
#include "record/rings_file.h"

#define SPY__RING_SLOTS_DEFAULT 64u
#define SPY__RING_SLOTS_MAX 512u
#define SPY__RING_BYTES_DEFAULT (256u << 10)
#define SPY__RING_BYTES_MIN (64u << 10)
#define SPY__RING_BYTES_MAX (64u << 20)

struct spy__rings_options {
    const char *state_dir; // NULL: anonymous memory; borrowed for the call
    unsigned slots;        // 0: SPY__RING_SLOTS_DEFAULT
    size_t ring_bytes;     // a power of two; 0: SPY__RING_BYTES_DEFAULT
    unsigned full_wait_ms;
    // Called by callers of a push, so they must not wait, log or push.
    void (*lost)(enum spy__loss why, enum spy__record_kind kind, uint64_t n);
};

enum spy__push {
    SPY__PUSH_OK,
    SPY__PUSH_DROPPED, // told to lost() already
    SPY__PUSH_STOPPED, // no rings are open: told to nobody
    SPY__PUSH_CHILD,   // in a forked child: told to nobody
};

// Registers what the rings need at a fork, once. A fork takes the locks of the last one registered
// first: whoever holds a lock of its own while it calls the rings registers after this.
void spy__rings_hold_over_fork(void);

// Makes the rings. A file that a dead process left is used up: read it before. Returns 0, or
// -EALREADY, -EINVAL, -ENOMEM. Where there is no file to be had (a full disk, a read-only
// directory), the rings are in anonymous memory: *ret_why is the negative errno of what failed,
// else 0.
int spy__rings_open(const struct spy__rings_options *options, int *ret_why);

// Lets no further record in: returns when whoever was writing one has done so, or after a second.
// What is there can still be read.
void spy__rings_stop(void);

// Gives up the memory; stops first. `told`: everything was read, and the drops have been reported,
// so that the next start need not look at the file.
void spy__rings_close(bool told);

// Whether the rings are in a file; and the start that they belong to.
bool spy__rings_recoverable(void);
uint64_t spy__rings_run(void);

// Publishes one record; its time is now where time_ns is zero.
enum spy__push spy__rings_push(const struct spy__record *record);

// ---- the pump's side

// Rings, the overflow ring included: 0 to count - 1. The number is the `slot` of a record's id.
size_t spy__rings_count(void);

// Notes how far each ring has been written, and reads the clocks. What a thread published before
// anything that this sees, this sees too. Returns the bytes that wait.
size_t spy__rings_snapshot(void);

// The records of a ring that were there at the last snapshot: from the oldest not yet released.
// False when there is none. They may be written to (a secret wiped) until they are released.
bool spy__rings_peek(size_t ring, void **ret, size_t *ret_bytes);

// Gives room back: the oldest bytes, whole records.
void spy__rings_release(size_t ring, size_t bytes);

// Nanoseconds since 1970 of a record's ticks.
uint64_t spy__rings_time_ns(uint64_t ticks);

// Waits until a caller wakes the pump (a ring past half full, an error, a publish, room needed), or
// so many milliseconds; UINT_MAX: until there is a record at all.
void spy__rings_wait(unsigned timeout_ms);

// Makes the present spy__rings_wait() return, or the next one. Threads: any.
void spy__rings_wake(void);

#endif
