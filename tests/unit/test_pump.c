// The pump: order, waiting that is bounded, losses that are counted, fork().
//
// Its encoder here writes the record's event and a newline. No test sleeps: where time must pass, a
// pipe or the pump's own bounded wait passes it.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/clock.h"
#include "record/pump.h"
#include "tsan.h"

static atomic_ulong written[SPY__LEVELS], lost[SPY__LOSS_SIZE + 1];

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

static void encode(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    (void)arg;
    spy__buf_puts(out, record->event);
    spy__buf_putc(out, '\n');
}

static void on_written(const uint64_t lines[SPY__LEVELS])
{
    for (int i = 0; i < SPY__LEVELS; i++) {
        written[i] += lines[i];
    }
}

static void on_lost(enum spy__loss why, uint64_t lines)
{
    lost[why] += lines;
}

// Tests of a stuck descriptor wait for a moment, all others for as long as a loaded machine may
// take.
#define MOMENT_MS 30
#define LONG_MS 20000

static struct spy__pump_options options = {
    .full_wait_ms = LONG_MS, .encode = encode, .written = on_written, .lost = on_lost
};

static unsigned long sum(atomic_ulong *counts, int n)
{
    unsigned long all = 0;
    for (int i = 0; i < n; i++) {
        all += counts[i];
    }
    return all;
}
#define WRITTEN() sum(written, SPY__LEVELS)
#define LOST() sum(lost, SPY__LOSS_SIZE + 1)

static int set_up(void **state)
{
    (void)state;
    memset(written, 0, sizeof(written));
    memset(lost, 0, sizeof(lost));
    options.full_wait_ms = LONG_MS;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)spy__pump_stop(1000); // what a failed test left running
    return 0;
}

static void start(int fd)
{
    options.fd = fd;
    assert_int_equal(spy__pump_start(&options), 0);
}

static void give(enum spy_level level, const char *event)
{
    struct spy__record record = { .level = level, .correlation_id = "", .event = event };
    assert_true(spy__pump_give(&record));
}

static char text[1 << 20];

