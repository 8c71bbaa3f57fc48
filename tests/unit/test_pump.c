// The pump: order, waiting that is bounded, losses that are counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/clock.h"
#include "pump_rig.h"
#include "record/rings.h"
#include "record/wire.h"

// While set, write(2) to the log is stuck until somebody posts.
static atomic_bool writes_hang;
static sem_t hang, hanging;

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (atomic_load(&writes_hang)) {
        sem_post(&hanging);
        sem_wait(&hang);
    }
    return __real_write(fd, bytes, n);
}

// While set, a thread that is to be joined is not: as on a machine too busy to run it in time.
static bool joins_time_out;

int __real_pthread_timedjoin_np(pthread_t thread, void **ret, const struct timespec *deadline);
int __wrap_pthread_timedjoin_np(pthread_t thread, void **ret, const struct timespec *deadline);

int __wrap_pthread_timedjoin_np(pthread_t thread, void **ret, const struct timespec *deadline)
{
    return joins_time_out ? ETIMEDOUT : __real_pthread_timedjoin_np(thread, ret, deadline);
}

static void lines_arrive_in_order(void **state)
{
    (void)state;
    int fd = rig_new_file();
    rig_start(fd);
    char *expected = malloc(100000), *end = expected;
    for (int i = 0; i < 5000; i++) {
        char line[16];
        snprintf(line, sizeof(line), "line %d", i);
        end += snprintf(end, sizeof(line), "%s\n", line);
        rig_give(i % 2 ? SPY_LEVEL_INFO : SPY_LEVEL_DEBUG, line);
    }
    spy__pump_flush();
    assert_string_equal(rig_read(fd), expected);
    assert_int_equal(rig_written[SPY_LEVEL_INFO], 2500);
    assert_int_equal(rig_written[SPY_LEVEL_DEBUG], 2500);
    assert_int_equal(rig_all_lost(), 0);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    free(expected);
    close(fd);
}

// Nobody publishes: the blocking read is the test.
static void lines_arrive_by_themselves(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    rig_start(ends[1]);
    char got[16];
    rig_give(SPY_LEVEL_INFO, "plain");
    assert_int_equal(read(ends[0], got, sizeof(got)), 6);
    rig_give(SPY_LEVEL_ERROR, "error");
    assert_int_equal(read(ends[0], got, sizeof(got)), 6);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(rig_all_written(), 2);
    close(ends[0]);
    close(ends[1]);
}

static void stop_writes_what_is_left(void **state)
{
    (void)state;
    int fd = rig_new_file();
    for (int cycle = 0; cycle < 20; cycle++) {
        rig_start(fd);
        rig_give(SPY_LEVEL_INFO, "last");
        assert_int_equal(spy__pump_stop(LONG_MS), 0);
    }
    assert_int_equal(rig_count_lines(rig_read(fd)), 20);
    struct spy__record record = { .level = SPY_LEVEL_INFO, .correlation_id = "", .event = "late" };
    assert_int_equal(spy__rings_push(&record), SPY__PUSH_STOPPED);
    assert_false(spy__pump_write_direct(&record));
    spy__pump_flush();
    assert_int_equal(spy__pump_stop(0), 0);
    assert_int_equal(rig_all_written() + rig_all_lost(), 20);
    close(fd);
}

// A caller needs no memory, whatever it gives.
static void long_lines(void **state)
{
    (void)state;
    int fd = rig_new_file();
    char *event = malloc(SPY__RECORD_MAX + 1);
    memset(event, 'x', SPY__RECORD_MAX + 1);
    event[SPY__RECORD_MAX] = '\0';
    rig_start(fd);
    rig_give(SPY_LEVEL_INFO, "the thread has a ring from here on");
    alloc_fail_after(0);
    rig_give(SPY_LEVEL_INFO, event);
    assert_int_equal(rig_lost[SPY__LOSS_SIZE], 1);
    rig_give(SPY_LEVEL_INFO, event + 1000);
    spy__pump_flush();
    alloc_fail_never();
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(rig_all_written(), 2);
    assert_int_equal(rig_all_lost(), 1);
    assert_int_equal(strlen(rig_read(fd)), 35 + SPY__RECORD_MAX - 1000 + 1);
    free(event);
    close(fd);
}

static void start_fails_whole(void **state)
{
    (void)state;
    int why;
    rig_options.sink = (struct spy__sink_options){ .kind = SPY__SINK_FD, .fd = 9999 };
    assert_int_equal(spy__pump_start(&rig_options, &why), -EBADF);
    rig_options.sink.fd = rig_new_file();
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = spy__pump_start(&rig_options, &why);
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(n < 20);
    }
    assert_int_equal(spy__pump_start(&rig_options, &why), -EALREADY);
    rig_give(SPY_LEVEL_INFO, "x");
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(rig_all_written(), 1);
    close(rig_options.sink.fd);
}

// ---- a descriptor in trouble

static void *read_all(void *arg)
{
    int fd = *(int *)arg;
    static char bytes[65536];
    size_t all = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;) {
        all += (size_t)n;
    }
    return (void *)all;
}

