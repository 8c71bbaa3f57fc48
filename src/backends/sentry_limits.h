// Which categories the server does not want now, and until when
// (https://develop.sentry.dev/sdk/foundations/transport/rate-limiting/).
//
// Every answer may say so. A limit is never shortened by a later one. All fields are atomic, relaxed:
// each stands for itself. Threads: any.
#ifndef BACKENDS_SENTRY_LIMITS_H
#define BACKENDS_SENTRY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/sentry_category.h"
#include "deliver/backend.h"

// A limit that says no length, or one that is no number; and a 429 without any.
#define SPY__SENTRY_LIMIT_DEFAULT_S 60u
// Longest: whoever can answer in the server's place must not silence us for good.
#define SPY__SENTRY_LIMIT_MAX_S (24u * 3600u)

struct spy__sentry_limits {
    uint64_t until_ns[SPY__SENTRY_CATEGORIES]; // on the monotonic clock; 0: not limited
};

// Takes up what an answer of any status says.
void spy__sentry_limits_note(struct spy__sentry_limits *limits, const struct spy__answer *answer,
                             uint64_t now_ns);
bool spy__sentry_is_limited(const struct spy__sentry_limits *limits,
                            enum spy__sentry_category category, uint64_t now_ns);

#endif
