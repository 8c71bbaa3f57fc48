// A profile of one request as Sentry's, version 1 of the sample format, which goes with its
// transaction. What it must have is said by Relay's code alone
// (https://github.com/getsentry/relay/blob/master/relay-profiling/src/sample/v1.rs).
//
// There, a sample lasts until the next one of its thread. Here it has a weight: so a sample stands
// where its time began, and where nothing of its thread follows it closely, its end is said by one more:
// the same stack at the thread's end, an empty one in between. Waiting is a frame, the innermost one:
// "waiting: OPERATION".
//
// Pure function of its arguments.
#ifndef ENCODE_SENTRY_PROFILE_H
#define ENCODE_SENTRY_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "encode/sentry_host.h"
#include "profile/profile.h"

// What lies behind is cut off: Relay rejects a profile that is longer.
#define SPY__SENTRY_PROFILE_NS_MAX (30 * UINT64_C(1000000000))
// A shorter pause of a thread is charged to what ran before it: two periods of 101 Hz.
#define SPY__SENTRY_PROFILE_GAP_NS UINT64_C(20000000)
// Sentry names addresses by debug files for a few platforms only, "native" is not among them.
#define SPY__SENTRY_PROFILE_PLATFORM "rust"

struct spy__sentry_profile {
    const struct spy__sentry_host *host;
    const struct spy__profile *profile; // with its single samples
    const char *platform;
    uint64_t event_hi, event_lo;             // its own id
    uint64_t transaction_hi, transaction_lo; // that of its transaction
    const char *name;                        // the transaction's, of name_n bytes
    size_t name_n;
};

// Returns 0; -ENODATA where there is too little in it: Relay would reject it; -ENOMEM (also: past
// the maximum of out).
int spy__encode_sentry_profile(struct spy__buf *out, const struct spy__sentry_profile *p);

#endif
