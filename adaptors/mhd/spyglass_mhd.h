/**
 * Spyglass for libmicrohttpd: write one handler, get the whole HTTP middleware of spyglass/http.h.
 *
 *     static int on_request(void *arg, struct spy_mhd_request *request)
 *     {
 *         spy_mhd_route(request, "/hello");
 *         spy_mhd_answer(request, &(struct spy_mhd_answer){
 *             .status = 200, .content_type = "text/plain", .body = "hello\n", .body_len = 6 });
 *         return 0;
 *     }
 *
 *     struct spy_mhd *app;
 *     spy_mhd_new(&app, &(struct spy_mhd_options){ .on_request = on_request });
 *     daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 8080,
 * NULL, NULL, spy_mhd_access, app, MHD_OPTION_ARRAY, spy_mhd_daemon_options(app), MHD_OPTION_END);
 *
 * The daemon stays the host's: its flags, threads, limits and listening socket. The adaptor begins
 * a request when its headers are whole, gathers its body, runs the handlers under the request's
 * context, adds `X-Correlation-ID` to the answer, and publishes the request's counts and lines
 * before the last byte of the answer leaves.
 *
 * What it answers by itself, as JSON `{"code","message","details","correlation_id"}`: 413
 * `body_too_large`, 408 `timeout`, 429 `too_many_profiles` and 500 `internal` (a handler failed). What libmicrohttpd refuses
 * before the headers are whole (bad request line, headers too large) is counted in
 * `http_requests_refused_total{reason}` and is no request.
 */
#ifndef SPYGLASS_MHD_H
#define SPYGLASS_MHD_H

#include <microhttpd.h>
#include <stddef.h>

#include "spyglass/http.h"

SPY_BEGIN_DECLS

/** Most headers that an answer may add. */
#define SPY_MHD_HEADERS_MAX 12

/** An application: its handlers and limits. */
struct spy_mhd;

/** One request under way: from its headers until its answer has left or its client has gone. */
struct spy_mhd_request;

/**
 * A handler. Returns 0 after it has answered (spy_mhd_answer(), spy_mhd_fail()) or deferred
 * (spy_mhd_defer()); anything else, or 0 without either, is a failure of the handler: the client
 * gets 500.
 */
typedef int spy_mhd_handler(void *arg, struct spy_mhd_request *request);

struct spy_mhd_options {
    /** The request is whole, its body too. Runs in libmicrohttpd's thread. */
    spy_mhd_handler *on_request;
    /** Optional: the headers are whole. May set the route or answer already; returns 0 without an
     * answer to go on. Must not defer. */
    spy_mhd_handler *on_headers;
    /** Given to both. */
    void *arg;
    /** Longer bodies get 413; default 64 KiB. */
    size_t body_max;
    /** How much of a refused body is read and thrown away so that its client sees the answer; past
     * it the connection closes; default 1 MiB. */
    size_t drain_max;
    /** For a whole request to arrive once its headers are here, and for silence on a connection;
     * then 408 where a request had begun; default 10,000. */
    unsigned receive_timeout_ms;
    /** Who may have a profile of a request, with a non-empty `?profile=` on any route: its report in
     * place of the body of a 2xx answer; others keep theirs. Both name the report's address on the
     * admin port in X-Profile. The 17th at once gets 429. Default: nobody. */
    enum spy_http_profiles profiles;
};

/**
 * Makes an application; copies options. Free it with spy_mhd_free() after MHD_stop_daemon().
 * Returns 0, -EINVAL (no on_request) or -ENOMEM; *ret is set only on 0. Threads: any.
 */
SPY_API SPY_CHECK int spy_mhd_new(struct spy_mhd **ret, const struct spy_mhd_options *options);

/** NULL is a no-op. */
SPY_API void spy_mhd_free(struct spy_mhd *app);

/** The access handler for MHD_start_daemon(), with the application as its cls. */
SPY_API enum MHD_Result spy_mhd_access(void *app, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *upload_data, size_t *upload_data_size,
                                       void **request);

/**
 * What the adaptor needs of the daemon (MHD_OPTION_NOTIFY_COMPLETED, MHD_OPTION_URI_LOG_CALLBACK,
 * MHD_OPTION_CONNECTION_TIMEOUT), for MHD_OPTION_ARRAY. Lives as long as the application.
 */
