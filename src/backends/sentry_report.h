// What was bound for Sentry and never came there, by reason and category: told to it in client reports
// (https://develop.sentry.dev/sdk/telemetry/client-reports/).
//
// A count is taken back only when the server has taken the report that told it, so that what fails
// to be told is told later.
//
// How documents that the journal lost are known: each says how much was given before it, by category
// (`totals`). Those that are done with are `settled`; what lies between that and the next document
// was lost, whatever took it. So a document that a process had settled when it died, and finds again,
// is known too.
//
// Both are kept over a restart, as bytes that the owner writes to a file where there is one.
//
// Threads: lost and given any; the rest is the delivery thread's, and the start's before it runs.
#ifndef BACKENDS_SENTRY_REPORT_H
#define BACKENDS_SENTRY_REPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/sentry_category.h"
#include "base/buf.h"

enum spy__sentry_reason {
    SPY__SENTRY_QUEUE_OVERFLOW, // a ring, or a journal in memory, was full
    SPY__SENTRY_CACHE_OVERFLOW, // a journal on a disk was
    SPY__SENTRY_RATELIMIT_BACKOFF,
    SPY__SENTRY_NETWORK_ERROR, // either of these, while the server could not be reached
    SPY__SENTRY_SAMPLE_RATE,
    SPY__SENTRY_BEFORE_SEND,
    SPY__SENTRY_EVENT_PROCESSOR,
    SPY__SENTRY_SEND_ERROR, // the server refused it
    SPY__SENTRY_INTERNAL_ERROR,
    SPY__SENTRY_INSUFFICIENT_DATA,
    SPY__SENTRY_REASONS,
};

// So long after the first loss a report goes out, where none has before.
#define SPY__SENTRY_REPORT_MS 30000u
// Rows of one report: Sentry takes 4 KiB.
#define SPY__SENTRY_REPORT_ROWS_MAX 40u

struct spy__sentry_counts {
    uint64_t of[SPY__SENTRY_REASONS][SPY__SENTRY_CATEGORIES];
};

struct spy__sentry_report {
    pthread_mutex_t mu; // PTHREAD_MUTEX_INITIALIZER; all else zero
    // Guarded by mu.
    struct spy__sentry_counts lost, sent; // `sent`: of that, what the report on its way tells
    uint64_t due_ns;                      // on the monotonic clock; 0: there is nothing to tell
    uint64_t not_before_ns;               // likewise, whatever ends
    uint64_t settled[SPY__SENTRY_CATEGORIES];
    bool settled_known;
    bool changed; // since it was packed last
    // Told when there is something to tell that was not before; with mu held. May be NULL.
    void (*wake)(void *arg);
    void *arg;
};

// Forgets all; who is woken stays.
void spy__sentry_report_reset(struct spy__sentry_report *report);

// Counts what was dropped.
void spy__sentry_report_lost(struct spy__sentry_report *report, enum spy__sentry_reason reason,
                             enum spy__sentry_category category, uint64_t n);
// The same for all that counts[] says.
void spy__sentry_report_lost_all(struct spy__sentry_report *report, enum spy__sentry_reason reason,
                                 const uint64_t counts[SPY__SENTRY_CATEGORIES]);

// ---- documents, in the journal's order

// One comes; what is missing before it was lost, for this reason. False: it was settled before.
bool spy__sentry_report_comes(struct spy__sentry_report *report,
                              const struct spy__document *document, enum spy__sentry_reason reason);
// It is done with.
void spy__sentry_report_settle(struct spy__sentry_report *report,
                               const struct spy__document *document);

// ---- reports

// When a report is to go out; UINT64_MAX for never. `ending`: as soon as one may.
uint64_t spy__sentry_report_due_ns(struct spy__sentry_report *report, bool ending);
// Appends a report's payload; false where there is nothing to tell.
bool spy__sentry_report_write(struct spy__sentry_report *report, struct spy__buf *out,
                              uint64_t time_ns);
// What became of it: the server took it, or it is to be told again, not before so long.
void spy__sentry_report_told(struct spy__sentry_report *report);
void spy__sentry_report_failed(struct spy__sentry_report *report, uint64_t not_before_ns);

// ---- over a restart

#define SPY__SENTRY_REPORT_BYTES                                                                   \
    (8u * (3u + SPY__SENTRY_CATEGORIES * (1u + (unsigned)SPY__SENTRY_REASONS)))

// Packs what is to be kept. False, with nothing written, where it has not changed.
bool spy__sentry_report_pack(struct spy__sentry_report *report,
                             unsigned char ret[SPY__SENTRY_REPORT_BYTES]);
// Takes up what another process packed; anything else is left alone.
void spy__sentry_report_unpack(struct spy__sentry_report *report, const unsigned char *bytes,
                               size_t n);

#endif
