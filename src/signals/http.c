// HTTP middleware: one request becomes a context, an operation, sizes, an in-flight gauge and one
// log line.
//
// A request is an operation (signals/span.c) with the labels method, route and status, so that its
// latency and count go the way of all others. What differs: its time ends when the answer is ready
// (spy_http_answered()), not when it has been sent; and it may travel: spy_http_leave() captures
// its context, spy_http_enter() attaches that on another thread.
//
// Threads: a request belongs to one thread at a time and needs no lock. The metrics are registered
// once under `mu` and published by the release store of `operation_in_use`; all before it is const
// after that. A registration that is refused for good is published too, with handles that are zero:
// requests then have all but their metrics, and take no lock either.

#define SPY_MODULE "http"
#include "spyglass/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spyglass/log.h"
#include "spyglass/metrics.h"

#include "base/clock.h"
#include "base/moment.h"
#include "base/stack.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "metrics/dropped.h"
#include "record/pump.h"
#include "signals/context.h"
#include "signals/error.h"
#include "signals/http_profile.h"
#include "signals/http_request.h"
#include "signals/operation.h"
#include "signals/sessions.h"
#include "signals/span.h"
#include "signals/trace.h"

// Frames of a traceback: enough to leave any handler of a host, and short enough for a line.
#define TRACEBACK_MAX 32
#define ERROR_TYPE_MAX 64
#define ERROR_MESSAGE_MAX 512

struct spy_http {
    struct spy_span span;
    struct spy_context_scope scope; // while attached
    struct spy_context *left;       // while not attached: what spy_http_enter() puts back
    bool attached;
    bool failed;
    bool answered;
    bool gathered;      // it is in the timeline, where there is one
    const char *method; // static
    const char *route;  // static
    int status;
    char status_text[4];
    uint64_t start_ns, answered_ns;
    uint64_t received_bytes, answer_bytes;
    struct spy__http_profile profile;
    struct spy__http_request *request; // a reference, or NULL
    char correlation_id[SPY_CORRELATION_MAX + 1];
    char error_type[ERROR_TYPE_MAX + 1];
    char error_message[ERROR_MESSAGE_MAX + 1];
    uintptr_t traceback[TRACEBACK_MAX];
    size_t traceback_len;
};

// ---- metrics
// --------------------------------------------------------------------------------------------------------

static struct spy_operation default_operation = {
    .name = "http_request",
    .op = "http.server",
    .labels = SPY_LABELS("method", "route", "status"),
    .seconds = { "http_request_duration_seconds", "Time to answer an HTTP request" },
    .total = { "http_requests_total", "HTTP requests answered" },
    .no_failure_line = 1,
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct spy_operation *operation_in_use; // atomic; NULL until registered
static int refused; // what registration said for good, or 0; const once operation_in_use is there
static struct spy_gauge in_flight;
static struct spy_histogram request_bytes;
static struct spy_histogram response_bytes;

// Powers of four from 64 bytes to 16 MiB: an empty JSON object falls below, a long upload above.
#define SIZE_BUCKETS                                                                               \
    SPY_BUCKETS(64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)

static int register_sizes(void)
{
    int rc = spy_gauge_register(
        &in_flight, &(struct spy_metric){ .name = "http_requests_in_flight",
                                          .help = "HTTP requests begun and not yet ended" });
    if (rc == 0) {
        rc = spy_histogram_register(
            &request_bytes, &(struct spy_metric){ .name = "http_request_size_bytes",
                                                  .help = "Bytes of the bodies of HTTP requests",
                                                  .labels = SPY_LABELS("method", "route"),
                                                  .buckets = SIZE_BUCKETS });
    }
    if (rc == 0) {
        rc = spy_histogram_register(
            &response_bytes, &(struct spy_metric){ .name = "http_response_size_bytes",
                                                   .help = "Bytes of the bodies of HTTP responses",
                                                   .labels = SPY_LABELS("method", "route"),
                                                   .buckets = SIZE_BUCKETS });
    }
    return rc;
}

static void lock_before_fork(void)
{
    pthread_mutex_lock(&mu);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&mu);
}

