// When a call is worth another try, and how long to wait before it. Pure: clock and luck come from
// outside.
#ifndef MEMEGEN_LLM_RETRY_H
#define MEMEGEN_LLM_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "memegen/llm/http.h"

#define RETRY_BASE_MS 250
#define RETRY_CAP_MS 8000

// The contract's error_type of an answer, or NULL for a status of success.
const char *retry_error_type(const struct http_answer *answer);

// Whether the same call may end otherwise soon: 408, 409, 429, 5xx but 501, and what the network
// did.
bool retry_is_worth(const struct http_answer *answer);

// Full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): up to
// RETRY_BASE_MS doubled by each failed attempt before, at most RETRY_CAP_MS. luck: 0 to 1.
int64_t retry_backoff_ms(unsigned failed_before, double luck);

// Reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date in any of the three forms of
// section 5.6.7. Milliseconds, 0 for a date that has passed; -1 for what is neither. Bounded by a
// day, so that nothing overflows.
int64_t retry_after_ms(const char *value, time_t now);

#endif
