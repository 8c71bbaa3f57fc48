// /debug/log-level on the admin port: GET says which lines are made, PUT changes it. Who may change it
// is decided in serve/access.h.
#ifndef SERVE_LEVEL_H
#define SERVE_LEVEL_H

#include <microhttpd.h>

#include "serve/upload.h"

#define SPY__LEVEL_PATH "/debug/log-level"

// Each sets *ret_status. The answer is JSON: {"level":"info","modules":{"store":"debug"}}, or
// {"error":"…"}. NULL without memory.
struct MHD_Response *spy__level_get(unsigned *ret_status);
struct MHD_Response *spy__level_put(const struct spy__upload *body, unsigned *ret_status);

#endif
