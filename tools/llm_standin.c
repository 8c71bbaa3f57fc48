// llm-standin: a server with the form of OpenAI's chat completions, for demos and tests.
//
// It answers every question with a value of the JSON schema that was asked for, counts what it is
// asked, and fails on demand: see --help. It listens on loopback alone. Each connection has a
// thread, which may wait: for the latency that was set, or for ever.

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tools/standin_answer.h"
#include "tools/standin_http.h"
#include "tools/standin_state.h"

#define BODY_BYTES_MAX (1u << 20)
// Connections at once: a demo's traffic with room to spare.
#define CONNECTIONS_MAX 512

static const char help[] =
    "usage: llm-standin [--listen HOST:PORT] [--key KEY] [--SETTING VALUE]...\n"
    "\n"
    "A stand-in for an OpenAI-compatible LLM. Prints its base URL, for OPENAI_BASE_URL.\n"
    "\n"
    "  --listen HOST:PORT     loopback address; port 0 takes a free one [127.0.0.1:0]\n"
    "  --key KEY              answer 401 to another bearer token than this [any will do]\n"
    "\n"
    "Settings, also as a JSON object to PUT /control (latency_ms for --latency-ms; {\"reset\": "
    "true}\n"
    "puts all back and the counts to zero; a fault without \"times\" is for always). GET /control "
    "shows settings and counts, GET /requests\n"
    "the latest requests.\n"
    "\n"
    "  --latency-ms MS        how long every answer takes [0]\n"
    "  --jitter-ms MS         up to so much longer, at random [0]\n"
    "  --fault FAULT          what goes wrong [none]:\n"
    "      down               the connection is closed without an answer\n"
    "      slow               the right answer, --slow-ms late\n"
    "      hang               no answer and no end\n"
    "      429, 500, 503      this status; 429 and 503 with --retry-after\n"
    "      garbage            200 with a body that is no JSON\n"
    "      half               the connection is closed after half of the body\n"
    "      prose              the model chats instead of writing JSON\n"
    "      wrong_schema       the model writes JSON of another form\n"
    "      refusal            the model declines\n"
    "  --probability P        of the fault, from 0 to 1 [1]\n"
    "  --times N              give the fault so many times, then no more; -1: always [-1]\n"
    "  --only SCHEMA          give the fault to questions of this schema name alone [all]\n"
    "  --retry-after VALUE    the header Retry-After, as it is written here [none]\n"
    "  --slow-ms MS           of the fault slow [30000]\n"
    "  --seed N               of the faults and the texts [1]\n";

struct server {
    struct standin_state *state;
    const char *key; // NULL: any
    int stop;        // an eventfd: readable once the server stops
};

// One request. MHD keeps it from the first call of the handler to `completed`.
struct call {
    struct standin_body body;
    bool begun;
    struct standin_turn turn;
    char schema[64];
    json_t *record;
    long prompt_tokens, completion_tokens; // of an answer that is sent whole
};

static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status,
                             struct MHD_Response *response)
{
    enum MHD_Result result = MHD_NO;
    if (response) {
        MHD_add_response_header(response, "Content-Type", "application/json");
        result = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
    }
    return result;
}

// Takes the text. Without one (no memory), the connection is closed.
static struct MHD_Response *text_response(char *text)
{
    return text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
}

// Takes the value.
static struct MHD_Response *json_response(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text_response(text);
}

struct half {
    size_t len;
    char text[];
};

static ssize_t read_half(void *arg, uint64_t at, char *out, size_t size)
{
    const struct half *half = arg;
    size_t left = at < half->len / 2 ? half->len / 2 - (size_t)at : 0;
    size_t n = left < size ? left : size;
    if (n == 0) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    memcpy(out, half->text + at, n);
    return (ssize_t)n;
}

// Promises the whole text, gives half of it and closes. Takes the value.
static struct MHD_Response *half_response(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    size_t len = text ? strlen(text) : 0;
    struct half *half = text ? malloc(sizeof(*half) + len) : NULL;
    json_decref(root);
    if (half) {
        half->len = len;
        memcpy(half->text, text, len);
    }
    free(text);
    return half ? MHD_create_response_from_callback(len, 1024, read_half, half, free) : NULL;
}

// Waits, for ever where ms is below 0. False where the client goes or the server stops.
static bool wait_ms(const struct server *server, struct MHD_Connection *connection, long ms)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd fds[] = { { info ? info->connect_fd : -1, POLLRDHUP, 0 },
                            { server->stop, POLLIN, 0 } };
    int n;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long end_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + ms;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long left_ms = end_ms - (now.tv_sec * 1000LL + now.tv_nsec / 1000000);
        n = poll(fds, 2, ms < 0 ? -1 : left_ms < 0 ? 0 : (int)left_ms);
    } while (n < 0 && errno == EINTR);
    return n == 0;
}

