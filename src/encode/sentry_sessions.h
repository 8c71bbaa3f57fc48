// Sessions, aggregated for a server, as Sentry's item of type `sessions`
// (https://develop.sentry.dev/sdk/telemetry/sessions/).
//
// A pure function of its arguments.
#ifndef ENCODE_SENTRY_SESSIONS_H
#define ENCODE_SENTRY_SESSIONS_H

#include <stdint.h>

#include "base/buf.h"

// Those of one release that began within a minute.
struct spy__sentry_sessions {
    const char *release;     // not empty: Sentry takes none without
    const char *environment; // NULL for none
    uint64_t started_ns;     // since 1970; the minute of it is told
    uint64_t exited, errored, crashed, abnormal;
};

void spy__encode_sentry_sessions(struct spy__buf *out, const struct spy__sentry_sessions *sessions);

#endif
