// When a request that failed is made again: back-off, a circuit breaker, and what the server asks.
//
// A wait is drawn between nothing and a bound that doubles from failure to failure, so that many
// clients of a server that comes back do not come back in step ("full jitter",
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). After some failures in
// a row the breaker opens: from then on one request is made at a fixed period, the half-open probe,
// until one succeeds. What the server asks for by Retry-After is a least wait in any state.
//
// Plain data and pure functions; the clock and the random numbers are the caller's.
#ifndef DELIVER_RETRY_H
#define DELIVER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/backend.h"

#define SPY__RETRY_BASE_MS 100u
#define SPY__RETRY_CAP_MS 5000u
// Failures in a row that open the breaker: by then the waits have reached their cap.
#define SPY__RETRY_FAILURES_MAX 6u
#define SPY__RETRY_PROBE_MS 2000u
// Longest wait that a server may ask for.
#define SPY__RETRY_ASKED_MS_MAX (3600u * 1000u)

struct spy__retry {
    unsigned failures;      // in a row
    uint64_t first_ns;      // when the first of them was, on the monotonic clock
    uint64_t not_before_ns; // the next try, 0 for at once
};

// Notes a failure at now_ns; after_ms is the least wait that the verdict or the server asks for.
void spy__retry_failed(struct spy__retry *retry, uint64_t now_ns, unsigned after_ms,
                       uint64_t random);
void spy__retry_succeeded(struct spy__retry *retry);
// Whether the breaker is open: the next try is a probe.
bool spy__retry_is_open(const struct spy__retry *retry);

// The wait of an answer's Retry-After: seconds, or a date, which is compared with the answer's own
// Date (and so needs no right clock here). 0 where there is none, or nonsense; at most
// SPY__RETRY_ASKED_MS_MAX. https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
unsigned spy__retry_asked_ms(const struct spy__answer *answer);

#endif
