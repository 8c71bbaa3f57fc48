// A trace as the JSON of a Sentry transaction: its root is the transaction, the other spans are its
// spans (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/transaction/).
//
// A request is named by its route, any other root by its operation. Ops are the operations' own
// (struct spy_operation); statuses are Sentry's words for HTTP statuses and for our error types
// (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/span/#attributes).
//
// Pure functions of their arguments. The spans are written one by one, so that no more than one need
// be decoded at a time.
#ifndef ENCODE_SENTRY_TRANSACTION_H
#define ENCODE_SENTRY_TRANSACTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "encode/sentry_host.h"
#include "record/record.h"

// Field of an operation's record with its op.
#define SPY__SPAN_OP "op"

struct spy__sentry_transaction {
    const struct spy__sentry_host *host;
    const struct spy__record *root; // a span
    uint64_t event_hi, event_lo;
    const char *outcome;    // why the trace was kept: a tag
    unsigned lost;          // spans that are missing: said in its data
    const char *flamegraph; // its own one's path on the admin port: likewise; NULL for none
};

// Begins the object, up to its list of spans.
void spy__sentry_transaction_begin(struct spy__json *j, const struct spy__sentry_transaction *t);
// One of its spans; not the root.
void spy__sentry_transaction_span(struct spy__json *j, const struct spy__record *span);
void spy__sentry_transaction_end(struct spy__json *j);

// A longer name is that of the operation.
#define SPY__SENTRY_TRANSACTION_NAME_MAX 512

// What a request is called: "GET /memes/{id}", or the operation's name. Appends it.
void spy__sentry_put_transaction_name(struct spy__buf *out, const struct spy__record *root);

// The sampling context of an envelope, from members "sentry-KEY=VALUE" of a baggage of n bytes:
// an object of their decoded values. What has no such prefix is left out.
void spy__sentry_put_dsc(struct spy__json *j, const char *members, size_t n);

#endif
