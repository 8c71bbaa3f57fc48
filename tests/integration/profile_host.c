// A service to be profiled: profile_host [token], for who may have a profile of a request. A thread a connection, so that requests run side by
// side; it takes free ports, says which in its first line on stderr, and ends in order on SIGTERM.
//
//     /own/N    CPU time in own_N(): three parts in busy_a(), one in busy_b(); ?ms=
//     /thread   the same in own_thread(), on a thread that attaches the request's context
//     /sleep    the operation "nap" sleeps for ?ms=
//     /fail     the handler fails after some CPU time
//     /missing  404

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <spyglass/spyglass.h>
#include <spyglass_mhd.h>

#define NS_PER_MS UINT64_C(1000000)

static struct spy_operation nap = {
    .name = "nap",
    .seconds = { "nap_seconds", "Time asleep" },
};

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#define SPIN(ns)                                                                                   \
    do {                                                                                           \
        for (uint64_t end_ns = cpu_ns() + (ns); cpu_ns() < end_ns;) {                              \
            for (volatile unsigned i = 0; i < 20000; i++) {                                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

// Each one a frame of its own: neither inlined nor left by a jump.
#define OWN_FRAME __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))
#if defined(__clang__)
#undef OWN_FRAME
#define OWN_FRAME __attribute__((noinline, disable_tail_calls))
#endif

static const char *volatile last; // what differs between them: equal functions may become one

OWN_FRAME static void busy_a(uint64_t ns)
{
    last = "busy_a";
    SPIN(ns);
}

OWN_FRAME static void busy_b(uint64_t ns)
{
    last = "busy_b";
    SPIN(ns);
}

// In steps of no fixed length, so that they do not keep step with the sampler's clock.
OWN_FRAME static void busy(uint64_t ms)
{
    const uint64_t end_ns = cpu_ns() + ms * NS_PER_MS;
    for (uint32_t seed = 1; cpu_ns() < end_ns;) {
        seed = seed * 1664525u + 1013904223u; // Numerical Recipes' generator
        uint64_t step_ns = NS_PER_MS / 2 + (seed >> 8) % (2 * NS_PER_MS);
        busy_a(3 * step_ns);
        busy_b(1 * step_ns);
    }
}

#define OWN(n)                                                                                     \
    OWN_FRAME static void own_##n(uint64_t ms)                                                     \
    {                                                                                              \
        last = "own_" #n;                                                                          \
        busy(ms);                                                                                  \
    }
// clang-format off
OWN(0) OWN(1) OWN(2) OWN(3) OWN(4) OWN(5) OWN(6) OWN(7) OWN(thread)
    // clang-format on

    static void (*const own[])(uint64_t) = {
        own_0, own_1, own_2, own_3, own_4, own_5, own_6, own_7
    };

static void answer(struct spy_mhd_request *request, int status, const char *body)
{
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = status,
                                                      .content_type = "text/plain",
                                                      .body = body,
                                                      .body_len = strlen(body) });
}

struct job {
    struct spy_context *context;
    uint64_t ms;
};

static void *work(void *arg)
{
    struct job *job = arg;
    struct spy_context_scope scope = spy_context_attach(job->context);
    own_thread(job->ms);
    spy_context_detach(scope);
    return NULL;
}

static void work_elsewhere(uint64_t ms)
{
    struct job job = { .context = spy_context_capture(), .ms = ms };
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &job) == 0) {
        pthread_join(thread, NULL);
    }
    spy_context_release(job.context);
}

static void sleep_ms(uint64_t ms)
{
    struct spy_span span = spy_begin(&nap);
    struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000 * NS_PER_MS) };
    nanosleep(&time, NULL);
    spy_end(&span, SPY_SUCCESS);
}

static int on_request(void *arg, struct spy_mhd_request *request)
{
    const char *path = spy_mhd_path(request), *asked = spy_mhd_query(request, "ms", NULL);
    uint64_t ms = asked ? strtoull(asked, NULL, 10) : 100;
    (void)arg;
    if (strncmp(path, "/own/", 5) == 0 && path[5] >= '0' && path[5] <= '7' && !path[6]) {
        spy_mhd_route(request, "/own/{n}");
        spy_info("own_begun", spy_str("html", "</script><b>"));
        own[path[5] - '0'](ms);
        answer(request, 200, "done\n");
    } else if (strcmp(path, "/thread") == 0) {
        spy_mhd_route(request, "/thread");
        work_elsewhere(ms);
        answer(request, 201, "done\n");
    } else if (strcmp(path, "/sleep") == 0) {
        spy_mhd_route(request, "/sleep");
        sleep_ms(ms);
        answer(request, 200, "done\n");
    } else if (strcmp(path, "/fail") == 0) {
        spy_mhd_route(request, "/fail");
        busy(ms);
        spy_mhd_fail(request, "broken", "it broke");
    } else {
        answer(request, 404, "nothing here\n");
    }
    return 0;
}

static struct MHD_Daemon *listen_on_loopback(struct spy_mhd *app)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL,
                            NULL, spy_mhd_access, app, MHD_OPTION_SOCK_ADDR, &address,
                            MHD_OPTION_ARRAY, spy_mhd_daemon_options(app), MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    struct spy_mhd *app;
    sigset_t ends;
    int got;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (spy_start(&(struct spy_options){ .service = "profile_host",
                                         .admin = "127.0.0.1:0",
                                         .admin_token = "the token",
                                         .profiling = SPY_PROFILING_CONTINUOUS,
                                         .log_format = SPY_LOG_JSON }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    if (spy_operation_register(&nap) != 0 ||
        spy_mhd_new(
            &app, &(struct spy_mhd_options){ .on_request = on_request,
                                             .profiles = argc > 1 && strcmp(argv[1], "token") == 0
                                                             ? SPY_HTTP_PROFILES_TOKEN
                                                             : SPY_HTTP_PROFILES_LOOPBACK }) != 0) {
        return 1;
    }
    struct MHD_Daemon *daemon = listen_on_loopback(app);
    if (!daemon) {
        return 1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    fprintf(stderr, "ports %u %u\n", info ? info->port : 0, spy_admin_port());
    (void)sigwait(&ends, &got);
    MHD_stop_daemon(daemon);
    spy_mhd_free(app);
    return spy_stop(2000) == 0 ? 0 : 1;
}
