// The way in: libmicrohttpd's callbacks become one request with a begin, a body and an end.
//
// The order of libmicrohttpd's calls for a request: uri_log (request line read: the request is
// made), spy_mhd_access with no data (headers whole: it begins), spy_mhd_access with data (the
// body, in pieces), spy_mhd_access with no data (all is here: the handler runs; after a deferred
// one is resumed, once more), completed (it is freed). Between the second and the last call
// libmicrohttpd takes no answer, hence mhd_answer_raw().

#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BODY_MAX_DEFAULT (64u * 1024)
#define DRAIN_MAX_DEFAULT (1024u * 1024)
#define RECEIVE_TIMEOUT_MS_DEFAULT 10000u

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

// ---- the request's life
// ---------------------------------------------------------------------------------------------

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct spy_mhd *app = arg;
    size_t path_len = strcspn(uri, "?"), uri_len = path_len + strlen(uri + path_len);
    struct spy_mhd_request *request = calloc(1, sizeof(*request) + uri_len + 1);
    if (request) {
        request->app = app;
        request->connection = connection;
        request->method = "";
        memcpy(request->path, uri, uri_len); // libmicrohttpd decodes its own in place
        if (uri_len > path_len) {
            request->path[path_len] = '\0';
            request->query = request->path + path_len + 1;
        }
    }
    return request;
}

static void begin(struct spy_mhd_request *request, const char *method)
{
    struct spy_mhd *app = request->app;
    request->begun = true;
    request->method = method;
    request->deadline_ns = now_ns() + app->options.receive_timeout_ms * UINT64_C(1000000);
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    request->peer = peer ? peer->client_addr : NULL;
    struct mhd_incoming incoming;
    mhd_incoming_read(&incoming, request->connection);
    const struct spy_incoming *ids = &incoming.ids;
    request->http =
        spy_http_begin(&(struct spy_http_request){ .method = method,
                                                   .path = request->path,
                                                   .correlation_id = ids->correlation_id,
                                                   .traceparent = ids->traceparent,
                                                   .tracestate = ids->tracestate,
                                                   .baggage = ids->baggage,
                                                   .sentry_trace = ids->sentry_trace,
                                                   .details = mhd_tell_details,
                                                   .details_arg = request });
    if (incoming.lost) {
        spy_warn("headers_lost", spy_str("reason", "no memory to join tracestate or baggage"));
    }
    mhd_incoming_done(&incoming);
    bool has_room = mhd_profile_begin(request);
    spy_http_leave(request->http);
    pthread_mutex_lock(&app->mu);
    app->live++;
    pthread_mutex_unlock(&app->mu);
    if (!has_room) {
        mhd_answer_error(request, MHD_HTTP_TOO_MANY_REQUESTS);
    }
}

static void request_free(struct spy_mhd_request *request)
{
    struct spy_mhd *app = request->app;
    bool begun = request->begun;
    if (request->response) {
        MHD_destroy_response(request->response);
    }
    if (request->release) {
        request->release(request->release_arg);
    }
    free(request->error_body);
    free(request->body);
    free(request);
    if (begun) {
        pthread_mutex_lock(&app->mu);
        if (--app->live == 0) {
            pthread_cond_broadcast(&app->idle);
        }
        pthread_mutex_unlock(&app->mu);
    }
}

