#include "tools/events/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/random.h"
#include "serve/access.h"
#include "tools/events/coding.h"

// Requests at once, those that wait for their turn among them; connections beyond are refused by
// the kernel's queue and libmicrohttpd.
#define REQUESTS_MAX 64
#define CONNECTIONS_MAX 128
// URL and headers of one: ClickHouse's own limit of a URL.
#define CONNECTION_BYTES (1u << 20)
#define CONNECTION_STEP_BYTES (64u << 10)
#define IDLE_TIMEOUT_S 60
// A smaller answer is sent as it is.
#define ENCODE_BYTES_MIN 512

// One request. MHD keeps it from the first call of the handler to `completed`.
struct call {
    struct events_request request;
    struct events_body body;
    unsigned status; // of a refusal, before the engine is asked; 0: none
    const char *refusal;
    bool counted;
    struct events_outcome outcome; // until the answer is sent
};

static void refuse(struct call *call, unsigned status, const char *why)
{
    if (call->status == 0) {
        call->status = status;
        call->refusal = why;
    }
}

static enum MHD_Result take_param(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    struct call *call = arg;
    const char *why;
    (void)kind;
    struct events_text n = { name, name_len };
    struct events_text v = { value ? value : "", value ? value_len : 0 };
    int status = events_request_param(&call->request, n, v, &why);
    if (status != 0) {
        refuse(call, (unsigned)status, why);
    }
    return MHD_YES;
}

// A page of another origin may send a POST here, as a browser lets it.
static bool is_foreign_origin(const char *value)
{
    const char *host = strstr(value, "://");
    return !host || !spy__host_is_loopback(host + 3);
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct call *call = arg;
    const char *why;
    (void)kind;
    int status = events_request_header(&call->request, name, value ? value : "", &why);
    if (status != 0) {
        refuse(call, (unsigned)status, why);
    }
    if (spy__header_is_forwarding(name) ||
        (strcasecmp(name, "Origin") == 0 && is_foreign_origin(value ? value : ""))) {
        refuse(call, 403, "This server is for programs of this machine alone.");
    }
    return MHD_YES;
}

static bool is_printable(struct events_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] < ' ' || text.bytes[i] > '~') {
            return false;
        }
    }
    return true;
}

static void check(struct call *call, struct MHD_Connection *connection, const char *url,
                  const char *method)
{
    bool known = strcmp(url, "/") == 0 || strcmp(url, "/ping") == 0;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    if (!host || !spy__host_is_loopback(host)) {
        refuse(call, 403, "The Host header must name this machine: localhost or 127.0.0.1.");
    }
    if (!known || !(reads || (strcmp(method, "POST") == 0 && strcmp(url, "/") == 0))) {
        refuse(call, 501,
               "GET and POST of / and GET of /ping are offered; see spyglass-events --help.");
    }
    if (!events_request_is_default_user(&call->request)) {
        refuse(
            call, 403,
            "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is "
            "no user with such name. The user here is default, without a password. "
            "(AUTHENTICATION_FAILED)");
    }
    if (call->request.query_id.len > EVENTS_QUERY_ID_MAX || !is_printable(call->request.query_id)) {
        refuse(call, 400, "A query_id has at most 128 printable characters.");
    }
}

static struct call *begin(struct events_http *http, struct MHD_Connection *connection,
                          const char *url, const char *method)
{
    struct call *call = calloc(1, sizeof(*call));
    if (!call) {
        return NULL;
    }
    call->counted = true;
    if (atomic_fetch_add(&http->active, 1) >= http->requests_max || atomic_load(&http->stopping)) {
        refuse(call, 503,
               "Code: 202. DB::Exception: Too many simultaneous queries. "
               "(TOO_MANY_SIMULTANEOUS_QUERIES)");
    }
    // Of a database and a format, the header counts before the parameter.
    MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, call);
    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, take_param, call);
    check(call, connection, url, method);
    if (!events_body_begin(&call->body, call->request.body)) {
        refuse(call, 503, "There is no memory for the body.");
    }
    return call;
}

static void check_body(struct call *call)
{
    events_body_end(&call->body);
    switch (call->body.state) {
    case EVENTS_BODY_GOOD:
        break;
    case EVENTS_BODY_TOO_LONG:
        refuse(call, 413, "A body may have 128 MiB, decoded.");
        break;
    case EVENTS_BODY_NO_ROOM:
        refuse(call, 503,
               "Code: 241. DB::Exception: The requests of the moment take too much memory. "
               "(MEMORY_LIMIT_EXCEEDED)");
        break;
    case EVENTS_BODY_BROKEN:
        refuse(call, 400,
               "Code: 271. DB::Exception: The body is not encoded as Content-Encoding says. "
               "(CANNOT_DECOMPRESS)");
        break;
    }
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value);
}

static void add_id(struct MHD_Response *response, const struct call *call)
{
    char id[EVENTS_QUERY_ID_MAX + 1];
    struct events_text given = call->request.query_id;
    if (given.len > 0) {
        memcpy(id, given.bytes, given.len);
        id[given.len] = '\0';
    } else {
        spy__uuid_v4(id);
    }
    add(response, "X-ClickHouse-Query-Id", id);
}