static void usage_of(struct call *call, const json_t *completion)
{
    const json_t *usage = json_object_get(completion, "usage");
    call->prompt_tokens = (long)json_integer_value(json_object_get(usage, "prompt_tokens"));
    call->completion_tokens = (long)json_integer_value(json_object_get(usage, "completion_tokens"));
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, unsigned status,
                                    const char *type, const char *message, const char *retry_after)
{
    struct MHD_Response *response = json_response(standin_error(type, message));
    if (response && retry_after && *retry_after) {
        MHD_add_response_header(response, "Retry-After", retry_after);
    }
    return queue(connection, status, response);
}

static enum MHD_Result answer_turn(const struct server *server, struct MHD_Connection *connection,
                                   struct call *call, const json_t *request)
{
    const struct standin_turn *turn = &call->turn;
    if (turn->fault == FAULT_DOWN ||
        !wait_ms(server, connection, turn->fault == FAULT_HANG ? -1 : turn->wait_ms)) {
        return MHD_NO;
    }
    switch (turn->fault) {
    case FAULT_429:
        return answer_error(connection, 429, "rate_limit_exceeded", "Rate limit reached.",
                            turn->retry_after);
    case FAULT_500:
        return answer_error(connection, 500, "server_error", "The server had an error.", NULL);
    case FAULT_503:
        return answer_error(connection, 503, "server_error", "The engine is overloaded.",
                            turn->retry_after);
    case FAULT_GARBAGE:
        return queue(connection, 200, text_response(strdup("<html><body>\x01It works!</body>")));
    default:
        break;
    }
    json_t *completion = standin_completion(request, turn->fault, turn->seed);
    if (turn->fault == FAULT_HALF) {
        return queue(connection, 200, half_response(completion));
    }
    usage_of(call, completion);
    return queue(connection, 200, json_response(completion));
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

// Never the token itself.
static bool is_authorized(const struct server *server, struct MHD_Connection *connection)
{
    const char *given = header(connection, "Authorization");
    bool bearer = given && strncmp(given, "Bearer ", 7) == 0 && given[7];
    return server->key ? bearer && strcmp(given + 7, server->key) == 0 : true;
}

// Takes a reference of the request.
static json_t *record_of(const struct server *server, struct MHD_Connection *connection,
                         const struct call *call, json_t *request)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:s?, s:s?, s:O}", "schema", call->schema, "fault",
                     standin_fault_name(call->turn.fault), "has_key",
                     header(connection, "Authorization") != NULL, "authorized",
                     is_authorized(server, connection), "traceparent",
                     header(connection, "traceparent"), "correlation_id",
                     header(connection, "X-Correlation-ID"), "body", request);
}

static enum MHD_Result chat_completions(const struct server *server,
                                        struct MHD_Connection *connection, struct call *call)
{
    json_t *request = json_loadb(call->body.bytes ? call->body.bytes : "", call->body.len, 0, NULL);
    enum MHD_Result result;
    if (!json_is_object(request) || json_array_size(json_object_get(request, "messages")) == 0) {
        json_decref(request);
        return answer_error(connection, 400, "invalid_request_error",
                            "The body must be a JSON object with messages.", NULL);
    }
    snprintf(call->schema, sizeof(call->schema), "%s", standin_schema_name(request));
    call->turn = standin_state_begin(server->state, call->schema);
    call->begun = true;
    call->record = record_of(server, connection, call, request);
    result = is_authorized(server, connection)
                 ? answer_turn(server, connection, call, request)
                 : answer_error(connection, 401, "invalid_request_error",
                                "Incorrect API key provided.", NULL);
    json_decref(request);
    return result;
}

