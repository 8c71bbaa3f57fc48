// What Sentry's events and transactions say of where they come from: the release, the machine, the
// system (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/contexts/).
//
// Pure functions of their arguments.
#ifndef ENCODE_SENTRY_HOST_H
#define ENCODE_SENTRY_HOST_H

#include "base/host.h"
#include "base/json.h"

// Borrows its strings.
struct spy__sentry_host {
    const char *service, *release, *environment; // NULL for none
    uint64_t started_ns;                         // of the process, since 1970 UTC; 0 for none
    const struct spy__host *machine;
};

// Inside of an event's object: platform, release, environment, server_name, sdk.
void spy__sentry_put_host(struct spy__json *j, const struct spy__sentry_host *host);
// Inside of its object of contexts: app, device, os, runtime.
void spy__sentry_put_host_contexts(struct spy__json *j, const struct spy__sentry_host *host);

#endif
