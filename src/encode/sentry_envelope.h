// Sentry's envelope: a line of headers, then for each item a line of headers and its bytes
// (https://develop.sentry.dev/sdk/data-model/envelopes/).
//
// The DSN is not in it: it stands in the request's headers.
#ifndef ENCODE_SENTRY_ENVELOPE_H
#define ENCODE_SENTRY_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct spy__sentry_header {
    uint64_t event_hi, event_lo; // both zero: no event_id
    uint64_t sent_ns;            // since 1970 UTC
    const char *trace;           // a JSON object of trace_n bytes, on one line; 0 for none
    size_t trace_n;
};

// Begins an envelope.
void spy__encode_sentry_header(struct spy__buf *out, const struct spy__sentry_header *header);
// Appends an item of n bytes, whatever they are.
void spy__encode_sentry_item(struct spy__buf *out, const char *type, const void *bytes, size_t n);

#endif
