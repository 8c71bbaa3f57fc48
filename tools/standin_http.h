// What the stand-ins share of HTTP: where they may listen, and a request's body as it arrives.
#ifndef TOOLS_STANDIN_HTTP_H
#define TOOLS_STANDIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

// Zero is an empty body; `bytes` is owned, not NUL-ended, NULL while empty.
struct standin_body {
    char *bytes;
    size_t len;
    bool too_long; // past its maximum, or no memory: what came after is thrown away
};

void standin_body_take(struct standin_body *body, const char *data, size_t n, size_t max);
void standin_body_done(struct standin_body *body);

// HOST:PORT of loopback, in numbers or as "localhost"; false for anything else.
bool standin_address(const char *text, struct sockaddr_storage *ret);

#endif
