// What Sentry's events, transactions and reports share: how ids and times are written, who writes.
//
// Pure functions of their arguments.
#ifndef ENCODE_SENTRY_COMMON_H
#define ENCODE_SENTRY_COMMON_H

#include <stdint.h>

#include "base/json.h"

// How we call ourselves, in envelopes and events and in the request's headers.
#define SPY__SENTRY_SDK "spyglass"

// An id of 128 bits: 32 hex digits, as Sentry writes UUIDs and trace ids.
void spy__sentry_put_id(struct spy__json *j, uint64_t hi, uint64_t lo);
// A span's id: 16 hex digits.
void spy__sentry_put_span_id(struct spy__json *j, uint64_t id);
// "2026-01-02T03:04:05.678901Z", of a time since 1970 UTC.
void spy__sentry_put_time(struct spy__json *j, uint64_t ns);
// {"name":…,"version":…}.
void spy__sentry_put_sdk(struct spy__json *j);

#endif