static void watch_forks(void)
{
    spy__operations_watch_forks(); // its lock is taken under mu, so its handlers come first
    (void)pthread_atfork(lock_before_fork, unlock_after_fork, unlock_after_fork);
}

static void lock(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&mu);
}

// Called under mu.
static int register_with(struct spy_operation *operation)
{
    int rc = spy_operation_register(operation);
    return rc == 0 ? register_sizes() : rc;
}

// Called under mu.
static void use_operation(struct spy_operation *operation)
{
    __atomic_store_n(&operation_in_use, operation, __ATOMIC_RELEASE);
}

static bool has_http_labels(const struct spy_operation *operation)
{
    static const char *const wanted[] = { "method", "route", "status" };
    for (size_t i = 0; i < 3; i++) {
        if (!operation->labels[i] || strcmp(operation->labels[i], wanted[i]) != 0) {
            return false;
        }
    }
    return operation->labels[3] == NULL;
}

int spy_http_register(struct spy_operation *operation)
{
    if (!operation || !has_http_labels(operation)) {
        return -EINVAL;
    }
    lock();
    struct spy_operation *in_use = __atomic_load_n(&operation_in_use, __ATOMIC_RELAXED);
    int rc = -EEXIST;
    if (!in_use) {
        operation->no_failure_line = 1; // request_failed is its line
        rc = register_with(operation);
        if (rc == 0) {
            use_operation(operation);
        }
    }
    pthread_mutex_unlock(&mu);
    return rc;
}

// The operation in use, the library's own where the host has none. *rc is 0, -ENOMEM (the next
// request tries again) or why its metrics were refused for good.
static struct spy_operation *get_operation(int *rc)
{
    struct spy_operation *operation = __atomic_load_n(&operation_in_use, __ATOMIC_ACQUIRE);
    if (SPY__LIKELY(operation != NULL)) {
        *rc = refused;
        return operation;
    }
    lock();
    *rc = refused;
    operation = __atomic_load_n(&operation_in_use, __ATOMIC_RELAXED);
    if (!operation) {
        operation = &default_operation;
        *rc = register_with(operation);
        if (*rc != -ENOMEM) {
            refused = *rc;
            use_operation(operation);
        }
    }
    pthread_mutex_unlock(&mu);
    return operation;
}

// RFC 9110 section 9.3, and PATCH (RFC 5789): methods are case-sensitive.
static const char *method_label(const char *method)
{
    static const char *const known[] = { "GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                         "CONNECT", "OPTIONS", "TRACE", "PATCH" };
    for (size_t i = 0; method && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(method, known[i]) == 0) {
            return known[i];
        }
    }
    return "other";
}

int spy_http_declare(const char *method, const char *route, const int statuses[])
{
    int rc;
    struct spy_operation *operation = get_operation(&rc);
    method = method_label(method);
    (void)spy_histogram_with(request_bytes, method, route);
    (void)spy_histogram_with(response_bytes, method, route);
    for (size_t i = 0; rc == 0 && statuses && statuses[i] != 0; i++) {
        char status[4];
        if (statuses[i] < 100 || statuses[i] > 999) {
            return -EINVAL;
        }
        snprintf(status, sizeof(status), "%d", statuses[i]);
        const char *const values[] = { method, route, status };
        rc = spy_operation_declare(operation, values, 3, NULL);
    }
    return rc;
}

// ---- a request's life
// -----------------------------------------------------------------------------------------------