// A request whose headers never were whole: libmicrohttpd refused it, or its client was slow or
// went away.
static void completed_unbegun(struct spy_mhd_request *request, enum MHD_RequestTerminationCode how)
{
    struct spy_mhd *app = request->app;
    if (how == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED) {
        spy_counter_inc(app->refused_timeout);
        mhd_answer_raw(request, MHD_HTTP_REQUEST_TIMEOUT);
    } else if (how == MHD_REQUEST_TERMINATED_WITH_ERROR) {
        spy_counter_inc(app->refused_malformed);
    } else if (how != MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN) {
        spy_counter_inc(app->refused_aborted);
    }
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode how)
{
    struct spy_mhd_request *request = *slot;
    (void)arg;
    (void)connection;
    if (!request) {
        return;
    }
    *slot = NULL;
    // libmicrohttpd may overlook the end of a stream that came together with its last bytes, until
    // it times out.
    if (how == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED && mhd_client_is_gone(request)) {
        how = MHD_REQUEST_TERMINATED_CLIENT_ABORT;
    }
    if (!request->begun) {
        completed_unbegun(request, how);
    } else if (!request->queued && how == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED) {
        mhd_answer_raw(request, MHD_HTTP_REQUEST_TIMEOUT);
    } else if (!request->answered && how == MHD_REQUEST_TERMINATED_WITH_ERROR) {
        spy_http_answered(request->http, MHD_HTTP_BAD_REQUEST,
                          0); // libmicrohttpd refused its chunks by itself
    }
    mhd_publish(request); // where it was not answered to its end: 499, or what was decided
    request_free(request);
}

// ---- the handlers
// ---------------------------------------------------------------------------------------------------

// Returns whether the request is still undecided and not deferred.
static bool run(struct spy_mhd_request *request, spy_mhd_handler *handler)
{
    spy_http_enter(request->http);
    int rc = handler(request->app->options.arg, request);
    if (request->deferred) {
        return false; // it belongs to another thread
    }
    if (rc != 0 && !request->answered) {
        char text[128];
        spy_mhd_fail(request, "internal",
                     rc < 0 ? strerror_r(-rc, text, sizeof(text)) : "the handler failed");
    }
    spy_http_leave(request->http);
    return !request->answered;
}

void spy_mhd_defer(struct spy_mhd_request *request)
{
    if (request->deferred || request->answered) {
        return;
    }
    spy_http_leave(request->http);
    request->deferred = true;
    MHD_suspend_connection(request->connection);
}

void spy_mhd_enter(struct spy_mhd_request *request)
{
    spy_http_enter(request->http);
}

void spy_mhd_leave(struct spy_mhd_request *request)
{
    spy_http_leave(request->http);
}

// ---- libmicrohttpd's calls
// ------------------------------------------------------------------------------------------

static enum MHD_Result on_headers(struct spy_mhd_request *request)
{
    const struct spy_mhd_options *options = &request->app->options;
    const char *length = spy_mhd_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t expected = length ? strtoull(length, NULL, 10) : 0;
    if (options->on_headers && !request->answered) {
        (void)run(request, options->on_headers);
    }
    if (!request->answered && expected > options->body_max) {
        mhd_answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE);
    }
    const char *expect = spy_mhd_header(request, MHD_HTTP_HEADER_EXPECT);
    bool waits = expect && strcasecmp(expect, "100-continue") == 0;
    if (request->answered && (waits || expected > options->drain_max)) {
        return mhd_queue_answer(
            request); // the body is not wanted, or too long to be read: the connection closes
    }
    return MHD_YES;
}

static bool body_append(struct spy_mhd_request *request, const char *bytes, size_t n)
{
    if (request->body_len + n + 1 > request->body_cap) {
        size_t cap = request->body_cap ? request->body_cap : 1024;
        while (cap < request->body_len + n + 1) {
            cap *= 2;
        }
        char *grown = realloc(request->body, cap);
        if (!grown) {
            return false;
        }
        request->body = grown;
        request->body_cap = cap;
    }
    memcpy(request->body + request->body_len, bytes, n);
    request->body_len += n;
    request->body[request->body_len] = '\0';
    return true;
}

static enum MHD_Result on_data(struct spy_mhd_request *request, const char *bytes, size_t n)
{
    const struct spy_mhd_options *options = &request->app->options;
    request->received += n;
    spy_http_received(request->http, n);
    if (now_ns() > request->deadline_ns) {
        mhd_answer_raw(request, MHD_HTTP_REQUEST_TIMEOUT);
        return MHD_NO;
    }
    if (!request->answered && request->received > options->body_max) {
        mhd_answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE);
    }
    if (request->answered) {
        if (request->received > options->drain_max) {
            mhd_answer_raw(request, request->status);
            return MHD_NO;
        }
    } else if (!body_append(request, bytes, n)) {
        spy_mhd_fail(request, "no_memory", "there was no memory for the request's body");
    }
    return MHD_YES;
}

