// An HTTP service that calls others, so that a trace goes through it: what a caller sent along
// (traceparent, tracestate, baggage, sentry-trace, X-Correlation-ID) reaches whom it calls.
//
//     relay [PORT [ADMIN]]        as in: relay 8080 127.0.0.1:8000; port 0 takes a free one
//
// POST /relay with [{"url": "http://…", "arguments": …}, …] posts each `arguments` to its `url`, one
// after another, and answers when all have answered. This is what the W3C's own test of trace
// context asks of a service (https://github.com/w3c/trace-context/tree/main/test).

#include <curl/curl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <spyglass/spyglass.h>
#include <spyglass_mhd.h>

static struct spy_operation outgoing = {
    .name = "outgoing_call",
    .seconds = { .name = "outgoing_call_seconds", .help = "Time spent in calls of others" },
    .failures = { .name = "outgoing_call_failures_total", .help = "Calls of others that failed" },
};

static void add_header(void *arg, const char *name, const char *value)
{
    struct curl_slist **headers = arg, *longer = NULL;
    char *line = NULL;
    if (asprintf(&line, "%s: %s", name, value) >= 0) {
        longer = curl_slist_append(*headers, line);
        free(line);
    }
    *headers = longer ? longer : *headers;
}

static size_t discard(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static CURLcode post(const char *url, const char *body)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *curl = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (curl && headers) {
        spy_propagate(add_header, &headers); // the innermost span is the callee's parent
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
        code = curl_easy_perform(curl);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return code;
}

static int relay_one(const json_t *call)
{
    const char *url = json_string_value(json_object_get(call, "url"));
    char *body = json_dumps(json_object_get(call, "arguments"), JSON_ENCODE_ANY);
    if (!url || !body) {
        free(body);
        return 400;
    }
    struct spy_span span = spy_begin(&outgoing);
    CURLcode code = post(url, body);
    spy_end(&span,
            code == CURLE_OK ? SPY_SUCCESS : spy_failure("refused", curl_easy_strerror(code)));
    free(body);
    return code == CURLE_OK ? 200 : 502;
}

static int on_request(void *arg, struct spy_mhd_request *request)
{
    size_t len, i;
    int status = 200;
    json_t *call, *calls;
    (void)arg;
    spy_mhd_route(request, "/relay");
    const char *body = spy_mhd_body(request, &len);
    calls = json_loadb(body, len, 0, NULL);
    if (!json_is_array(calls)) {
        status = 400;
    }
    json_array_foreach(calls, i, call)
    {
        int one = relay_one(call);
        status = one > status ? one : status;
    }
    json_decref(calls);
    spy_mhd_answer(request, &(struct spy_mhd_answer){
                                .status = status,
                                .content_type = "application/json",
                                .body = "{}\n",
                                .body_len = 3,
                            });
    return 0;
}

// A thread a connection: a handler waits for whom it calls, and that may be this service itself.
static struct MHD_Daemon *listen_on(unsigned short port, struct spy_mhd *app)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                                MHD_USE_POLL,
                            0, NULL, NULL, spy_mhd_access, app, MHD_OPTION_ARRAY,
                            spy_mhd_daemon_options(app), MHD_OPTION_CONNECTION_LIMIT, 64u,
                            MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_END);
}

static int serve(unsigned short port, struct spy_mhd *app, const sigset_t *ends)
{
    int signal_number;
    struct MHD_Daemon *daemon = listen_on(port, app);
    if (!daemon) {
        fprintf(stderr, "relay: port %d cannot be used\n", port);
        return 1;
    }
    port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    fprintf(stderr, "listening on %d, metrics on %d\n", port, spy_admin_port());
    spy_ready(1);
    sigwait(ends, &signal_number);

    MHD_socket listener = MHD_quiesce_daemon(daemon);
    int rc = spy_mhd_drain(app, 5000);
    MHD_stop_daemon(daemon);
    close(listener);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct spy_mhd *app;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return 1;
    }
    if (spy_start(&(struct spy_options){ .service = "relay",
                                         .admin = argc > 2 ? argv[2] : "127.0.0.1:8000" }) != 0) {
        fprintf(stderr, "relay: %s\n", spy_start_error());
        return 1;
    }
    if (spy_mhd_new(&app, &(struct spy_mhd_options){ .on_request = on_request }) != 0) {
        return 1;
    }
    int status = serve((unsigned short)(argc > 1 ? strtoul(argv[1], NULL, 10) : 8080), app, &ends);
    spy_mhd_free(app);
    return spy_stop(1000) == 0 ? status : 1;
}
