// An error as the JSON of a Sentry event
// (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/).
//
// A pure function of its arguments: the same error gives the same bytes.
#ifndef ENCODE_SENTRY_EVENT_H
#define ENCODE_SENTRY_EVENT_H

#include "encode/sentry_host.h"
#include "encode/sentry_stack.h"
#include "record/record.h"

// Breadcrumbs of an event: Sentry's own default.
#define SPY__SENTRY_CRUMBS_MAX 100u
// Threads of a crash.
#define SPY__SENTRY_THREADS_MAX 128u

// An operation that was begun, and not ended when its process crashed. Texts: NULL or "" for none.
struct spy__sentry_open {
    uint64_t span_id, parent_id; // 0: none, or not known
    const char *operation;
    const char *op;     // as Sentry names it; default: the operation's name
    const char *detail; // the values of its labels
    bool known;         // how long it was open
    uint64_t open_ns;
};

// A thread of a process that crashed.
struct spy__sentry_thread {
    uint64_t id;
    const char *name; // NULL for none
    bool crashed;     // it got the signal
    struct spy__sentry_stack stack;
    const struct spy__sentry_open *open; // the innermost first
    size_t open_count;
};

// Borrows all it points to.
struct spy__sentry_event {
    const struct spy__sentry_host *host;
    // An error's record as signals/error.h makes it, its stack frames by now. Its fields become
    // tags where Sentry takes them as such, else extra data; user_id becomes the user.
    const struct spy__record *record;
    const char *fingerprint[2]; // what it is grouped by; NULL for the rest
    // Records of the same request before it, the oldest first; NULL ends them. May be NULL.
    const struct spy__record *(*next_crumb)(void *arg);
    void *crumb_arg;
    // Of a crash; level fatal then.
    bool fatal;
    const char *transaction;                  // what it was at; NULL: what the record says
    int signal, signal_code;                  // 0 for none
    const char *signal_name;                  // "SIGSEGV"; NULL for none
    const struct spy__sentry_thread *threads; // the record's stack is that of the crashed one
    size_t thread_count;                      // at most SPY__SENTRY_THREADS_MAX
};

// Appends the event: 1 MB at most, mostly some 10 KB.
void spy__encode_sentry_event(struct spy__buf *out, const struct spy__sentry_event *event);

#endif