enum MHD_Result spy_mhd_access(void *app, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_data_size, void **slot)
{
    struct spy_mhd_request *request = *slot;
    (void)app;
    (void)connection;
    (void)url;
    (void)version;
    if (!request) {
        return MHD_NO; // no memory in on_uri()
    }
    if (!request->begun) {
        begin(request, method);
        return on_headers(request);
    }
    if (*upload_data_size > 0) {
        size_t n = *upload_data_size;
        *upload_data_size = 0;
        return on_data(request, upload_data, n);
    }
    if (!request->deferred && !request->answered) {
        if (run(request, request->app->options.on_request)) {
            spy_mhd_fail(request, "internal",
                         "the handler neither answered nor deferred the request");
        }
        if (request->deferred) {
            return MHD_YES; // suspended now; the next call comes when its answer is here
        }
    }
    return request->answered ? mhd_queue_answer(request) : MHD_YES;
}

// ---- the application
// ------------------------------------------------------------------------------------------------

static int register_refused(struct spy_mhd *app)
{
    struct spy_counter family;
    int rc = spy_counter_register(
        &family,
        &(struct spy_metric){ .name = "http_requests_refused_total",
                              .help = "HTTP requests that ended before their headers were whole",
                              .labels = SPY_LABELS("reason") });
    if (rc == 0) {
        app->refused_timeout = spy_counter_with(family, "timeout");
        app->refused_malformed = spy_counter_with(family, "malformed");
        app->refused_aborted = spy_counter_with(family, "aborted");
    }
    return rc;
}

int spy_mhd_new(struct spy_mhd **ret, const struct spy_mhd_options *options)
{
    if (!options->on_request) {
        return -EINVAL;
    }
    struct spy_mhd *app = calloc(1, sizeof(*app));
    if (!app) {
        return -ENOMEM;
    }
    app->options = *options;
    if (!app->options.body_max) {
        app->options.body_max = BODY_MAX_DEFAULT;
    }
    if (!app->options.drain_max) {
        app->options.drain_max = DRAIN_MAX_DEFAULT;
    }
    if (!app->options.receive_timeout_ms) {
        app->options.receive_timeout_ms = RECEIVE_TIMEOUT_MS_DEFAULT;
    }
    int rc = register_refused(app);
    if (rc != 0) {
        free(app);
        return rc;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&app->mu, NULL);
    pthread_cond_init(&app->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);

    app->daemon[0] =
        (struct MHD_OptionItem){ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, app };
    app->daemon[1] = (struct MHD_OptionItem){ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_uri, app };
    app->daemon[2] =
        (struct MHD_OptionItem){ MHD_OPTION_CONNECTION_TIMEOUT,
                                 (intptr_t)(app->options.receive_timeout_ms + 999) / 1000, NULL };
    app->daemon[3] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
    *ret = app;
    return 0;
}

void spy_mhd_free(struct spy_mhd *app)
{
    if (app) {
        pthread_cond_destroy(&app->idle);
        pthread_mutex_destroy(&app->mu);
        free(app);
    }
}

struct MHD_OptionItem *spy_mhd_daemon_options(struct spy_mhd *app)
{
    return app->daemon;
}

int spy_mhd_drain(struct spy_mhd *app, unsigned timeout_ms)
{
    uint64_t end_ns = now_ns() + timeout_ms * UINT64_C(1000000);
    struct timespec end = { (time_t)(end_ns / 1000000000u), (long)(end_ns % 1000000000u) };
    int rc = 0;
    __atomic_store_n(&app->closing, true, __ATOMIC_RELAXED);
    pthread_mutex_lock(&app->mu);
    while (app->live > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&app->idle, &app->mu, &end);
    }
    rc = app->live > 0 ? -ETIMEDOUT : 0;
    pthread_mutex_unlock(&app->mu);
    return rc;
}
