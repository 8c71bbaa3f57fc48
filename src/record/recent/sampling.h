// Which of the traces that are neither failed nor slow are kept: by what the caller in another
// process has decided, else by a number in [0, 1) that everybody who sees the trace gets alike,
// against the rate of the root's route or of all.
//
// That number is what the caller sent along (Sentry's sample_rand), else a hash of the trace's id;
// with six decimals, as it is passed on.
// https://develop.sentry.dev/sdk/telemetry/traces/#propagated-random-value
//
// Pure functions.
#ifndef RECORD_RECENT_SAMPLING_H
#define RECORD_RECENT_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

#define SPY__SAMPLING_ROUTES_MAX 32u
#define SPY__SAMPLING_METHOD_MAX 15u
#define SPY__SAMPLING_ROUTE_MAX 127u

// Fields of a root's record that it looks at.
#define SPY__PARENT_SAMPLED "parent_sampled" // bool: the caller's decision
#define SPY__SAMPLE_RAND "sample_rand"       // double: the caller's number

struct spy__sampling {
    double rate; // of what no route below is for
    size_t count;
    struct spy__sampling_route {
        char method[SPY__SAMPLING_METHOD_MAX + 1]; // "" for any
        char route[SPY__SAMPLING_ROUTE_MAX + 1];
        double rate;
    } routes[SPY__SAMPLING_ROUTES_MAX];
};

// Reads a rate: 0 to 1, in decimal, whatever the locale.
bool spy__sampling_read_rate(double *ret, const char *text);

// Reads "GET /healthz=0, /api/v1/memes/{id}=0.5" into the routes; the first that fits a request
// counts. NULL is none. Returns 0 or -EINVAL, also for too many or too long ones; *ret's rate is
// left as it is.
int spy__sampling_parse(struct spy__sampling *ret, const char *list);

// The rate for a root: by its fields "method" and "route".
double spy__sampling_rate(const struct spy__sampling *sampling, const struct spy__record *root);
// The trace's number where nobody has sent one along.
double spy__sampling_rand(uint64_t trace_hi, uint64_t trace_lo);
// Whether a trace with this root is in the sample.
bool spy__sampling_keeps(const struct spy__sampling *sampling, const struct spy__record *root);
// The same of one whose root is not known: by the rate of all.
bool spy__sampling_keeps_id(const struct spy__sampling *sampling, uint64_t trace_hi,
                            uint64_t trace_lo);

#endif
