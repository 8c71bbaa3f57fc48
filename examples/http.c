// An HTTP service on libmicrohttpd, seen whole: latency and count by route, one log line a request,
// correlation ids, and /metrics on the admin port.
//
//     http [PORT [ADMIN]]        as in: http 8080 127.0.0.1:8000; port 0 takes a free one

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <spyglass/spyglass.h>
#include <spyglass_mhd.h>

static void text(struct spy_mhd_request *request, int status, const char *body)
{
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = status,
                                                      .content_type = "text/plain; charset=utf-8",
                                                      .body = body,
                                                      .body_len = strlen(body) });
}

static void echo(struct spy_mhd_request *request)
{
    size_t len;
    const char *body = spy_mhd_body(request, &len);
    char *copy = malloc(len + 1);
    if (!copy) {
        spy_mhd_fail(request, "no_memory", "no memory for the echo");
        return;
    }
    memcpy(copy, body, len);
    spy_info("echoed", spy_uint("bytes", len)); // carries the request's id, path and method
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = 200,
                                                      .content_type = "application/octet-stream",
                                                      .body = copy,
                                                      .body_len = len,
                                                      .release = free,
                                                      .release_arg = copy });
}

static int on_request(void *arg, struct spy_mhd_request *request)
{
    const char *path = spy_mhd_path(request);
    (void)arg;
    if (strcmp(path, "/hello") == 0) {
        spy_mhd_route(request, "/hello");
        text(request, 200, "hello, world\n");
    } else if (strcmp(path, "/echo") == 0) {
        spy_mhd_route(request, "/echo");
        echo(request);
    } else if (strcmp(path, "/broken") == 0) {
        spy_mhd_route(request, "/broken");
        return -EIO; // a failure: the client gets 500, the log request_failed with a traceback
    } else {
        text(request, 404, "no such page\n"); // counted under the route `unmatched`
    }
    return 0;
}

static struct MHD_Daemon *listen_on(unsigned short port, struct spy_mhd *app)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                            spy_mhd_access, app, MHD_OPTION_ARRAY, spy_mhd_daemon_options(app),
                            MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_END);
}

static int serve(unsigned short port, struct spy_mhd *app, const sigset_t *ends)
{
    int signal_number;
    struct MHD_Daemon *daemon = listen_on(port, app);
    if (!daemon) {
        fprintf(stderr, "http: port %d cannot be used\n", port);
        return 1;
    }
    port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    fprintf(stderr, "listening on %d, metrics on %d\n", port, spy_admin_port());
    spy_ready(1);
    sigwait(ends, &signal_number);

    MHD_socket listener = MHD_quiesce_daemon(daemon); // no new connections
    int rc = spy_mhd_drain(app, 5000);                // what was accepted is answered
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
    pthread_sigmask(SIG_BLOCK, &ends, NULL); // before any thread starts: sigwait() gets them
    signal(SIGPIPE, SIG_IGN);

    if (spy_start(&(struct spy_options){ .service = "http",
                                         .admin = argc > 2 ? argv[2] : "127.0.0.1:8000" }) != 0) {
        fprintf(stderr, "http: %s\n", spy_start_error());
        return 1;
    }
    if (spy_mhd_new(&app, &(struct spy_mhd_options){ .on_request = on_request }) != 0) {
        return 1;
    }
    int status = serve((unsigned short)(argc > 1 ? strtoul(argv[1], NULL, 10) : 8080), app, &ends);
    spy_mhd_free(app);
    return spy_stop(1000) == 0 ? status : 1;
}