static const char *read_file(int fd)
{
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static int new_file(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static unsigned count_lines(const char *s)
{
    unsigned n = 0;
    for (; *s; s++) {
        n += *s == '\n';
    }
    return n;
}

static void lines_arrive_in_order(void **state)
{
    (void)state;
    int fd = new_file();
    start(fd);
    char *expected = malloc(100000), *end = expected;
    for (int i = 0; i < 5000; i++) {
        char line[16];
        snprintf(line, sizeof(line), "line %d", i);
        end += snprintf(end, sizeof(line), "%s\n", line);
        give(i % 2 ? SPY_LEVEL_INFO : SPY_LEVEL_DEBUG, line);
    }
    spy__pump_publish();
    assert_string_equal(read_file(fd), expected);
    assert_int_equal(written[SPY_LEVEL_INFO], 2500);
    assert_int_equal(written[SPY_LEVEL_DEBUG], 2500);
    assert_int_equal(LOST(), 0);
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
    start(ends[1]);
    char got[16];
    give(SPY_LEVEL_INFO, "plain");
    assert_int_equal(read(ends[0], got, sizeof(got)), 6);
    give(SPY_LEVEL_ERROR, "error");
    assert_int_equal(read(ends[0], got, sizeof(got)), 6);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(WRITTEN(), 2);
    close(ends[0]);
    close(ends[1]);
}

static void stop_writes_what_is_left(void **state)
{
    (void)state;
    int fd = new_file();
    for (int cycle = 0; cycle < 20; cycle++) {
        start(fd);
        give(SPY_LEVEL_INFO, "last");
        assert_int_equal(spy__pump_stop(LONG_MS), 0);
    }
    assert_int_equal(count_lines(read_file(fd)), 20);
    struct spy__record record = { .level = SPY_LEVEL_INFO, .correlation_id = "", .event = "late" };
    assert_false(spy__pump_give(&record));
    spy__pump_publish();
    assert_int_equal(spy__pump_stop(0), 0);
    assert_int_equal(WRITTEN() + LOST(), 20);
    close(fd);
}

static void long_lines(void **state)
{
    (void)state;
    int fd = new_file();
    char *event = malloc(SPY__LINE_MAX + 1);
    memset(event, 'x', SPY__LINE_MAX + 1);
    event[SPY__LINE_MAX] = '\0';
    start(fd);
    give(SPY_LEVEL_INFO, event); // its newline is one too many
    assert_int_equal(lost[SPY__LOSS_SIZE], 1);
    give(SPY_LEVEL_INFO, event + 1);
    alloc_fail_after(0);
    give(SPY_LEVEL_INFO, event + 1);
    give(SPY_LEVEL_INFO, "short lines need no memory");
    alloc_fail_never();
    assert_int_equal(lost[SPY__LOSS_MEMORY], 1);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(WRITTEN(), 2);
    assert_int_equal(strlen(read_file(fd)), SPY__LINE_MAX + 27);
    free(event);
    close(fd);
}

static void start_fails_whole(void **state)
{
    (void)state;
    options.fd = -1;
    assert_int_equal(spy__pump_start(&options), -EBADF);
    options.fd = new_file();
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = spy__pump_start(&options);
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(n < 20);
    }
    assert_int_equal(spy__pump_start(&options), -EALREADY);
    give(SPY_LEVEL_INFO, "x");
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(WRITTEN(), 1);
    close(options.fd);
}

// ---- a descriptor in trouble

static size_t prefilled;

// A pipe of one page, full already, and the pump upon it.
static void start_on_full_pipe(int ends[2])
{
    static const char page[4096];
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    prefilled = 0;
    for (ssize_t n; (n = write(ends[1], page, sizeof(page))) > 0;) {
        prefilled += (size_t)n;
    }
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    start(ends[1]);
}

static char long_event[1000];

// 1,000 bytes with the newline.
static const char *thousand_bytes(void)
{
    memset(long_event, 'y', sizeof(long_event) - 1);
    return long_event;
}

// Gives lines until one is lost. Returns how many were given.
static unsigned fill(enum spy_level level)
{
    unsigned given = 0;
    while (LOST() == 0 && given < 5000) {
        give(level, thousand_bytes());
        given++;
    }
    assert_int_equal(lost[SPY__LOSS_FULL], 1);
    return given;
}

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
    options.full_wait_ms = MOMENT_MS;
    start_on_full_pipe(ends);
    unsigned given = fill(SPY_LEVEL_INFO);

    // The first in vain waited; from then on nobody does.
    uint64_t start_ns = spy__monotonic_ns();
    for (int i = 0; i < 200; i++) {
        give(SPY_LEVEL_WARN, thousand_bytes());
        spy__pump_publish();
    }
    given += 200;
    assert_in_range((spy__monotonic_ns() - start_ns) / 1000000, 0, 2000); // 200 waits would be 6 s
    assert_int_equal(lost[SPY__LOSS_FULL], 201);

    // Somebody reads: all that was accepted arrives, and the pump goes on.
    pthread_t reader;
    void *bytes;
    assert_int_equal(pthread_create(&reader, NULL, read_all, &ends[0]), 0);
    options.full_wait_ms = LONG_MS;
    spy__pump_publish();
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(ends[1]);
    pthread_join(reader, &bytes);
    assert_int_equal(WRITTEN() + LOST(), given);
    assert_int_equal((size_t)bytes, prefilled + WRITTEN() * 1000);
    close(ends[0]);
}

static void debug_lines_never_wait(void **state)
{
    (void)state;
    int ends[2];
    uint64_t start_ns = spy__monotonic_ns();
    start_on_full_pipe(ends);
    unsigned given = fill(SPY_LEVEL_DEBUG);
    assert_true(given > 4);
    assert_true((spy__monotonic_ns() - start_ns) / 1000000 < LONG_MS);
    assert_int_equal(spy__pump_stop(0), -ETIMEDOUT);
    assert_int_equal(WRITTEN() + LOST(), given);
    close(ends[0]);
    close(ends[1]);
}

static void stop_returns_though_the_pipe_is_stuck(void **state)
{
    (void)state;
    int ends[2];
    start_on_full_pipe(ends);
    for (int i = 0; i < 20; i++) {
        give(SPY_LEVEL_INFO, thousand_bytes());
    }
    uint64_t start_ns = spy__monotonic_ns();
    assert_int_equal(spy__pump_stop(20), -ETIMEDOUT);
    assert_in_range((spy__monotonic_ns() - start_ns) / 1000000, 19, 2000);
    assert_int_equal(WRITTEN() + LOST(), 20);
    assert_int_equal(lost[SPY__LOSS_WRITE], 20);
    close(ends[0]);
    close(ends[1]);
}