static void a_stuck_pipe_holds_nobody_for_long(void **state)
{
    (void)state;
    int ends[2];
    rig_options.full_wait_ms = MOMENT_MS;
    rig_start_on_full_pipe(ends);
    unsigned given = rig_fill(SPY_LEVEL_INFO);

    // The first in vain waited; from then on nobody does.
    uint64_t start_ns = spy__monotonic_ns();
    for (int i = 0; i < 200; i++) {
        rig_give(SPY_LEVEL_WARN, rig_thousand_bytes());
        spy__pump_flush();
    }
    given += 200;
    assert_in_range((spy__monotonic_ns() - start_ns) / 1000000, 0, 2000); // 200 waits would be 6 s
    assert_int_equal(rig_lost[SPY__LOSS_FULL], 201);

    // Somebody reads: all that was accepted arrives, and the pump goes on.
    pthread_t reader;
    void *bytes;
    assert_int_equal(pthread_create(&reader, NULL, read_all, &ends[0]), 0);
    rig_options.full_wait_ms = LONG_MS;
    spy__pump_flush();
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(ends[1]);
    pthread_join(reader, &bytes);
    assert_int_equal(rig_all_written() + rig_all_lost(), given);
    assert_int_equal((size_t)bytes, rig_prefilled + rig_all_written() * 1000);
    close(ends[0]);
}

static void debug_lines_never_wait(void **state)
{
    (void)state;
    int ends[2];
    uint64_t start_ns = spy__monotonic_ns();
    rig_start_on_full_pipe(ends);
    unsigned given = rig_fill(SPY_LEVEL_DEBUG);
    assert_true(given > 4);
    assert_true((spy__monotonic_ns() - start_ns) / 1000000 < LONG_MS);
    assert_int_equal(spy__pump_stop(0), -ETIMEDOUT);
    assert_int_equal(rig_all_written() + rig_all_lost(), given);
    close(ends[0]);
    close(ends[1]);
}

static void stop_returns_though_the_pipe_is_stuck(void **state)
{
    (void)state;
    int ends[2];
    rig_start_on_full_pipe(ends);
    for (int i = 0; i < 20; i++) {
        rig_give(SPY_LEVEL_INFO, rig_thousand_bytes());
    }
    uint64_t start_ns = spy__monotonic_ns();
    assert_int_equal(spy__pump_stop(20), -ETIMEDOUT);
    assert_in_range((spy__monotonic_ns() - start_ns) / 1000000, 19, 2000);
    assert_int_equal(rig_all_written() + rig_all_lost(), 20);
    assert_int_equal(rig_lost[SPY__LOSS_WRITE], 20);
    close(ends[0]);
    close(ends[1]);
}

static void a_thread_stuck_in_write_is_left_behind(void **state)
{
    (void)state;
    sem_init(&hang, 0, 0);
    sem_init(&hanging, 0, 0);
    int stuck = rig_new_file(), fine = rig_new_file();
    rig_start(stuck);
    writes_hang = true;
    rig_give(SPY_LEVEL_ERROR, "one");
    sem_wait(&hanging);
    writes_hang = false;
    rig_give(SPY_LEVEL_INFO, "two");
    assert_int_equal(spy__pump_stop(10), -ETIMEDOUT);
    assert_int_equal(rig_lost[SPY__LOSS_WRITE], 2);

    rig_start(fine); // the next one is free of it
    rig_give(SPY_LEVEL_INFO, "three");
    spy__pump_flush();
    assert_string_equal(rig_read(fine), "three\n");
    sem_post(&hang); // the old thread wakes, and leaves things as they are
    rig_give(SPY_LEVEL_INFO, "four");
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_string_equal(rig_read(fine), "three\nfour\n");
    assert_int_equal(rig_all_written(), 2);
    assert_int_equal(rig_all_lost(), 2);
    close(stuck);
    close(fine);
}

static void a_thread_that_ends_late_touches_nothing(void **state)
{
    (void)state;
    int fd = rig_new_file();
    joins_time_out = true;
    for (unsigned i = 0; i < 50; i++) {
        rig_start(fd);
        rig_give(SPY_LEVEL_INFO, "one");
        spy__pump_flush();
        assert_int_equal(spy__pump_stop(LONG_MS), 0);
    }
    joins_time_out = false;
    assert_int_equal(rig_all_written(), 50);
    assert_int_equal(rig_all_lost(), 0);
    assert_int_equal(rig_count_lines(rig_read(fd)), 50);
    close(fd);
}

static void a_closed_pipe_is_counted_and_survived(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    signal(SIGPIPE, SIG_DFL);
    rig_start(ends[1]);
    close(ends[0]);
    for (int i = 0; i < 10; i++) {
        rig_give(SPY_LEVEL_ERROR, "nobody reads this");
        spy__pump_flush();
    }
    assert_int_equal(rig_lost[SPY__LOSS_WRITE], 10);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(ends[1]);
}

static void a_full_disk_is_counted(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    rig_start(fd);
    rig_give(SPY_LEVEL_INFO, "no room");
    spy__pump_flush();
    assert_int_equal(rig_lost[SPY__LOSS_WRITE], 1);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(lines_arrive_in_order),
        TEST(lines_arrive_by_themselves),
        TEST(stop_writes_what_is_left),
        TEST(long_lines),
        TEST(start_fails_whole),
        TEST(a_stuck_pipe_holds_nobody_for_long),
        TEST(debug_lines_never_wait),
        TEST(stop_returns_though_the_pipe_is_stuck),
        TEST(a_thread_stuck_in_write_is_left_behind),
        TEST(a_thread_that_ends_late_touches_nothing),
        TEST(a_closed_pipe_is_counted_and_survived),
        TEST(a_full_disk_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
