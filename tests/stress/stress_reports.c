// Profiles of requests (?profile=) under ThreadSanitizer: threads that work for requests and have
// their reports written and kept, while others ask the admin port for kept reports, for slow requests
// and for the history, and one for all of the process. As in stress_profile.c, the handler is called
// directly, in each thread. At the end the library stops while requests are still profiled.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "profile/watch.h"
#include "profile/workers.h"
#include "spyglass/spyglass.h"
#include "tests/integration/profile_ask.h"

#define REQUESTERS 3
#define ASKERS 3
#define REQUESTS_MIN 40 // of each thread
#define LASTS_NS UINT64_C(2000000000)

static struct spy_operation step = { .name = "step" };
static atomic_bool stopping, over;
static atomic_ulong profiled, kept, found, failed;

// As the signal handler does.
static void sample(void)
{
    struct spy__worker *self = spy__worker_self();
    if (self) {
        spy__watch_take(self, 1000000, (uintptr_t)sample);
    }
}

static void *help(void *context)
{
    struct spy_context_scope scope = spy_context_attach(context);
    struct spy_span span = spy_begin(&step);
    sample();
    spy_end(&span, SPY_SUCCESS);
    spy_context_detach(scope);
    spy_context_release(context);
    return NULL;
}

static void request(unsigned i)
{
    static const char *const values[] = { "2,html", "2,cpu,folded", "2,pprof", "2,speedscope" };
    char id[16];
    struct spy_http_report report = { .body_len = 0 };
    pthread_t helper;
    (void)snprintf(id, sizeof(id), "request-%u", i % 50);
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .correlation_id = id });
    const int begun = profile_ask(http, values[i % 4]);
    const bool helped = pthread_create(&helper, NULL, help, spy_context_capture()) == 0;
    spy_info("working", spy_int("i", i));
    sample();
    if (helped) {
        pthread_join(helper, NULL);
    }
    if (spy_http_profile_end(http, 200, &report) == 0) {
        profiled++;
        kept += report.address[0] != '\0';
        free(report.body);
    } else {
        failed += begun == 0 && !stopping;
    }
    spy_http_answered(http, 200, report.body_len);
    spy_http_end(http);
}

static void *send_requests(void *arg)
{
    const uint64_t until_ns = spy__monotonic_ns() + LASTS_NS;
    (void)arg;
    for (unsigned i = 0; i < REQUESTS_MIN || spy__monotonic_ns() < until_ns; i++) {
        request(i);
    }
    return NULL;
}

static void *send_until_over(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !over; i++) {
        request(i);
    }
    return NULL;
}

// Whether the admin server has that.
static bool get(const char *path)
{
    char text[4096];
    struct sockaddr_in admin = { .sin_family = AF_INET,
                                 .sin_port = htons(spy_admin_port()),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = false;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&admin, sizeof(admin)) == 0) {
        int n = snprintf(text, sizeof(text),
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
        if (write(fd, text, (size_t)n) == n && read(fd, text, sizeof(text)) > 12) {
            is_there = memcmp(text, "HTTP/1.1 200", 12) == 0;
        }
        while (read(fd, text, sizeof(text)) > 0) {
        }
    }
    (void)close(fd);
    return is_there;
}

static void *look(void *arg)
{
    static const char *const paths[] = { "/debug/profiles/request-%u", "/debug/slow/request-%u",
                                         "/debug/slow?%u", "/debug/flamegraph?from=%u",
                                         "/debug/pprof/folded?from=%u" };
    (void)arg;
    for (unsigned i = 0; i < 5 || !stopping; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), paths[i % 5], i % 50);
        found += get(path);
    }
    return NULL;
}

static void *profile_process(void *arg)
{
    (void)arg;
    while (!stopping) {
        found += get("/debug/flamegraph?seconds=1&profile=2,html");
    }
    return NULL;
}

static void join(pthread_t *threads, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    pthread_t requesters[REQUESTERS], askers[ASKERS];
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (spy_start(&(struct spy_options){ .log_fd = nowhere,
                                         .admin = "127.0.0.1:0",
                                         .trace_slow_ms = 1,
                                         .profiling = SPY_PROFILING_CONTINUOUS,
                                         .profiling_hz = 1 }) != 0) {
        (void)fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    for (unsigned i = 0; i < REQUESTERS; i++) {
        (void)pthread_create(&requesters[i], NULL, send_requests, NULL);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        (void)pthread_create(&askers[i], NULL, i == 0 ? profile_process : look, NULL);
    }
    join(requesters, REQUESTERS);
    for (unsigned i = 0; i < REQUESTERS; i++) {
        (void)pthread_create(&requesters[i], NULL, send_until_over, NULL);
    }
    stopping = true;
    join(askers, ASKERS);
    const int stopped = spy_stop(20000);
    over = true;
    join(requesters, REQUESTERS);
    (void)close(nowhere);
    printf("%lu profiled, %lu kept, %lu found, %lu failed\n", profiled, kept, found, failed);
    return stopped != 0 || failed > 0 || found == 0 || kept < REQUESTERS * (unsigned)REQUESTS_MIN;
}