static void a_thread_stuck_in_write_is_left_behind(void **state)
{
    (void)state;
    sem_init(&hang, 0, 0);
    sem_init(&hanging, 0, 0);
    int stuck = new_file(), fine = new_file();
    start(stuck);
    writes_hang = true;
    give(SPY_LEVEL_ERROR, "one");
    sem_wait(&hanging);
    writes_hang = false;
    give(SPY_LEVEL_INFO, "two");
    assert_int_equal(spy__pump_stop(10), -ETIMEDOUT);
    assert_int_equal(lost[SPY__LOSS_WRITE], 2);

    start(fine); // the next one is free of it
    give(SPY_LEVEL_INFO, "three");
    spy__pump_publish();
    assert_string_equal(read_file(fine), "three\n");
    sem_post(&hang); // the old thread wakes, and leaves things as they are
    give(SPY_LEVEL_INFO, "four");
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_string_equal(read_file(fine), "three\nfour\n");
    assert_int_equal(WRITTEN(), 2);
    assert_int_equal(LOST(), 2);
    close(stuck);
    close(fine);
}

static void a_closed_pipe_is_counted_and_survived(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    signal(SIGPIPE, SIG_DFL);
    start(ends[1]);
    close(ends[0]);
    for (int i = 0; i < 10; i++) {
        give(SPY_LEVEL_ERROR, "nobody reads this");
        spy__pump_publish();
    }
    assert_int_equal(lost[SPY__LOSS_WRITE], 10);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(ends[1]);
}

static void a_full_disk_is_counted(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    start(fd);
    give(SPY_LEVEL_INFO, "no room");
    spy__pump_publish();
    assert_int_equal(lost[SPY__LOSS_WRITE], 1);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(fd);
}

// ---- fork

static int wait_for(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_child_writes_its_own_lines(void **state)
{
    (void)state;
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    start(fd);
    give(SPY_LEVEL_INFO, "parent's");
    pid_t pid = fork();
    if (pid == 0) {
        give(SPY_LEVEL_INFO, "child's");
        spy__pump_publish();
        _exit(written[SPY_LEVEL_INFO] >= 1 ? 0 : 1); // at once, with no stop
    }
    assert_int_equal(wait_for(pid), 0);
    assert_non_null(strstr(read_file(fd), "child's\n"));
    spy__pump_publish();
    read_file(fd);
    assert_int_equal(count_lines(text), 2);
    assert_non_null(strstr(text, "parent's\n"));
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(fd);
}

static void a_child_may_stop_and_start(void **state)
{
    (void)state;
    if (UNDER_TSAN) {
        return;
    }
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    start(fd);
    // A thread that AddressSanitizer is still making would leave its allocator locked in the child.
    give(SPY_LEVEL_INFO, "parent's");
    spy__pump_publish();
    pid_t pid = fork();
    if (pid == 0) {
        give(SPY_LEVEL_INFO, "as a child");
        if (spy__pump_stop(100) != 0) {
            _exit(1);
        }
        if (spy__pump_start(&options) != 0) {
            _exit(2);
        }
        give(SPY_LEVEL_INFO, "with a pump of its own");
        _exit(spy__pump_stop(LONG_MS) == 0 ? 0 : 3);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_string_equal(read_file(fd), "parent's\nas a child\nwith a pump of its own\n");
    close(fd);
}

static void a_child_is_not_held_by_a_stuck_pipe(void **state)
{
    (void)state;
    int ends[2];
    options.full_wait_ms = MOMENT_MS;
    start_on_full_pipe(ends);
    fill(SPY_LEVEL_INFO);
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t start_ns = spy__monotonic_ns();
        unsigned long before = lost[SPY__LOSS_WRITE];
        for (int i = 0; i < 100; i++) {
            give(SPY_LEVEL_INFO, "child's");
        }
        uint64_t ms = (spy__monotonic_ns() - start_ns) / 1000000;
        _exit(ms > 2000 || lost[SPY__LOSS_WRITE] - before != 100);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(spy__pump_stop(0), -ETIMEDOUT);
    close(ends[0]);
    close(ends[1]);
}

static atomic_bool keep_on;

static void *log_on(void *arg)
{
    (void)arg;
    while (keep_on) {
        give(SPY_LEVEL_INFO, "busy");
    }
    return NULL;
}

// Children of a process whose other threads log all the time: a lock that they took over locked
// would hang them.
static void forks_under_load(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    start(fd);
    keep_on = true;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_on, NULL), 0);
    }
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            give(SPY_LEVEL_ERROR, "child's");
            spy__pump_publish();
            _exit(0);
        }
        assert_int_equal(wait_for(pid), 0);
    }
    keep_on = false;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_arrive_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_arrive_by_themselves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_writes_what_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(start_fails_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stuck_pipe_holds_nobody_for_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(debug_lines_never_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_returns_though_the_pipe_is_stuck, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_stuck_in_write_is_left_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_closed_pipe_is_counted_and_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_writes_its_own_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_may_stop_and_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_is_not_held_by_a_stuck_pipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forks_under_load, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
