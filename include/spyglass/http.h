/**
 * HTTP middleware, neutral to the framework: tell it when a request begins, where it was routed,
 * and how it ends.
 *
 * It does what MetricsMiddleware and LoggingMiddleware of the Python world do: latency, count,
 * sizes and in-flight of every request, a context with its correlation and trace ids, the lines
 * `request_processed` or `request_failed`, and status 500 where a handler failed. `adaptors/mhd`
 * wraps it for libmicrohttpd.
 *
 *     struct spy_http *http = spy_http_begin(&(struct spy_http_request){ .path = path, … });
 *     spy_http_route(http, "/memes/{id}");
 *     … handle it …
 *     spy_http_answered(http, 200, body_bytes); // the answer is ready: its time stops here
 *     … send all but the last byte …
 *     spy_http_end(http); // publishes; then the last byte may leave
 */
#ifndef SPYGLASS_HTTP_H
#define SPYGLASS_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"
#include "spyglass/context.h"
#include "spyglass/span.h"

SPY_BEGIN_DECLS

/** One request under way. */
struct spy_http;
struct sockaddr;

/** Takes what a request's `details` tells, for the call. */
struct spy_http_details;
typedef void spy_http_details_fn(void *arg, struct spy_http_details *to);

/** What a request brought. Strings are copied as far as they are kept; NULL where absent. */
struct spy_http_request {
    const char *method; /**< a method that is none of RFC 9110's or PATCH is counted as `other` */
    const char *path;   /**< raw; logged (query left out), never a label */
    const char *correlation_id; /**< X-Correlation-ID */
    const char *traceparent;    /**< this and the three below: as in struct spy_incoming */
    const char *tracestate;
    const char *baggage;
    const char *sentry_trace;
    uint64_t body_bytes; /**< of the request, where known */
    /**
     * Optional: tells of the request's headers, query and peer, with spy_http_details_header() and the
     * others. Nothing is copied before: it is called where an error of the request is told to Sentry,
     * or the request itself is, at that moment, and never where there is no `sentry_dsn`. It may be
     * called until spy_http_end() returns, from any thread that works under the request's context, one
     * call at a time; what it reads must not change meanwhile. It must call nothing else of Spyglass,
     * and not wait.
     */
    spy_http_details_fn *details;
    void *details_arg; /**< borrowed until spy_http_end() */
};

/**
 * For `details` alone, with its `to`: a header, as it came. Copied as far as it is told: secrets are
 * masked, and without `send_default_pii` of struct spy_options only harmless ones are. At most 32
 * headers and 3 KiB in all, 512 bytes of each. NULL is a no-op, here and below.
 */
SPY_API void spy_http_details_header(struct spy_http_details *to, const char *name,
                                     const char *value);
/** As spy_http_details_header(), once: the query as it was sent, without its '?'; at most 1 KiB. */
SPY_API void spy_http_details_query(struct spy_http_details *to, const char *query);
/** As spy_http_details_header(), once: who the connection is with; told with `send_default_pii` alone. */
SPY_API void spy_http_details_peer(struct spy_http_details *to, const struct sockaddr *peer);

/**
 * Declares the middleware's metrics under the host's operation, which must have exactly the labels
 * method, route and status. Without it, the first request registers the library's own:
 * `http_request_duration_seconds` and `http_requests_total`. Beside it always:
 * `http_requests_in_flight`, `http_request_size_bytes`, `http_response_size_bytes`. Returns as
 * spy_operation_register(), and -EEXIST after a first call. Threads: any.
 */
SPY_API SPY_CHECK int spy_http_register(struct spy_operation *operation);

/**
 * Makes the series of a route exist, at zero, for each of these statuses (ended by 0). Returns as
 * spy_operation_declare(). Threads: any.
 */
SPY_API SPY_CHECK int spy_http_declare(const char *method, const char *route, const int statuses[]);

/**
 * Begins a request and attaches its context to this thread. Returns it (taken by spy_http_end()),
 * or NULL when there is no memory (counted); NULL is accepted everywhere below. Threads: any.
 */
SPY_API SPY_CHECK struct spy_http *spy_http_begin(const struct spy_http_request *request);

