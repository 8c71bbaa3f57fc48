// A service for test_mhd.py: each path shows one thing that a handler may do. It takes free ports,
// says which in its first line on stderr, and ends in order on SIGTERM. Arguments: receive timeout
// in ms, largest body, largest drain.

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <spyglass/spyglass.h>
#include <spyglass_mhd.h>

enum { WORKERS = 4, QUEUE_MAX = 256 };

// Requests that wait for a worker, and those that are held until somebody asks for their release.
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct spy_mhd_request *queue[QUEUE_MAX];
static unsigned queued; // guarded by mu
static struct spy_mhd_request *held[QUEUE_MAX];
static unsigned held_count; // guarded by mu
static int ending;          // guarded by mu

static void answer(struct spy_mhd_request *request, int status, const char *body)
{
    char *copy = strdup(body);
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = status,
                                                      .content_type = "text/plain",
                                                      .body = copy,
                                                      .body_len = copy ? strlen(copy) : 0,
                                                      .release = free,
                                                      .release_arg = copy });
}

static void *worker(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&mu);
        while (queued == 0 && !ending) {
            pthread_cond_wait(&changed, &mu);
        }
        struct spy_mhd_request *request = queued > 0 ? queue[--queued] : NULL;
        pthread_mutex_unlock(&mu);
        if (!request) {
            return NULL;
        }
        spy_mhd_enter(request);
        spy_info("worked");
        if (spy_mhd_query(request, "fail", NULL)) {
            spy_mhd_fail(request, "timeout", "the worker gave up");
        } else {
            answer(request, 200, spy_correlation_id());
        }
    }
}

// Deferring comes first: the thread that finds the request in the list may answer it at once.
static int defer_to(struct spy_mhd_request **list, unsigned *count, struct spy_mhd_request *request)
{
    spy_mhd_defer(request);
    pthread_mutex_lock(&mu);
    list[(*count)++] = request;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
    return 0;
}

static unsigned release_all(void)
{
    pthread_mutex_lock(&mu);
    unsigned n = held_count;
    for (unsigned i = 0; i < n; i++) {
        answer(held[i], 200, "released");
    }
    held_count = 0;
    pthread_mutex_unlock(&mu);
    return n;
}

static int on_release(struct spy_mhd_request *request)
{
    char text[32];
    snprintf(text, sizeof(text), "%u", release_all());
    answer(request, 200, text);
    return 0;
}

static int on_held(struct spy_mhd_request *request)
{
    char text[32];
    pthread_mutex_lock(&mu);
    snprintf(text, sizeof(text), "%u", held_count);
    pthread_mutex_unlock(&mu);
    answer(request, 200, text);
    return 0;
}

static int on_big(struct spy_mhd_request *request)
{
    const char *n = spy_mhd_query(request, "n", NULL);
    size_t len = n ? strtoul(n, NULL, 10) : 0;
    char *body = malloc(len + 1);
    if (!body) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < len; i++) {
        body[i] = (char)('a' + i % 23);
    }
    spy_mhd_answer(
        request,
        &(struct spy_mhd_answer){
            .status = 200, .body = body, .body_len = len, .release = free, .release_arg = body });
    return 0;
}

static int on_echo(struct spy_mhd_request *request)
{
    size_t len;
    const char *body = spy_mhd_body(request, &len);
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = 200,
                                                      .content_type = "application/octet-stream",
                                                      .body = body, // lives as long as the request
                                                      .body_len = len });
    return 0;
}

static int on_query(struct spy_mhd_request *request)
{
    size_t len = 0;
    const char *value = spy_mhd_query(request, "q", &len);
    char text[256];
    snprintf(text, sizeof(text), "%s %zu [%s]", spy_mhd_path(request), len,
             value ? value : "(absent)");
    answer(request, 200, text);
    return 0;
}

static int on_headers_answer(struct spy_mhd_request *request)
{
    static const char body[] = "with headers";
    spy_mhd_answer(request,
                   &(struct spy_mhd_answer){ .status = 200,
                                             .content_type = "text/plain",
                                             .body = body,
                                             .body_len = sizeof(body) - 1,
                                             .headers = { { "X-Good", "yes" },
                                                          { "X-Split", "a\r\nX-Injected: b" },
                                                          { "X-Also", "yes" } } });
    return 0;
}

static int on_twice(struct spy_mhd_request *request)
{
    answer(request, 200, "first");
    answer(request, 500, "second");
    return -EIO; // too late: the answer is decided
}

static int on_status(struct spy_mhd_request *request)
{
    const char *status = spy_mhd_query(request, "is", NULL);
    answer(request, status ? (int)strtol(status, NULL, 10) : 200, "a body");
    return 0;
}

static int on_fail(struct spy_mhd_request *request)
{
    (void)request;
    return -EIO;
}

static int on_named_failure(struct spy_mhd_request *request)
{
    spy_mhd_fail(request, "bad_answer", "the model said \"nothing\"");
    return 0;
}