static void add_headers(struct MHD_Response *response, const struct events_http *http,
                        const struct call *call)
{
    const struct events_outcome *outcome = &call->outcome;
    char code[16];
    add(response, "X-ClickHouse-Server-Display-Name", http->work->engine.display_name);
    add(response, "X-ClickHouse-Timezone", http->work->engine.timezone);
    add_id(response, call);
    if (outcome->summary[0]) {
        add(response, "X-ClickHouse-Summary", outcome->summary);
    }
    if (outcome->answer.code != 0) {
        snprintf(code, sizeof(code), "%d", outcome->answer.code);
        add(response, "X-ClickHouse-Exception-Code", code);
        add(response, "Content-Type", "text/plain; charset=UTF-8");
    } else if (outcome->format) {
        add(response, "X-ClickHouse-Format", outcome->format->name);
        add(response, "Content-Type", outcome->format->content_type);
    }
}

static struct MHD_Response *encoded(struct call *call, const char *bytes, size_t n)
{
    struct spy__buf out;
    struct MHD_Response *response = NULL;
    spy__buf_init(&out, SIZE_MAX / 2);
    if (events_encode(&out, call->request.answer, bytes, n)) {
        response = MHD_create_response_from_buffer(out.len, out.bytes, MHD_RESPMEM_MUST_FREE);
        if (response) {
            add(response, "Content-Encoding",
                call->request.answer == EVENTS_GZIP ? "gzip" : "zstd");
            return response;
        }
    }
    spy__buf_done(&out);
    return NULL;
}

// The outcome outlives the response: its bytes are sent from where they are.
static enum MHD_Result answer_outcome(struct events_http *http, struct MHD_Connection *connection,
                                      struct call *call)
{
    const struct events_answer *answer = &call->outcome.answer;
    const char *bytes = answer->code != 0 ? answer->error : answer->bytes;
    size_t n = answer->code == 0 ? answer->len : answer->error ? strlen(answer->error) : 0;
    struct MHD_Response *response = NULL;
    if (call->request.may_encode && call->request.answer != EVENTS_IDENTITY &&
        n >= ENCODE_BYTES_MIN) {
        response = encoded(call, bytes, n);
    }
    if (!response) {
        response = MHD_create_response_from_buffer(n, (void *)(n > 0 ? bytes : ""),
                                                   MHD_RESPMEM_PERSISTENT);
    }
    enum MHD_Result result = MHD_NO;
    if (response) {
        add_headers(response, http, call);
        result = MHD_queue_response(connection, call->outcome.status, response);
        MHD_destroy_response(response);
    }
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_NO;
    if (response) {
        add(response, "Content-Type", "text/html; charset=UTF-8");
        result = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
    }
    return result;
}

static enum MHD_Result answer_refusal(struct events_http *http, struct MHD_Connection *connection,
                                      struct call *call)
{
    char text[512];
    bool is_error = strncmp(call->refusal, "Code: ", strlen("Code: ")) == 0;
    // 48 is NOT_IMPLEMENTED, 36 BAD_ARGUMENTS, 497 ACCESS_DENIED, 439 CANNOT_SCHEDULE_TASK.
    snprintf(text, sizeof(text), "Code: %d. DB::Exception: %s",
             call->status == 501   ? 48
             : call->status == 403 ? 497
             : call->status == 503 ? 439
                                   : 36,
             call->refusal);
    events_outcome_error(&call->outcome, call->status, is_error ? call->refusal : text);
    return answer_outcome(http, connection, call);
}

static enum MHD_Result answer(struct events_http *http, struct MHD_Connection *connection,
                              struct call *call, const char *url, const char *method)
{
    bool is_post = strcmp(method, "POST") == 0;
    struct events_text body = { call->body.bytes.bytes, call->body.bytes.len };
    check_body(call);
    if (call->status != 0) {
        return answer_refusal(http, connection, call);
    }
    if (strcmp(url, "/ping") == 0 || (!is_post && !call->request.query.bytes)) {
        return answer_text(connection, 200, "Ok.\n");
    }
    events_work_run(http->work, &call->request, !is_post, body, &call->outcome);
    return answer_outcome(http, connection, call);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **slot)
{
    struct call *call = *slot;
    (void)version;
    if (!call) {
        *slot = call = begin(arg, connection, url, method);
        return call ? MHD_YES : MHD_NO;
    }
    if (*upload_len > 0) {
        if (call->status == 0) {
            events_body_take(&call->body, upload, *upload_len);
        }
        *upload_len = 0;
        return MHD_YES;
    }
    return answer(arg, connection, call, url, method);
}

static void completed(void *arg, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode how)
{
    struct events_http *http = arg;
    struct call *call = *slot;
    (void)connection;
    (void)how;
    if (call) {
        events_body_done(&call->body);
        events_outcome_done(&call->outcome);
        atomic_fetch_sub(&http->active, call->counted);
        free(call);
    }
    *slot = NULL;
}

bool events_http_start(struct events_http *http, struct events_work *work,
                       const struct sockaddr_storage *address, unsigned *ret_port)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ITC |
                     (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    http->work = work;
    http->requests_max = REQUESTS_MAX;
    atomic_init(&http->active, 0);
    atomic_init(&http->stopping, false);
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, http, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_NOTIFY_COMPLETED, completed, http, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)CONNECTION_STEP_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (!http->daemon) {
        return false;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *ret_port = info ? info->port : 0;
    return true;
}

bool events_http_drain(struct events_http *http, unsigned timeout_ms)
{
    const struct timespec step = { 0, 10 * 1000000 };
    atomic_store(&http->stopping, true);
    for (unsigned waited = 0; atomic_load(&http->active) > 0 && waited < timeout_ms; waited += 10) {
        nanosleep(&step, NULL);
    }
    return atomic_load(&http->active) == 0;
}

void events_http_stop(struct events_http *http)
{
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
}
