// /debug/logs, /debug/requests, /debug/requests/ID, /debug/errors and /debug/slow on the admin port: the
// answers of recent.h, errors.h and slow.h over HTTP. Who may ask is who may read /metrics.
#ifndef SERVE_DEBUG_H
#define SERVE_DEBUG_H

#include <microhttpd.h>
#include <stdbool.h>

// Whether the path is one of these.
bool spy__debug_has(const char *path);
// Answers it; *ret_status is set. The body is JSON, errors too: {"error":"…"}. NULL without memory.
struct MHD_Response *spy__debug_response(struct MHD_Connection *connection, const char *path,
                                         unsigned *ret_status);

#endif
