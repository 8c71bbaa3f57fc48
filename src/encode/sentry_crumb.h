// One record as a breadcrumb of a Sentry event
// (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/breadcrumbs/), and fields as
// Sentry's objects have them.
#ifndef ENCODE_SENTRY_CRUMB_H
#define ENCODE_SENTRY_CRUMB_H

#include "base/json.h"
#include "record/record.h"

// A log line, or a span that has ended. At most 4 KiB: where its fields are more, it goes without.
void spy__sentry_put_crumb(struct spy__json *j, const struct spy__record *record);

#endif
