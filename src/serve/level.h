// /debug/log-level on the admin port: GET says which lines are made, PUT changes it. Who may change it
// is decided in serve/access.h.
#ifndef SERVE_LEVEL_H
#define SERVE_LEVEL_H

#include <microhttpd.h>
#include <stdbool.h>

#include "serve/level_change.h"

#define SPY__LEVEL_PATH "/debug/log-level"

// The body of a PUT as it comes.
struct spy__level_body {
    size_t len;
    bool too_long;
    char bytes[SPY__LEVEL_BODY_MAX];
};

void spy__level_body_add(struct spy__level_body *body, const char *bytes, size_t n);

// Each sets *ret_status. The answer is JSON: {"level":"info","modules":{"store":"debug"}}, or
// {"error":"…"}. NULL without memory.
struct MHD_Response *spy__level_get(unsigned *ret_status);
struct MHD_Response *spy__level_put(const struct spy__level_body *body, unsigned *ret_status);

#endif