static enum MHD_Result put_control(const struct server *server, struct MHD_Connection *connection,
                                   const struct call *call)
{
    char problem[256];
    json_t *settings =
        json_loadb(call->body.bytes ? call->body.bytes : "", call->body.len, 0, NULL);
    bool right = standin_state_apply(server->state, settings, problem, sizeof(problem));
    json_decref(settings);
    return right ? queue(connection, 200, json_response(standin_state_json(server->state)))
                 : answer_error(connection, 400, "invalid_request_error", problem, NULL);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static enum MHD_Result route(const struct server *server, struct MHD_Connection *connection,
                             struct call *call, const char *url, const char *method)
{
    bool gets = strcmp(method, "GET") == 0;
    if (call->body.too_long) {
        return answer_error(connection, 413, "invalid_request_error", "The body is too long.",
                            NULL);
    }
    if (strcmp(method, "POST") == 0 && ends_with(url, "/chat/completions")) {
        return chat_completions(server, connection, call);
    }
    if (gets && strcmp(url, "/control") == 0) {
        return queue(connection, 200, json_response(standin_state_json(server->state)));
    }
    if (strcmp(method, "PUT") == 0 && strcmp(url, "/control") == 0) {
        return put_control(server, connection, call);
    }
    if (gets && strcmp(url, "/requests") == 0) {
        return queue(connection, 200, json_response(standin_state_requests(server->state)));
    }
    return answer_error(connection, 404, "invalid_request_error", "There is nothing here.", NULL);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **slot)
{
    struct call *call = *slot;
    (void)version;
    if (!call) {
        *slot = call = calloc(1, sizeof(*call));
        return call ? MHD_YES : MHD_NO;
    }
    if (*upload_len > 0) {
        standin_body_take(&call->body, upload, *upload_len, BODY_BYTES_MAX);
        *upload_len = 0;
        return MHD_YES;
    }
    return route(arg, connection, call, url, method);
}

// Tokens count where the client got the answer.
static void completed(void *arg, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode how)
{
    const struct server *server = arg;
    struct call *call = *slot;
    bool sent = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    (void)connection;
    if (call && call->begun) {
        standin_state_end(server->state, call->schema, sent ? call->prompt_tokens : 0,
                          sent ? call->completion_tokens : 0, call->record);
    }
    if (call) {
        standin_body_done(&call->body);
        free(call);
    }
    *slot = NULL;
}

static struct MHD_Daemon *start(struct server *server, const char *listen_on)
{
    struct sockaddr_storage address;
    if (!standin_address(listen_on, &address)) {
        fprintf(stderr, "llm-standin: --listen: \"%s\" is no loopback HOST:PORT\n", listen_on);
        return NULL;
    }
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION;
    flags |= address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_NOTIFY_COMPLETED, completed, server,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "llm-standin: cannot listen on %s: %s\n", listen_on, strerror(errno));
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    printf("llm-standin listens on http://%.*s:%u/v1\n", (int)(strrchr(listen_on, ':') - listen_on),
           listen_on, info ? info->port : 0u);
    fflush(stdout);
    return daemon;
}

// "--latency-ms 200" is {"latency_ms": 200}.
static void take_setting(json_t *settings, const char *flag, const char *value)
{
    char key[64];
    bool is_text =
        strcmp(flag, "fault") == 0 || strcmp(flag, "retry-after") == 0 || strcmp(flag, "only") == 0;
    json_t *number = is_text ? NULL : json_loads(value, JSON_DECODE_ANY, NULL);
    snprintf(key, sizeof(key), "%s", flag);
    for (char *c = key; *c; c++) {
        *c = *c == '-' ? '_' : *c;
    }
    json_object_set_new(settings, key, number ? number : json_string(value));
}

static bool take_flags(struct server *server, const char **listen_on, int argc, char **argv)
{
    char problem[256];
    json_t *settings = json_object();
    bool right = true;
    for (int i = 1; i < argc && right; i += 2) {
        if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc) {
            fprintf(stderr, "llm-standin: \"%s\" is no flag with a value; --help lists them\n",
                    argv[i]);
            right = false;
        } else if (strcmp(argv[i], "--listen") == 0) {
            *listen_on = argv[i + 1];
        } else if (strcmp(argv[i], "--key") == 0) {
            server->key = argv[i + 1];
        } else {
            take_setting(settings, argv[i] + 2, argv[i + 1]);
        }
    }
    if (right && !standin_state_apply(server->state, settings, problem, sizeof(problem))) {
        fprintf(stderr, "llm-standin: %s\n", problem);
        right = false;
    }
    json_decref(settings);
    return right;
}

static int serve(struct server *server, const char *listen_on)
{
    sigset_t signals;
    int number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before MHD's threads, which inherit it
    struct MHD_Daemon *daemon = start(server, listen_on);
    if (!daemon) {
        return 1;
    }
    sigwait(&signals, &number);
    (void)eventfd_write(server->stop, 1);
    MHD_stop_daemon(daemon);
    return 0;
}

int main(int argc, char **argv)
{
    struct server server = { standin_state_new(), NULL, eventfd(0, EFD_CLOEXEC) };
    const char *listen_on = "127.0.0.1:0";
    int status = 2;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        status = fputs(help, stdout) < 0;
    } else if (!server.state || server.stop < 0) {
        fputs("llm-standin: out of memory or descriptors\n", stderr);
    } else if (take_flags(&server, &listen_on, argc, argv)) {
        status = serve(&server, listen_on);
    }
    standin_state_free(server.state);
    if (server.stop >= 0) {
        close(server.stop);
    }
    return status;
}
