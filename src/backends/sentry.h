// Errors, transactions and all else that is bound for Sentry, over its envelope endpoint
// (https://develop.sentry.dev/sdk/foundations/transport/).
//
// A record of this backend is a document (record/document.h), which becomes an envelope of its own,
// gzipped: the engine gives one at a time. The same document gives the same envelope but for its time
// of sending. What is of a category that the server does not want now is left out; where nothing is
// left, nothing is sent. What was dropped goes into reports, which are envelopes of their own.
//
// Threads: one at a time.
#ifndef BACKENDS_SENTRY_H
#define BACKENDS_SENTRY_H

#include "backends/sentry_dsn.h"
#include "backends/sentry_limits.h"
#include "backends/sentry_report.h"
#include "deliver/backend.h"

// A document that the server answers with errors of its own for so long is not taken by it: those
// behind it have waited long enough.
#define SPY__SENTRY_TROUBLE_S 3600u

struct spy__sentry;

struct spy__sentry_options {
    const char *dsn;                   // borrowed for the call
    struct spy__sentry_limits *limits; // borrowed until free, as all below
    struct spy__sentry_report *report;
    // Why documents are missing where they are; but for those that came while the server gave no
    // answer: the network is why.
    enum spy__sentry_reason overflow;
    // The report has changed: the moment to write down what is to be kept. May be NULL.
    void (*changed)(void);
};

// Returns 0 with *ret (free with spy__sentry_free()), -EINVAL with the end of an English sentence in
// *ret_why (it never quotes the DSN), or -ENOMEM.
int spy__sentry_new(struct spy__sentry **ret, const struct spy__sentry_options *options,
                    const char **ret_why);
void spy__sentry_free(struct spy__sentry *sentry);

// Where its requests go: "http[s]://HOST:PORT".
const char *spy__sentry_base(const struct spy__sentry *sentry);

// The functions of a backend (deliver/backend.h); self is the struct spy__sentry. What is prepared is
// a report.
int spy__sentry_prepare(void *self, struct spy__request *ret, struct spy__buf *body);
struct spy__verdict spy__sentry_prepared(void *self, const struct spy__answer *answer);
uint64_t spy__sentry_due_ns(void *self, bool ending);
bool spy__sentry_pass_over(void *self, const struct spy__delivery *delivery,
                           struct spy__verdict *ret);
int spy__sentry_encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                       struct spy__request *ret);
struct spy__verdict spy__sentry_judge(void *self, const struct spy__answer *answer);

#endif
