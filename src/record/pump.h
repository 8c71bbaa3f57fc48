// The pump: one thread that takes records out of the rings and makes of them what they are for.
//
// A round looks at all rings, merges what they hold by time, masks secrets, hands every record to
// whoever keeps some (the window, the journal), encodes log records into one large batch, writes it
// with as few calls as the destination allows, and only then gives the rings their room back: what
// the process had not written when it died is still there. Rounds follow each other within
// milliseconds under load and within 10 ms when little happens; a caller wakes the pump past half
// full and for errors. After a quarter of a second without a record there is no timer at all.
//
// What a dead process left in its rings is written first (record/recover.h), marked as recovered.
//
// A destination that refuses (a full disk, a closed pipe) costs the lines that it refused, counted;
// one line says so once it takes lines again. One that is stuck holds the pump, then the rings fill,
// then callers wait for as long as the rings let them; spy__pump_stop() returns in any case.
//
// A child after fork() has no pump; its lines are written by its callers, at once, so that none is
// lost to _exit(). What the parent had in its rings is written by the parent alone.
//
// Threads: any, but start and stop one at a time.
#ifndef RECORD_PUMP_H
#define RECORD_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "record/record.h"
#include "record/output/sink.h"

struct spy__pump_options {
    struct spy__sink_options sink; // its strings are copied
    const char *state_dir;         // borrowed for the start; NULL: none
    unsigned full_wait_ms;         // how long a caller waits for room
    unsigned slots;                // as in struct spy__rings_options
    size_t ring_bytes;
    // All below are called by the pump's thread, in a forked child by any, with the pump's lock
    // held: they must not log or wait. Any but encode, written and lost may be NULL.

    // Appends one line, with its newline at its end and none elsewhere.
    void (*encode)(struct spy__buf *out, const struct spy__record *record, const void *arg);
    const void *encode_arg;
    // Sees every record, masked, in the order in which they are written.
    void (*keep)(const struct spy__record *record);
    // What was kept must outlive the process from here on: its room in the rings is given back.
    void (*kept)(void);
    // Does what is due beside records, between rounds, and for the last time before the end. Returns
    // in how many milliseconds it wants to be called again at the latest; UINT_MAX: not before there
    // is a record.
    unsigned (*tend)(bool last);
    // Lines that reached the destination, by level; records that did not, whoever lost them: `lost`
    // is called by the callers of a push too. Lines lost + written = lines given.
    void (*written)(const uint64_t lines[SPY__LEVELS]);
    void (*lost)(enum spy__loss why, enum spy__record_kind kind, uint64_t n);
    void (*overflowed)(
        uint64_t n);              // records of threads that found no ring of their own; may be NULL
    const char *redact;           // as in struct spy_options; borrowed for the start
    unsigned repeats_max;         // lines that are the same in a second; 0: no limit
    void (*repeated)(uint64_t n); // lines that were held back for it
};

// Replays what a dead process left, and starts the thread. Waits for the replay, for as long as its
// destination moves, at most 10 s. *ret_why is the negative errno of why the rings are not in
// state_dir, 0 where they are or where there is none. Returns 0, -EALREADY, -ENOMEM, -EAGAIN (no
// thread to be had), -EINVAL, or the negative errno of a destination that cannot be opened.
int spy__pump_start(const struct spy__pump_options *options, int *ret_why);

// Writes one record of a forked child, as spy__rings_push() told. False: no pump was started.
bool spy__pump_write_direct(const struct spy__record *record);

// Returns when all that this thread published before is written or lost, or after full_wait_ms.
void spy__pump_flush(void);
// The same where the rings would not outlive the process; elsewhere what was accepted is safe.
void spy__pump_publish(void);

// Opens the log file by its name again, soon. From signal handlers too.
void spy__pump_reopen(void);

// Writes what is left and ends the thread, within timeout_ms. Returns 0, or -ETIMEDOUT when records
// were left: they stay in the state directory for the next start, or where there is none are told
// to lost(). A thread that is stuck inside write(2) is left behind, and ends by itself when the
// call returns.
int spy__pump_stop(unsigned timeout_ms);

#endif