static int on_own_failure(struct spy_mhd_request *request)
{
    spy_http_fail(spy_mhd_http(request), "timeout", "no answer in 10 s");
    answer(request, 504, "{\"code\":\"timeout\"}");
    return 0;
}

static int on_silent(struct spy_mhd_request *request)
{
    (void)request;
    return 0;
}

static int on_hello(struct spy_mhd_request *request)
{
    spy_info("nested", spy_str("answer", "hello"));
    answer(request, 200, "hello");
    return 0;
}

static int on_deferred(struct spy_mhd_request *request)
{
    return defer_to(queue, &queued, request);
}

static int on_hold(struct spy_mhd_request *request)
{
    return defer_to(held, &held_count, request);
}

static const struct route {
    const char *path;
    int (*run)(struct spy_mhd_request *request);
} routes[] = {
    { "/hello", on_hello },    { "/big", on_big },           { "/echo", on_echo },
    { "/query", on_query },    { "/twice", on_twice },       { "/headers", on_headers_answer },
    { "/status", on_status },  { "/fail", on_fail },         { "/named-failure", on_named_failure },
    { "/silent", on_silent },  { "/deferred", on_deferred }, { "/own-failure", on_own_failure },
    { "/hold", on_hold },      { "/held", on_held },         { "/release", on_release },
    { "/refused", on_silent },
};

static const struct route *find(const struct spy_mhd_request *request)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(spy_mhd_path(request), routes[i].path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

static int on_headers(void *arg, struct spy_mhd_request *request)
{
    (void)arg;
    const struct route *route = find(request);
    if (route) {
        spy_mhd_route(request, route->path);
        spy_mhd_set_data(request, (void *)route);
    }
    if (route && strcmp(route->path, "/refused") == 0) {
        answer(request, 403, "refused before the body");
    }
    return 0;
}

static int on_request(void *arg, struct spy_mhd_request *request)
{
    (void)arg;
    const struct route *route = spy_mhd_data(request);
    if (!route) {
        answer(request, 404, "no such path");
        return 0;
    }
    return route->run(request);
}

static unsigned long argument(int argc, char **argv, int i)
{
    return argc > i ? strtoul(argv[i], NULL, 10) : 0;
}

static int register_many(unsigned long series)
{
    struct spy_counter family;
    int rc =
        spy_counter_register(&family, &(struct spy_metric){ .name = "many_total",
                                                            .help = "As many series as asked for",
                                                            .labels = SPY_LABELS("number"),
                                                            .series_max = (unsigned)series + 1 });
    for (unsigned long i = 0; rc == 0 && i < series; i++) {
        char number[128];
        snprintf(number, sizeof(number), "%0100lu", i);
        spy_counter_inc(spy_counter_with(family, number));
    }
    return rc;
}

static struct MHD_Daemon *listen_on_loopback(struct spy_mhd *app)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                            spy_mhd_access, app, MHD_OPTION_ARRAY, spy_mhd_daemon_options(app),
                            MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_SOCK_ADDR,
                            (struct sockaddr *)&address, MHD_OPTION_END);
}

static int serve(struct spy_mhd *app, struct MHD_Daemon *daemon, const sigset_t *ends)
{
    pthread_t workers[WORKERS];
    int signal_number;
    for (int i = 0; i < WORKERS; i++) {
        if (pthread_create(&workers[i], NULL, worker, NULL) != 0) {
            return 1;
        }
    }
    spy_ready(1);
    fprintf(stderr, "ports %d %d\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port,
            spy_admin_port());
    sigwait(ends, &signal_number);

    MHD_socket fd = MHD_quiesce_daemon(daemon);
    int early = spy_mhd_drain(app, 50); // what is held keeps it from ending
    fprintf(stderr, "held %u, drain %d\n", release_all(), early);
    int rc = spy_mhd_drain(app, 5000);
    pthread_mutex_lock(&mu);
    ending = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    MHD_stop_daemon(daemon);
    close(fd);
    return rc;
}

int main(int argc, char **argv)
{
    struct spy_mhd *app;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (spy_start(&(struct spy_options){ .service = "mhd_server",
                                         .admin = "127.0.0.1:0",
                                         .admin_token = "a token",
                                         .log_format = SPY_LOG_JSON }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    if (argument(argc, argv, 4) > 0 && register_many(argument(argc, argv, 4)) != 0) {
        return 1;
    }
    if (spy_mhd_new(&app, &(struct spy_mhd_options){ .on_request = on_request,
                                                     .on_headers = on_headers,
                                                     .receive_timeout_ms =
                                                         (unsigned)argument(argc, argv, 1),
                                                     .body_max = argument(argc, argv, 2),
                                                     .drain_max = argument(argc, argv, 3) }) != 0) {
        return 1;
    }
    struct MHD_Daemon *daemon = listen_on_loopback(app);
    if (!daemon) {
        return 1;
    }
    int rc = serve(app, daemon, &ends);
    spy_mhd_free(app);
    return spy_stop(2000) == 0 && rc == 0 ? 0 : 1;
}