SPY_API struct MHD_OptionItem *spy_mhd_daemon_options(struct spy_mhd *app);

/**
 * For the end: from now on each answer closes its connection; waits until no request is under way.
 * Call it after MHD_quiesce_daemon() and before MHD_stop_daemon(), which must not find a deferred
 * request. Returns 0, or -ETIMEDOUT while some are still under way. Threads: any but
 * libmicrohttpd's.
 */
SPY_API SPY_CHECK int spy_mhd_drain(struct spy_mhd *app, unsigned timeout_ms);

/* ---- the request; the strings live as long as it. Threads: owner. ---- */

SPY_API const char *spy_mhd_method(const struct spy_mhd_request *request);

/** As sent, percent-encoding and all, up to the '?'. */
SPY_API const char *spy_mhd_path(const struct spy_mhd_request *request);

/**
 * An argument of the query, decoded; "" for one without a value, NULL where absent; the first where
 * there are several. *ret_len, where not NULL, is its length: a decoded NUL byte ends the string
 * before it.
 */
SPY_API const char *spy_mhd_query(const struct spy_mhd_request *request, const char *name,
                                  size_t *ret_len);

/** A header's value, NULL where absent; the first where there are several. */
SPY_API const char *spy_mhd_header(const struct spy_mhd_request *request, const char *name);

/** The body, NUL-terminated beyond its length; "" where there is none. Whole only in on_request and
 * after. */
SPY_API const char *spy_mhd_body(const struct spy_mhd_request *request, size_t *ret_len);

/** The id that the answer carries in X-Correlation-ID; never empty but where memory ran out. */
SPY_API const char *spy_mhd_correlation_id(const struct spy_mhd_request *request);

/** The route's template, a static string: spy_http_route(). */
SPY_API void spy_mhd_route(struct spy_mhd_request *request, const char *route);

/** The middleware's request, for spy_http_fail() before an answer of the host's own. NULL where
 * memory ran out. */
SPY_API struct spy_http *spy_mhd_http(struct spy_mhd_request *request);

/** A pointer of the host's, kept with the request; NULL at first. */
SPY_API void spy_mhd_set_data(struct spy_mhd_request *request, void *data);
/** As spy_mhd_set_data(). */
SPY_API void *spy_mhd_data(const struct spy_mhd_request *request);

/* ---- the answer. ---- */

struct spy_mhd_header {
    const char *name;
    const char *value;
};

/** Zero means none everywhere but in `status`. */
struct spy_mhd_answer {
    int status;               /**< 200 to 599 */
    const char *content_type; /**< copied */
    const void *body;         /**< borrowed until `release`; to HEAD its length alone is sent */
    size_t body_len;
    /** Called once when the body is no longer needed, from any thread; NULL: it outlives the
     * daemon. */
    void (*release)(void *arg);
    void *release_arg;
    /** Copied; ended by a NULL name. One that HTTP does not allow (CR, LF) is left out. */
    struct spy_mhd_header headers[SPY_MHD_HEADERS_MAX];
};

/**
 * Answers; takes the body, whatever happens. A second answer is thrown away. After a deferred
 * request is answered it must not be touched again, except in the handler that deferred it.
 * Threads: owner.
 */
SPY_API void spy_mhd_answer(struct spy_mhd_request *request, const struct spy_mhd_answer *answer);

/** Answers 500 `internal`, with request_failed and a traceback taken here; `message` goes to the
 * log, not to the client. Threads: owner. */
SPY_API void spy_mhd_fail(struct spy_mhd_request *request, const char *error_type,
                          const char *message);

/**
 * Hands the request to another thread, which then owns it: it works under spy_mhd_enter() …
 * spy_mhd_leave() and answers. Call it in on_request before the other thread can know of the
 * request. Needs MHD_ALLOW_SUSPEND_RESUME. Threads: owner.
 */
SPY_API void spy_mhd_defer(struct spy_mhd_request *request);

/** Puts the request's context on this thread: correlation id, trace and bound fields are in every
 * record. */
SPY_API void spy_mhd_enter(struct spy_mhd_request *request);
/** Takes it off again; spy_mhd_answer() of a deferred request does so by itself. */
SPY_API void spy_mhd_leave(struct spy_mhd_request *request);

SPY_END_DECLS

#endif
