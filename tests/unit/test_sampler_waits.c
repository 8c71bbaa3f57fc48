// Calls that wait end as they do without profiling, at the same time and with the same result: under
// every mode of profiling, in a thread that has just been busy.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/stack.h"
#ifdef SPY_WITH_DELIVER
#include "deliver/http.h"
#endif
#include "profile/sampler.h"
#include "profile/workers.h"
#include "signals/context.h"
#include "signals/work.h"
#include "spyglass/span.h"

#define MS UINT64_C(1000000)
#define WAIT_MS 150
#define LATE 10 // how many times as long it may take on a machine that has much else to do

// ---- calls, each of which must take WAIT_MS and say what it says

static int pipe_fds[2];

static int wait_poll(void)
{
    struct pollfd fd = { .fd = pipe_fds[0], .events = POLLIN };
    return poll(&fd, 1, WAIT_MS);
}

static int wait_epoll(void)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(epoll_ctl(fd, EPOLL_CTL_ADD, pipe_fds[0], &event), 0);
    int n = epoll_wait(fd, &event, 1, WAIT_MS);
    close(fd);
    return n;
}

static int wait_nanosleep(void)
{
    struct timespec left = { .tv_nsec = WAIT_MS * 1000000 };
    return nanosleep(&left, NULL);
}

// -ETIMEDOUT is right.
static int wait_semaphore(void)
{
    sem_t semaphore;
    struct timespec until;
    sem_init(&semaphore, 0, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int result = sem_timedwait(&semaphore, &until) == 0 ? 0 : -errno;
    sem_destroy(&semaphore);
    return result;
}

// A database that another connection has locked: SQLITE_BUSY after its busy timeout.
static char database[64];

static int wait_sqlite(void)
{
    sqlite3 *holder, *waiter;
    assert_int_equal(sqlite3_open(database, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_open(database, &waiter), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(waiter, WAIT_MS), SQLITE_OK);
    int result = sqlite3_exec(waiter, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
    sqlite3_close(waiter);
    sqlite3_close(holder);
    return result;
}

#ifdef SPY_WITH_DELIVER
// A server that never answers.
static char url[64];

static int wait_curl(void)
{
    struct spy__buf body;
    long status = 0;
    spy__buf_init(&body, 1000);
    int result = spy__http_get(url, WAIT_MS, NULL, &status, &body);
    spy__buf_done(&body);
    return result;
}

static int listen_mute(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return fd;
}
#endif

static const struct {
    const char *name;
    int (*call)(void);
} waits[] = {
    { "poll", wait_poll },           { "epoll_wait", wait_epoll },
    { "nanosleep", wait_nanosleep }, { "sem_timedwait", wait_semaphore },
    { "sqlite", wait_sqlite },
#ifdef SPY_WITH_DELIVER
    { "libcurl", wait_curl },
#endif
};
#define WAITS (sizeof(waits) / sizeof(waits[0]))

// ---- modes

static void start(unsigned continuous_hz)
{
    assert_int_equal(
        spy__sampler_start(&(struct spy__sampler_options){ .continuous_hz = continuous_hz,
                                                           .work = spy__context_work,
                                                           .mark = spy__context_mark,
                                                           .watch = spy__context_watch }),
        0);
}

static volatile unsigned long sum;

static void work_ms(uint64_t ms)
{
    for (uint64_t until_ns = spy__thread_cpu_ns() + ms * MS; spy__thread_cpu_ns() < until_ns;) {
        for (unsigned long i = 0; i < 1000; i++) {
            sum += i;
        }
    }
}

static int results[WAITS]; // without profiling

static void wait_in_turn(bool first)
{
    static struct spy_operation operation = { .name = "wait" };
    for (size_t i = 0; i < WAITS; i++) {
        struct spy_span span = spy_begin(&operation);
        work_ms(6);
        const uint64_t from_ns = spy__monotonic_ns();
        const int result = waits[i].call();
        const uint64_t took_ns = spy__monotonic_ns() - from_ns;
        spy_end(&span, SPY_SUCCESS);
        if (took_ns < WAIT_MS * MS * 9 / 10 || took_ns > LATE * WAIT_MS * MS) {
            fail_msg("%s took %.1f ms", waits[i].name, (double)took_ns / 1e6);
        }
        if (first) {
            results[i] = result;
        } else {
            assert_int_equal(result, results[i]);
        }
    }
}

static void test_without_profiling(void **state)
{
    (void)state;
    wait_in_turn(true);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[2], 0);
    assert_int_equal(results[3], -ETIMEDOUT);
    assert_int_equal(results[4], SQLITE_BUSY);
}

static void test_continuous(void **state)
{
    (void)state;
    start(SPY__SAMPLER_HZ_MAX);
    wait_in_turn(false);
    struct spy__profile *profile = spy__profile_window(0, UINT64_MAX);
    assert_non_null(profile);
    assert_true(spy__profile_total_ns(profile, true) > WAITS * WAIT_MS * MS / 2);
    assert_true(spy__profile_total_ns(profile, true) < WAITS * LATE * WAIT_MS * MS);
    spy__profile_free(profile);
    spy__sampler_stop();
}

static void profile_while_waiting(const struct spy__profile_ask *ask)
{
    uint32_t profile;
    start(0);
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    assert_int_equal(spy__profile_begin(&profile, ask), 0);
    wait_in_turn(false);
    struct spy__profile *ended = spy__profile_end(profile);
    assert_non_null(ended);
    uint64_t waited_ns = spy__profile_total_ns(ended, true);
    assert_true(ask->kind == SPY__PROFILE_CPU ? waited_ns == 0
                                              : waited_ns > WAITS * WAIT_MS * MS * 9 / 10);
    assert_true(spy__profile_total_ns(ended, false) > 0);
    spy__profile_free(ended);
    spy_context_detach(scope);
    spy__sampler_stop();
}

static void test_a_request_by_the_wall(void **state)
{
    (void)state;
    profile_while_waiting(&(struct spy__profile_ask){ 0 });
}

static void test_a_request_by_cpu(void **state)
{
    (void)state;
    profile_while_waiting(&(struct spy__profile_ask){ .kind = SPY__PROFILE_CPU });
}

static void test_the_process(void **state)
{
    (void)state;
    profile_while_waiting(&(struct spy__profile_ask){ .whole_process = true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_profiling),     cmocka_unit_test(test_continuous),
        cmocka_unit_test(test_a_request_by_the_wall), cmocka_unit_test(test_a_request_by_cpu),
        cmocka_unit_test(test_the_process),
    };
    spy__stack_warm_up();
    (void)snprintf(database, sizeof(database), "/tmp/test_sampler_waits.%d.db", (int)getpid());
    if (pipe(pipe_fds) != 0) {
        return 1;
    }
#ifdef SPY_WITH_DELIVER
    int mute = listen_mute();
#endif
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
#ifdef SPY_WITH_DELIVER
    close(mute);
#endif
    (void)unlink(database);
    return failed;
}
