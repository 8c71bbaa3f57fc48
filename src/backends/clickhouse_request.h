// What all requests to ClickHouse have: the user's headers, and a path with a query of escaped
// parameters.
#ifndef BACKENDS_CLICKHOUSE_REQUEST_H
#define BACKENDS_CLICKHOUSE_REQUEST_H

#include "backends/clickhouse_url.h"
#include "base/buf.h"
#include "deliver/backend.h"

// Begins the request: its path goes into *path, which borrows it and is left open for more
// parameters; a NUL ends it. The answer is to come when all is done (wait_end_of_query), so that an
// error has a status of its own.
void spy__clickhouse_request_begin(struct spy__request *request, struct spy__buf *path,
                                   const struct spy__clickhouse_url *url, unsigned timeout_ms);
// Appends "NAME=VALUE"; all but the unreserved characters of RFC 3986 is escaped in the value.
void spy__clickhouse_request_param(struct spy__buf *path, const char *name, const char *value);

#endif
