// Errors, transactions and all else that is bound for Sentry, over its envelope endpoint
// (https://develop.sentry.dev/sdk/foundations/transport/).
//
// A record of this backend is a document (record/document.h), which becomes an envelope of its own,
// gzipped. The same document gives the same envelope but for its time of sending.
//
// Threads: one at a time.
#ifndef BACKENDS_SENTRY_H
#define BACKENDS_SENTRY_H

#include "backends/sentry_dsn.h"
#include "deliver/backend.h"

struct spy__sentry;

// Returns 0 with *ret (free with spy__sentry_free()), -EINVAL with the end of an English sentence in
// *ret_why (it never quotes the DSN), or -ENOMEM.
int spy__sentry_new(struct spy__sentry **ret, const char *dsn, const char **ret_why);
void spy__sentry_free(struct spy__sentry *sentry);

// Where its requests go: "http[s]://HOST:PORT".
const char *spy__sentry_base(const struct spy__sentry *sentry);

// The functions of a backend (deliver/backend.h); self is the struct spy__sentry.
int spy__sentry_encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                       struct spy__request *ret);
struct spy__verdict spy__sentry_judge(void *self, const struct spy__answer *answer);

#endif
