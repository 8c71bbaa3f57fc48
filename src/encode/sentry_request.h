// The request and the user of an event or a transaction, from a record's fields: `method`, `path` and
// `user_id`, and the request's details
// (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/request/).
//
// Pure functions of their arguments.
#ifndef ENCODE_SENTRY_REQUEST_H
#define ENCODE_SENTRY_REQUEST_H

#include "base/host.h"
#include "base/json.h"
#include "record/record.h"

// Members "request" and "user" of the object that is open, where there is something to say.
void spy__sentry_put_request(struct spy__json *j, const struct spy__host *machine,
                             const struct spy__record *record);
void spy__sentry_put_user(struct spy__json *j, const struct spy__record *record);

#endif
