// The pump: lines go from any thread into a bounded buffer, and from there to the log's descriptor
// by one thread.
//
// A caller encodes its record with no lock held, then copies the line in under a short one. The
// pump's thread swaps the buffer for an empty one and writes it out: within 10 ms, at once past
// half full, for an error, and when a caller wants to publish. It alone touches the descriptor, so
// a stuck one (a pipe that nobody reads, a stopped terminal) holds no caller for longer than
// full_wait_ms: the first to wait so long in vain marks the pump as stalled, and until it moves
// again nobody waits at all.
//
// A child after fork() has no pump thread; it writes each of its lines itself, at once, so that
// none is lost to _exit(), and waits no longer for a stuck descriptor than a caller of the parent.
// What the parent had buffered is written by the parent alone.
//
// Threads: any, but start and stop one at a time.
#ifndef RECORD_PUMP_H
#define RECORD_PUMP_H

#include <stdint.h>

#include "base/buf.h"
#include "record/record.h"

// Longest line with its newline; a record that needs more is dropped.
#define SPY__LINE_MAX (128u << 10)
// Bytes and lines that wait at most. Twice of each: one is filled while the other is written.
#define SPY__PUMP_BYTES (256u << 10)
#define SPY__PUMP_LINES 8192u

// Must stay as it is for the rest of the process: a caller that comes while the pump stops may
// still look at it.
struct spy__pump_options {
    int fd;                // borrowed; duplicated
    unsigned full_wait_ms; // how long a caller waits for room
    // Appends one line, with its newline at its end and none elsewhere. Called with no lock held.
    void (*encode)(struct spy__buf *out, const struct spy__record *record, const void *arg);
    const void *encode_arg;
    // Lines that reached the descriptor, by level; lines that did not. Called with or without the
    // pump's lock, so they must not log or wait; before spy__pump_publish() returns to whoever waits
    // for them. Lines lost + written = lines given.
    void (*written)(const uint64_t lines[SPY__LEVELS]);
    void (*lost)(enum spy__loss why, uint64_t lines);
};

// Starts the thread. Returns 0, -EALREADY, -ENOMEM, -EAGAIN (no thread to be had) or -EBADF.
int spy__pump_start(const struct spy__pump_options *options);

// Takes one record; false when no pump runs. What it could not keep was told to lost() when it
// returns.
bool spy__pump_give(const struct spy__record *record);

// Returns when all that was given before is written or lost, or after full_wait_ms.
void spy__pump_publish(void);

// Writes what is left and ends the thread, within timeout_ms. Returns 0, or -ETIMEDOUT when lines
// were left: they are told to lost(). A thread that is stuck inside write(2) is left behind, and
// ends by itself when the call returns.
int spy__pump_stop(unsigned timeout_ms);

#endif