struct spy_http *spy_http_begin(const struct spy_http_request *request)
{
    struct spy_http *http = calloc(1, sizeof(*http));
    if (!http) {
        spy__dropped(SPY__SIGNAL_HTTP, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    int rc;
    struct spy_operation *operation = get_operation(&rc);
    if (rc != 0) { // its metrics are zero handles: its line still comes
        spy__dropped(SPY__SIGNAL_HTTP, rc == -ENOMEM ? SPY__DROP_MEMORY : SPY__DROP_UNREGISTERED,
                     1);
    }
    const char *path = request->path ? request->path : "";
    http->start_ns = spy__monotonic_ns();
    http->method = method_label(request->method);
    http->route = "unmatched";
    http->received_bytes = request->body_bytes;
    http->scope =
        spy_context_continue(&(struct spy_incoming){ .correlation_id = request->correlation_id,
                                                     .traceparent = request->traceparent,
                                                     .tracestate = request->tracestate,
                                                     .baggage = request->baggage,
                                                     .sentry_trace = request->sentry_trace });
    http->attached = true;
    http->request = spy__http_request_new(request->details, request->details_arg);
    spy__http_request_attach(http->request);
    snprintf(http->correlation_id, sizeof(http->correlation_id), "%s", spy_correlation_id());
    spy_bind(spy_strn("path", path, strcspn(path, "?")));
    spy_bind(spy_str("method", request->method ? request->method : ""));
    http->span = spy_begin(operation, http->method, NULL, NULL);
    spy__context_set_root(&(struct spy__http_root){ .span_id = http->span.span_id,
                                                    .start = http->span.start,
                                                    .operation = operation->name,
                                                    .op = operation->op,
                                                    .method = http->method });
    spy_gauge_inc(in_flight);
    return http;
}

void spy_http_leave(struct spy_http *http)
{
    if (http && http->attached) {
        http->left = spy_context_capture();
        spy_context_detach(http->scope);
        http->attached = false;
    }
}

void spy_http_enter(struct spy_http *http)
{
    if (http && !http->attached) {
        http->scope = spy_context_attach(http->left);
        spy_context_release(http->left);
        http->left = NULL;
        http->attached = true;
    }
}

void spy_http_route(struct spy_http *http, const char *route)
{
    if (http && route) {
        http->route = route;
        if (http->attached) {
            spy__context_set_route(route);
        }
    }
}

void spy_http_received(struct spy_http *http, size_t bytes)
{
    if (http) {
        http->received_bytes += bytes;
    }
}

static void copy_cut(char *out, size_t max, const char *s)
{
    size_t n = s ? spy__utf8_cut(s, strlen(s), max) : 0;
    memcpy(out, s ? s : "", n);
    out[n] = '\0';
}

void spy_http_fail(struct spy_http *http, const char *error_type, const char *message)
{
    if (!http || http->failed) {
        return; // the first failure is the cause
    }
    http->failed = true;
    copy_cut(http->error_type, ERROR_TYPE_MAX, error_type ? error_type : "internal");
    copy_cut(http->error_message, ERROR_MESSAGE_MAX, message);
    http->traceback_len = spy__stack_capture(http->traceback, TRACEBACK_MAX, 1);
}

static struct spy_outcome outcome_of(const struct spy_http *http)
{
    if (http->failed) {
        return spy_failure(http->error_type, http->error_message);
    }
    return http->status >= 500 ? spy_failure("status_5xx", NULL) : SPY_SUCCESS;
}

static void label_span(struct spy_http *http)
{
    snprintf(http->status_text, sizeof(http->status_text), "%d", http->status);
    spy_span_label(&http->span, "route", http->route);
    spy_span_label(&http->span, "status", http->status_text);
}

// The request joins the timeline that its context feeds: once it is answered, so that whoever has
// answered it finds the timeline whole.
static void join_timeline(struct spy_http *http)
{
    if (http->attached && http->span.operation && !http->gathered) {
        http->gathered = true;
        label_span(http);
        spy__trace_add(&http->span, outcome_of(http), spy__moment_of(http->answered_ns));
    }
}

void spy_http_answered(struct spy_http *http, int status, uint64_t body_bytes)
{
    if (http && !http->answered) {
        http->answered = true;
        http->answered_ns = http->answered_ns ? http->answered_ns : spy__monotonic_ns();
        http->status = status >= 100 && status <= 999 ? status : 500;
        http->answer_bytes = body_bytes;
        join_timeline(http);
    }
}

int spy_http_profile(struct spy_http *http, const struct spy_http_profile_ask *ask)
{
    return http ? spy__http_profile_begin(&http->profile, ask) : -ENOENT;
}

int spy_http_profile_end(struct spy_http *http, int status, struct spy_http_report *ret)
{
    char title[96];
    if (!http || !http->profile.open) {
        return -ENOENT;
    }
    http->answered_ns = http->answered ? http->answered_ns : spy__monotonic_ns();
    (void)snprintf(title, sizeof(title), "%s %s", http->method, http->route);
    return spy__http_profile_end(&http->profile, ret, title, status, http->correlation_id);
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

static void write_line(const struct spy_http *http, uint64_t now_ns)
{
    double duration = seconds_between(http->start_ns, http->answered_ns);
    double send = seconds_between(http->answered_ns, now_ns);
    if (http->failed) {
        spy_log_error(
            "request_failed", spy_str("route", http->route), spy_int("status_code", http->status),
            spy_double("duration_seconds", duration), spy_double("send_seconds", send),
            spy_str("error_type", http->error_type), spy_str("error_message", http->error_message),
            spy_addrs("traceback", http->traceback, http->traceback_len));
    } else {
        spy_info("request_processed", spy_str("route", http->route),
                 spy_int("status_code", http->status), spy_double("duration_seconds", duration),
                 spy_double("send_seconds", send));
    }
}

// A handler that failed, or an answer of 5xx that nobody said more about.
static void publish_error(const struct spy_http *http)
{
    struct spy_outcome outcome = outcome_of(http);
    if (!outcome.error_type || !__atomic_load_n(&spy__errors_wanted, __ATOMIC_RELAXED)) {
        return;
    }
    char place[SPY__ERROR_PLACE_MAX + 1];
    (void)snprintf(place, sizeof(place), "%s %s", http->method, http->route);
    const struct spy_field fields[] = {
        spy_str("route", http->route),
        spy_int("status_code", http->status),
        spy_double("duration_seconds", seconds_between(http->start_ns, http->answered_ns)),
    };
    const struct spy__error error = {
        .type = outcome.error_type,
        .message = outcome.message,
        .module = SPY_MODULE,
        .mechanism = http->failed ? "spy_http_fail" : SPY__ERROR_UNEXPLAINED,
        .place = place,
        .fields = fields,
        .field_count = sizeof(fields) / sizeof(fields[0]),
        .stack = http->traceback,
        .depth = http->traceback_len,
    };
    spy__error_record(spy__uuid_random(), &error);
}

static void end_operation(struct spy_http *http)
{
    struct spy__http_request_told *told = NULL;
    label_span(http);
    if (spy__http_request_is_kept(http->request, http->method, http->route,
                                  http->answered_ns - http->start_ns)) {
        told = spy__http_request_ask(http->request);
        spy_span_attributes(&http->span, told ? told->fields : NULL, told ? told->count : 0);
    }
    // What passed since the answer was ready is no part of the request's latency: neither sending it
    // nor waiting for a log that is full.
    if (http->span.operation) {
        spy__end_at(&http->span, outcome_of(http), http->answered_ns);
    }
    spy__http_request_end(http->request);
    free(told);
}

void spy_http_end(struct spy_http *http)
{
    if (!http) {
        return;
    }
    spy_http_enter(http);
    if (!http->answered) {
        spy_http_answered(http, http->failed ? 500 : 499,
                          0); // 499, as nginx has it: the client closed the request
    }
    spy__http_profile_cancel(&http->profile); // nobody came for it
    join_timeline(http);
    publish_error(http);
    spy__sessions_count(http->failed || http->status >= 500);
    write_line(http, spy__monotonic_ns());
    end_operation(http);
    spy_histogram_observe(spy_histogram_with(request_bytes, http->method, http->route),
                          (double)http->received_bytes);
    spy_histogram_observe(spy_histogram_with(response_bytes, http->method, http->route),
                          (double)http->answer_bytes);
    spy_gauge_dec(in_flight);
    spy_context_detach(http->scope);
    spy__pump_publish();
    spy__http_request_release(http->request);
    free(http);
}

const char *spy_http_correlation_id(const struct spy_http *http)
{
    return http ? http->correlation_id : "";
}
