// What is known of an HTTP request beyond its method and path, for those who tell of it to Sentry: its
// headers, its query and its client, scrubbed (record/mask/scrub.h).
//
// None of it is copied when the request begins. Its context has a way to ask for it; whoever makes
// a record of an error, or of the request itself where it will be told of, asks then. Once the
// request has ended there is nobody to ask, and no details.
//
// Threads: any, but for want, which is called one at a time. Details are asked for under the
// request's lock: its end waits for that. A forked child asks for none.
#ifndef SIGNALS_HTTP_REQUEST_H
#define SIGNALS_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/recent/sampling.h"
#include "spyglass/http.h"

#define SPY__HTTP_REQUEST_FIELDS 3 // that details become: see record/record.h

// How much of it: headers past so many, and what there is no room for, are left out.
#define SPY__HTTP_REQUEST_HEADERS_MAX 32u
#define SPY__HTTP_REQUEST_HEADERS_BYTES 3072u
#define SPY__HTTP_REQUEST_QUERY_BYTES 1024u

struct spy__http_request_options {
    bool personal;                 // send_default_pii
    const char *redact;            // the user's words for secrets, or NULL
    uint64_t slow_ns;              // as in struct spy__traces_options
    struct spy__sampling sampling; // likewise
};

// Requests that begin from here on have details; NULL: they have none any more. Returns 0 or -ENOMEM.
int spy__http_requests_want(const struct spy__http_request_options *options);

// A request under way, counted by reference. NULL is accepted everywhere below.
struct spy__http_request;

// Borrows what the callback needs until spy__http_request_end(). Returns NULL where nobody wants its
// details, there is no callback, or no memory (counted).
struct spy__http_request *spy__http_request_new(spy_http_details_fn *details, void *arg);
struct spy__http_request *spy__http_request_hold(struct spy__http_request *request);
void spy__http_request_release(struct spy__http_request *request);
// This thread's context, which was just begun, is the request's: nobody else has it yet. The context
// holds the request.
void spy__http_request_attach(struct spy__http_request *request);
// There are no details from here on.
void spy__http_request_end(struct spy__http_request *request);

// An error was told in it: its trace is kept.
void spy__http_request_failed(struct spy__http_request *request);
// Whether its trace will be kept, as far as is known at its end, under its context.
bool spy__http_request_is_kept(struct spy__http_request *request, const char *method,
                               const char *route, uint64_t duration_ns);

struct spy__http_request_told {
    size_t count;
    struct spy_field fields[SPY__HTTP_REQUEST_FIELDS]; // what they point to is its own
    // Private to request.c.
    char headers[SPY__HTTP_REQUEST_HEADERS_BYTES], query[SPY__HTTP_REQUEST_QUERY_BYTES], client[64];
};

// Asks for the details. Returns them (free()), or NULL where there are none, or no memory (counted).
struct spy__http_request_told *spy__http_request_ask(struct spy__http_request *request);

#endif
