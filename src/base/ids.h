// Ids on the wire: hex, W3C traceparent, sentry-trace, correlation ids. Pure functions over outside
// bytes.
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPY__TRACEPARENT_LEN 55
#define SPY__SENTRY_TRACE_LEN 51 // with the decision
#define SPY__CORRELATION_MAX 128

// Where a trace goes on, and what was decided about it.
struct spy__traceparent {
    uint64_t trace_hi, trace_lo; // not both zero
    uint64_t parent_id;          // not zero
    bool sampled;                // somebody before us may have recorded it
    bool random;                 // the trace id's last 7 bytes are random
    bool deferred;               // nobody has decided: sentry-trace then says nothing
};

// 16 digits of lower-case hex, no NUL.
void spy__hex_u64(char out[16], uint64_t v);

// A code address as "0x" and the digits it needs, no NUL; returns the length.
size_t spy__address_print(char out[18], uintptr_t address);

// Reads a traceparent of n bytes by https://www.w3.org/TR/trace-context-2/#traceparent-header:
// lower-case hex alone; no zero ids; version ff is invalid; version 00 is exactly 55 bytes, a later
// one may go on after a further '-'. False, with *ret untouched, where it is anything else.
bool spy__traceparent_parse(struct spy__traceparent *ret, const char *s, size_t n);
// Writes version 00 and a NUL. Of the flags, those that version 00 knows: sampled and random.
void spy__traceparent_print(char ret[SPY__TRACEPARENT_LEN + 1], const struct spy__traceparent *t);

// Reads a sentry-trace of n bytes: "<32 hex>-<16 hex>", then "-1", "-0" or nothing, where the
// decision is left to us. https://develop.sentry.dev/sdk/telemetry/traces/#header-sentry-trace
// False, with *ret untouched, where it is anything else.
bool spy__sentry_trace_parse(struct spy__traceparent *ret, const char *s, size_t n);
// Writes it and a NUL.
void spy__sentry_trace_print(char ret[SPY__SENTRY_TRACE_LEN + 1], const struct spy__traceparent *t);

// Whether s is [A-Za-z0-9._-]{1,128}: safe in a header, a log line and a URL.
bool spy__correlation_valid(const char *s);

#endif
