#include "profile_unused.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "paired.h"
#include "request.h" // of the adaptor
#include "spyglass/spyglass.h"

enum {
    REQUESTS = 20, // a turn: a millisecond
    RATIOS = 300,
    SILENCE_MS = 600000, // a machine that stands still for a while does not cut the connection
};

static const char asked[] = "GET /hello?page=2&order=new HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            "User-Agent: bench\r\nAccept: */*\r\n\r\n";
static const char body[] = "hello\n";

struct client {
    int fd;
    struct spy_mhd *app;
};

static void require(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static double process_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int on_request(void *arg, struct spy_mhd_request *request)
{
    (void)arg;
    spy_mhd_route(request, "/hello");
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = 200,
                                                      .content_type = "text/plain",
                                                      .body = body,
                                                      .body_len = sizeof(body) - 1 });
    return 0;
}

// Between two requests nobody else looks at it; the next one's bytes carry it over.
static void turn(void *arg, bool on)
{
    const struct client *client = arg;
    client->app->options.profiles = on ? SPY_HTTP_PROFILES_LOOPBACK : SPY_HTTP_PROFILES_OFF;
}

static void ask(const struct client *client)
{
    char answer[1024];
    size_t n = 0;
    require(write(client->fd, asked, sizeof(asked) - 1) == (ssize_t)sizeof(asked) - 1, "write");
    do { // until its body is there
        ssize_t got = read(client->fd, answer + n, sizeof(answer) - n);
        require(got > 0, "read");
        n += (size_t)got;
    } while (n < sizeof(body) || memcmp(answer + n - (sizeof(body) - 1), body, sizeof(body) - 1));
}

static void run(void *arg, bool on)
{
    (void)on;
    for (unsigned i = 0; i < REQUESTS; i++) {
        ask(arg);
    }
}

static struct MHD_Daemon *serve(struct spy_mhd *app)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, spy_mhd_access, app,
                            MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_ARRAY,
                            spy_mhd_daemon_options(app), MHD_OPTION_END);
}

static int connect_to(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(info ? info->port : 0),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), at_once = 1;
    require(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
    return fd;
}

void profile_unused(void)
{
    struct client client;
    struct paired result;
    const struct paired_work requests = { turn, run, process_cpu_ns, &client };
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    require(nowhere >= 0, "/dev/null");
    if (spy_start(&(struct spy_options){ .service = "bench", .log_fd = nowhere }) != 0 ||
        spy_mhd_new(&client.app, &(struct spy_mhd_options){ .on_request = on_request,
                                                            .receive_timeout_ms = SILENCE_MS }) !=
            0) {
        (void)fprintf(stderr, "%s\n", spy_start_error());
        exit(1);
    }
    struct MHD_Daemon *daemon = serve(client.app);
    require(daemon != NULL, "MHD_start_daemon");
    client.fd = connect_to(daemon);
    paired_run(&result, &requests, RATIOS);
    bench_print("request_http_us", result.off_ns / REQUESTS / 1e3, "us", -1);
    paired_print("unused_cost", &result, 0);
    (void)close(client.fd);
    MHD_stop_daemon(daemon);
    spy_mhd_free(client.app);
    (void)spy_stop(1000);
    (void)close(nowhere);
}
