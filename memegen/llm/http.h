// HTTP POST by libcurl, which http.c alone knows: connections kept alive, TLS verified, every stage
// bounded in time, the answer bounded in size. No redirects, no signals.
//
// A post says how it ended and never fails by itself: there is always an outcome.
#ifndef MEMEGEN_LLM_HTTP_H
#define MEMEGEN_LLM_HTTP_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_PROBLEM_BYTES 192
#define HTTP_RETRY_AFTER_BYTES 64

enum http_outcome {
    HTTP_ANSWERED,    // with any status; the body is whole
    HTTP_TIMED_OUT,   // no connection, or no whole answer, in time
    HTTP_UNREACHABLE, // no connection, or it ended before an answer began
    HTTP_CUT_OFF,     // it ended in the middle of the answer, or that is no HTTP
    HTTP_TOO_LONG,    // the body is longer than it may be
    HTTP_STOPPED,     // http_stop()
    HTTP_BROKEN,      // a fault on our side: no memory, a wrong URL
};

// PEM files, beside what the system trusts; "" or NULL for none.
struct http_tls {
    const char *ca;   // these authorities instead of the system's
    const char *cert; // ours, for a server that asks for one
    const char *key;  // its key, where it is not in the same file
};

struct http_request {
    const char *url;
    const struct http_tls *tls; // may be NULL
    const char *const *headers; // "Name: value", NULL-ended
    const char *body;           // NUL-ended
    unsigned connect_ms;        // for the connection, TLS included
    unsigned attempt_ms;        // for all of it
    size_t answer_max;          // bytes
};

struct http_answer {
    enum http_outcome outcome;
    long status;
    char *body; // malloc, NUL-ended; NULL unless HTTP_ANSWERED. Free with http_answer_done()
    size_t len;
    char retry_after[HTTP_RETRY_AFTER_BYTES]; // the header as it came, "" where absent
    char problem[HTTP_PROBLEM_BYTES];         // for people; "" for HTTP_ANSWERED
};

struct http;

// idle_max: connections that are kept for later. Returns NULL without memory, or without libcurl.
struct http *http_new(size_t idle_max);
// No post may be under way. NULL is a no-op.
void http_free(struct http *http);

// Threads: any, and several at once.
void http_post(struct http *http, const struct http_request *request, struct http_answer *ret);
void http_answer_done(struct http_answer *answer);

// From now on every post that is under way or begins ends as HTTP_STOPPED, within about a second.
// Threads: any.
void http_stop(struct http *http);

#endif
