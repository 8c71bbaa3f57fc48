// notify-standin: takes the notifications that Alertmanager sends to Slack, to PagerDuty and to a
// webhook, for demos and tests. It answers as these services do, prints each notification as one
// line, and keeps the latest ones for GET /received: see --help. It listens on loopback alone.
//
// One thread serves all connections, so that nothing here is locked.

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/notice.h"
#include "tools/standin_http.h"

// Alertmanager's messages have a few KiB; what is kept stays below KEPT_MAX times this.
#define BODY_BYTES_MAX (128u << 10)
#define KEPT_MAX 256
#define CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_S 60

static const char help[] =
    "usage: notify-standin [--listen HOST:PORT]\n"
    "\n"
    "A stand-in for the services that Alertmanager notifies. Prints its address, then one line "
    "for\n"
    "each notification.\n"
    "\n"
    "  --listen HOST:PORT  loopback address; port 0 takes a free one [127.0.0.1:0]\n"
    "\n"
    "  POST /slack                 a Slack webhook: 200 \"ok\"\n"
    "  POST /pagerduty/v2/enqueue  PagerDuty's Events API v2: 202\n"
    "  POST /webhook               Alertmanager's own form: 200\n"
    "                              what does not have the service's form gets 400 and why\n"
    "  GET /received               the latest 256 as JSON, oldest first, and how many came in all\n"
    "  DELETE /received            forgets them\n"
    "  GET /healthz                200\n";

struct server {
    json_t *kept; // an array of at most KEPT_MAX, oldest first
    json_int_t received, refused;
};

// One request. MHD keeps it from the first call of the handler to `completed`.
struct call {
    struct standin_body body;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;
    if (response) {
        MHD_add_response_header(response, "Content-Type", type);
        result = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
    }
    return result;
}

// Takes the value. Without memory, the connection is closed.
static enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned status, json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    enum MHD_Result result = text ? answer(connection, status, "application/json", text) : MHD_NO;
    free(text);
    json_decref(root);
    return result;
}

static void print_line(const char *line)
{
    char when[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &parts));
    printf("%s %s\n", when, line);
    fflush(stdout);
}

static void keep(struct server *server, const char *to, const char *line, json_t *body)
{
    if (json_array_size(server->kept) == KEPT_MAX) {
        json_array_remove(server->kept, 0);
    }
    json_array_append_new(server->kept,
                          json_pack("{s:I, s:I, s:s, s:s, s:O}", "number", ++server->received,
                                    "received_at", (json_int_t)time(NULL), "to", to, "line", line,
                                    "body", body));
}

// As the real service answers: line is what was wrong, or nothing where ok.
static enum MHD_Result answer_as(enum notice_kind kind, struct MHD_Connection *connection, bool ok,
                                 const char *line, const json_t *body)
{
    const char *key = json_string_value(json_object_get(body, "dedup_key"));
    if (kind == NOTICE_SLACK) {
        return answer(connection, ok ? 200 : 400, "text/plain", ok ? "ok" : line);
    }
    if (kind == NOTICE_WEBHOOK) {
        return answer_json(connection, ok ? 200 : 400,
                           json_pack("{s:s}", "status", ok ? "ok" : line));
    }
    return ok ? answer_json(connection, 202,
                            json_pack("{s:s, s:s, s:s}", "status", "success", "message",
                                      "Event processed", "dedup_key", key ? key : "stand-in"))
              : answer_json(connection, 400,
                            json_pack("{s:s, s:s, s:[s]}", "status", "invalid event", "message",
                                      "Event object is invalid", "errors", line));
}

static enum MHD_Result take(struct server *server, struct MHD_Connection *connection,
                            const struct call *call, enum notice_kind kind, const char *to)
{
    char line[NOTICE_LINE_BYTES];
    json_t *body = json_loadb(call->body.bytes ? call->body.bytes : "", call->body.len, 0, NULL);
    bool ok = notice_read(kind, body, line);
    if (ok) {
        keep(server, to, line, body);
        print_line(line);
    } else {
        char refusal[NOTICE_LINE_BYTES + 32];
        server->refused++;
        snprintf(refusal, sizeof(refusal), "Refused, to %s: %s", to, line);
        print_line(refusal);
    }
    enum MHD_Result result = answer_as(kind, connection, ok, line, body);
    json_decref(body);
    return result;
}

static enum MHD_Result answer_received(struct server *server, struct MHD_Connection *connection,
                                       const char *method)
{
    if (strcmp(method, "DELETE") == 0) {
        json_array_clear(server->kept);
        server->received = server->refused = 0;
    } else if (strcmp(method, "GET") != 0) {
        return answer(connection, 405, "text/plain", "GET or DELETE.\n");
    }
    return answer_json(connection, 200,
                       json_pack("{s:I, s:I, s:O}", "received", server->received, "refused",
                                 server->refused, "notifications", server->kept));
}

static enum MHD_Result route(struct server *server, struct MHD_Connection *connection,
                             const struct call *call, const char *url, const char *method)
{
    static const struct {
        const char *url, *name;
        enum notice_kind kind;
    } services[] = {
        { "/slack", "slack", NOTICE_SLACK },
        { "/pagerduty/v2/enqueue", "pagerduty", NOTICE_PAGERDUTY },
        { "/webhook", "webhook", NOTICE_WEBHOOK },
    };

    if (call->body.too_long) {
        return answer(connection, 413, "text/plain", "The body is too long.\n");
    }
    if (strcmp(url, "/received") == 0) {
        return answer_received(server, connection, method);
    }
    if (strcmp(url, "/healthz") == 0) {
        return answer(connection, 200, "text/plain", "ok\n");
    }
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (strcmp(url, services[i].url) == 0) {
            return strcmp(method, "POST") == 0
                       ? take(server, connection, call, services[i].kind, services[i].name)
                       : answer(connection, 405, "text/plain", "POST alone.\n");
        }
    }
    return answer(connection, 404, "text/plain", "There is nothing here.\n");
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

static void completed(void *arg, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode how)
{
    struct call *call = *slot;
    (void)arg, (void)connection, (void)how;
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
        fprintf(stderr, "notify-standin: --listen: \"%s\" is no loopback HOST:PORT\n", listen_on);
        return NULL;
    }
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD;
    flags |= address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "notify-standin: cannot listen on %s: %s\n", listen_on, strerror(errno));
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    printf("notify-standin listens on http://%.*s:%u\n", (int)(strrchr(listen_on, ':') - listen_on),
           listen_on, info ? info->port : 0u);
    fflush(stdout);
    return daemon;
}

static int serve(const char *listen_on)
{
    struct server server = { .kept = json_array() };
    sigset_t signals;
    int number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before MHD's thread, which inherits it
    struct MHD_Daemon *daemon = server.kept ? start(&server, listen_on) : NULL;
    if (daemon) {
        sigwait(&signals, &number);
        MHD_stop_daemon(daemon);
    }
    json_decref(server.kept);
    return daemon ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return fputs(help, stdout) < 0;
    }
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--listen") != 0)) {
        fputs(help, stderr);
        return 2;
    }
    return serve(argc == 3 ? argv[2] : "127.0.0.1:0");
}
