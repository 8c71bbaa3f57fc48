// Sentry's dynamic sampling context: what whoever continues a trace must know to decide about it as
// its head did. It travels as members "sentry-…" of the baggage; the head of a trace makes it, and
// all others pass on what came.
// https://develop.sentry.dev/sdk/telemetry/traces/dynamic-sampling-context/
#ifndef SIGNALS_DSC_H
#define SIGNALS_DSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPY__DSC_PREFIX "sentry-"
// Longest list of members, ours or as it came; a longer one is none.
#define SPY__DSC_MAX 1024u
// The field of a root's record that holds what came.
#define SPY__DSC_FIELD "sentry_baggage"

struct spy__dsc_options {
    const char *public_key; // of the DSN
    const char *org_id;     // NULL for unknown
    const char *release;    // NULL for none
    const char *environment;
    double sample_rate; // of traces
};

// From here on heads of traces have one; NULL: they have none any more. One at a time; the rest any
// thread. Returns 0 or -ENOMEM.
int spy__dsc_set(const struct spy__dsc_options *options);
// Whether they have, as it was a moment ago.
bool spy__dsc_is_set(void);
// Writes the members of a trace that begins here, with commas between them, and a NUL. Returns the
// length; 0 where there are none. *ret_sampled: what is said of the trace.
size_t spy__dsc_print(char ret[SPY__DSC_MAX], uint64_t trace_hi, uint64_t trace_lo,
                      bool *ret_sampled);

#endif
