// The page's questions to Prometheus, answered as responses of libmicrohttpd. What may be asked:
// serve/proxy_url.h.
//
// How a question is carried is the starter's choice (an HTTP client; a stand-in in tests). Four are
// carried at once, each at most 10 s, their answers at most 16 MiB; the rest wait. Nothing of a
// request but its checked parameters goes out: no header, no credential. Threads: any but init and
// done.
#ifndef SERVE_PROXY_H
#define SERVE_PROXY_H

#include <microhttpd.h>

#include "base/buf.h"
#include "serve/slots.h"

// Fetches url as spy__http_get() of deliver/http.h does.
typedef int spy__fetch(const char *url, unsigned timeout_ms, const int *stop, long *ret_status,
                       struct spy__buf *body);

struct spy__proxy {
    const char *base;  // of Prometheus, borrowed; const
    spy__fetch *fetch; // const; NULL: there is no Prometheus to ask
    struct spy__slots slots;
    int stop; // atomic, relaxed: nothing else is published by it
};

void spy__proxy_init(struct spy__proxy *proxy, const char *base, spy__fetch *fetch);
void spy__proxy_done(struct spy__proxy *proxy);
// Ends the questions under way, and all that come.
void spy__proxy_close(struct spy__proxy *proxy);

// The answer to the question `path`, with the parameters of the connection's address, and its
// status. Waits for it. NULL without memory.
struct MHD_Response *spy__proxy_response(struct spy__proxy *proxy,
                                         struct MHD_Connection *connection, const char *path,
                                         unsigned *ret_status);

#endif
