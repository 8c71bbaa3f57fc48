// One scrape as a response of libmicrohttpd: written piece by piece as the socket takes it, so that
// its memory is the same for ten series and for a million.
#ifndef SERVE_SCRAPE_H
#define SERVE_SCRAPE_H

#include <microhttpd.h>
#include <stdint.h>

#include "serve/slots.h"

// A response that gives the slot back when it is destroyed. Returns NULL where there is no memory:
// then the slot stays the caller's.
struct MHD_Response *spy__scrape_response(struct spy__slots *slots);

// The same headers, without a text: for HEAD. libmicrohttpd 0.9.75 ends a chunked answer to HEAD
// with a chunk that must not be there; so this one closes its connection.
struct MHD_Response *spy__scrape_head_response(void);

// How long a scraper waits for a free slot: what it says in X-Prometheus-Scrape-Timeout-Seconds
// (NULL where it does not), at most 10 s.
uint64_t spy__scrape_timeout_ns(const char *header);

#endif