/** Takes the request's context off this thread, or puts it on another: a request may travel.
 * Threads: owner. */
SPY_API void spy_http_leave(struct spy_http *http);
/** As spy_http_leave(): the way back. */
SPY_API void spy_http_enter(struct spy_http *http);

/** The route's template ("/memes/{id}"), not the path; a static string. Without it: `unmatched`.
 * Threads: owner. */
SPY_API void spy_http_route(struct spy_http *http, const char *route);

/** Bytes of the request's body as they arrive, added up. Threads: owner. */
SPY_API void spy_http_received(struct spy_http *http, size_t bytes);

/** The handler failed: status 500 unless one is given, `request_failed` with a traceback taken
 * here. Threads: owner. */
SPY_API void spy_http_fail(struct spy_http *http, const char *error_type, const char *message);

/** The answer is ready: what `http_request_duration_seconds` measures ends here. Threads: owner. */
SPY_API void spy_http_answered(struct spy_http *http, int status, uint64_t body_bytes);

/**
 * Publishes the request's records and counts, then ends it; the log line has `duration_seconds`
 * and, apart from it, `send_seconds`: what passed since spy_http_answered(). Call it before the
 * last byte of the answer leaves. A request that was never answered (its client vanished) counts as
 * status 499. Takes http. Threads: owner.
 */
SPY_API void spy_http_end(struct spy_http *http);

/** The id to answer in X-Correlation-ID. Returns a string that lives as long as http; "" for NULL.
 */
SPY_API const char *spy_http_correlation_id(const struct spy_http *http);

/* ---- ?profile=: a profile of this one request, in place of its body ---- */

/** Who may ask for the profile of a request. */
enum spy_http_profiles {
    SPY_HTTP_PROFILES_OFF,
    SPY_HTTP_PROFILES_LOOPBACK, /**< a loopback peer that names loopback in Host, and no proxy between */
    SPY_HTTP_PROFILES_TOKEN, /**< whoever brings the admin server's bearer token */
};

/** What a request brought of `?profile=`, and who it comes from. NULL where absent. */
struct spy_http_profile_ask {
    enum spy_http_profiles who;
    const char
        *value; /**< words with a comma between them: cpu, wall, pprof, speedscope, folded, html,
                            a rate in Hz; any other value asks for the wall view, as HTML */
    const char *accept; /**< Accept: with application/json and no text/html: speedscope */
    const struct sockaddr *peer;
    const char *host;          /**< Host; NULL where it came twice, as the one below */
    const char *authorization; /**< Authorization */
    int forwarded; /**< there is Forwarded, Via, or a header that begins with X-Forwarded- */
};

/**
 * Profiles the request from here on, through all threads that work for it; see docs/profiling.md.
 * Call it right after spy_http_begin(), while the context is attached. Returns 0, -EINVAL (an empty
 * value), -EACCES (they may not), -EBUSY (16 requests are profiled: answer 429 with Retry-After),
 * -ENOTSUP (not started, or the build has no admin server), -EPERM (the host handles SIGPROF),
 * -EALREADY, -EAGAIN or -ENOMEM: but for -EBUSY, the request goes on without. It ends after 60 s by
 * itself. Threads: owner.
 */
SPY_API SPY_CHECK int spy_http_profile(struct spy_http *http,
                                       const struct spy_http_profile_ask *ask);

/** The profile of a request, in the form that was asked for. */
struct spy_http_report {
    const char *content_type; /**< static */
    void *body;               /**< free() it */
    size_t body_len;
    char address[256]; /**< where the admin server has the same; "" where there is none */
};

/**
 * Ends the profile. Call it when the handler is done, before spy_http_answered() (its time is then
 * that of this call): the body takes the place of the handler's where the status is 2xx; others
 * name the address in X-Profile. Returns 0, -ENOENT (it is not profiled) or -ENOMEM; *ret is set only
 * on 0. It may take a second where debug information is read for the first time. Threads: owner.
 */
SPY_API SPY_CHECK int spy_http_profile_end(struct spy_http *http, int status,
                                           struct spy_http_report *ret);

SPY_END_DECLS

#endif
