// A lane: one backend, its reader of the journal, and the one request of it that is on its way.
//
// What it does next follows from what it holds: gather records; when they are due, and not before
// the back-off lets it, send what the backend asks for first, then the batch's first range; and act
// on the verdict. SENT, and DROP, settle the range: the journal's cursor moves. RETRY leaves all as it
// is. SPLIT halves the range; a single record is dropped instead. So records go out in order, one
// request at a time, and an outage is a lane that waits.
//
// Threads: one at a time. Time is given by the caller; nothing here waits.
#ifndef DELIVER_LANE_H
#define DELIVER_LANE_H

#include "deliver/backend.h"
#include "deliver/parcel.h"
#include "deliver/compress.h"
#include "deliver/retry.h"
#include "deliver/transport.h"
#include "record/journal/journal.h"

// A body is larger than its records where text is escaped; one past this is sent in halves.
#define SPY__LANE_BODY_MAX (16u << 20)
// How often a batch that is not full yet looks for more: less often than the pump writes.
#define SPY__LANE_LOOK_MS 50u
// Longest exchange. A server that was stuck and is well again has the batch within half a minute:
// that, and the longest wait before the next try.
#define SPY__LANE_TIMEOUT_MS 20000u

enum spy__lane_count {
    SPY__LANE_SENT,    // records that were taken
    SPY__LANE_RETRIED, // records whose try failed, for each such try
    SPY__LANE_BYTES,   // of bodies that were taken, as they went over the wire
    SPY__LANE_COUNTS,
};

// Told to the host's metrics and log. All are called by the delivery thread; none may be NULL.
struct spy__lane_hooks {
    void *arg;
    void (*count)(void *arg, const char *backend, enum spy__lane_count what, uint64_t n);
    void (*dropped)(void *arg, const char *backend, const char *reason, uint64_t records);
    // A range was taken, so long after its first try.
    void (*took)(void *arg, const char *backend, uint64_t ns);
    // A try failed that was not the first in a row; told once a trouble. `verdict` says why.
    void (*fails)(void *arg, const char *backend, const struct spy__verdict *verdict);
    // What was told to fail works again, after so long.
    void (*works)(void *arg, const char *backend, uint64_t ns);
    // Records were dropped by the verdict, and kept as dead letters; or not: err is a negative
    // errno.
    void (*buried)(void *arg, const char *backend, const struct spy__verdict *verdict,
                   uint64_t records, int err);
    // The end of a batch cannot be written down: it may be sent twice over a crash. Told once.
    void (*forgets)(void *arg, const char *backend, int err);
};

struct spy__lane {
    const struct spy__backend *backend; // borrowed
    struct spy__journal_reader *reader; // borrowed
    const struct spy__transport *transport;
    const struct spy__lane_hooks *hooks;
    const char *dir; // the state directory, borrowed; NULL for none
    unsigned slot;

    struct spy__parcel parcel;
    struct spy__retry retry;
    struct spy__compress compress;
    struct spy__buf body, packed;
    struct spy__request request;
    struct spy__delivery delivery;
    int rows; // in the body

    bool sending, preparing; // what is on its way: for prepare(), or a range
    bool due;                // of what prepare() asked for last: it said so by due_ns()
    bool ending;             // no more records are waited for
    bool told;               // that it fails
    bool forgets;
    uint64_t tried_ns; // the range's first try, 0 for none yet
    uint64_t settled;  // records that were done with, ever
};

// Returns 0 or -ENOMEM.
int spy__lane_open(struct spy__lane *lane, const struct spy__backend *backend,
                   struct spy__journal_reader *reader, const struct spy__transport *transport,
                   unsigned slot, const char *dir, const struct spy__lane_hooks *hooks);
// Nothing of it must be on its way. What was not sent is the next start's.
void spy__lane_close(struct spy__lane *lane);

// Does what can be done now. Returns when it wants to be called again if nothing happens before
// that, on the monotonic clock, or UINT64_MAX.
uint64_t spy__lane_step(struct spy__lane *lane, uint64_t now_ns);
// Whether it waits for records: step() is wanted when the reader's descriptor is readable.
bool spy__lane_wants(const struct spy__lane *lane);
void spy__lane_answered(struct spy__lane *lane, const struct spy__answer *answer, uint64_t now_ns);

// From now on a batch is sent as it is.
void spy__lane_end(struct spy__lane *lane);
// Everything was sent; or, `in_vain`, it would take another try of what has failed.
bool spy__lane_is_done(const struct spy__lane *lane, bool in_vain);

#endif
