// The pump and fork(): a child has no pump, and loses no line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pump_rig.h"
#include "tsan.h"

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
    rig_start(fd);
    rig_give(SPY_LEVEL_INFO, "parent's");
    pid_t pid = fork();
    if (pid == 0) {
        rig_give(SPY_LEVEL_INFO, "child's");
        spy__pump_flush();
        _exit(rig_written[SPY_LEVEL_INFO] >= 1 ? 0 : 1); // at once, with no stop
    }
    assert_int_equal(wait_for(pid), 0);
    assert_non_null(strstr(rig_read(fd), "child's\n"));
    spy__pump_flush();
    const char *text = rig_read(fd);
    assert_int_equal(rig_count_lines(text), 2);
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
    rig_start(fd);
    // A thread that AddressSanitizer is still making would leave its allocator locked in the child.
    rig_give(SPY_LEVEL_INFO, "parent's");
    spy__pump_flush();
    pid_t pid = fork();
    if (pid == 0) {
        rig_give(SPY_LEVEL_INFO, "as a child");
        if (spy__pump_stop(100) != 0) {
            _exit(1);
        }
        int why;
        if (spy__pump_start(&rig_options, &why) != 0) {
            _exit(2);
        }
        rig_give(SPY_LEVEL_INFO, "with a pump of its own");
        _exit(spy__pump_stop(LONG_MS) == 0 ? 0 : 3);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_string_equal(rig_read(fd), "parent's\nas a child\nwith a pump of its own\n");
    close(fd);
}

static void a_child_is_not_held_by_a_stuck_pipe(void **state)
{
    (void)state;
    int ends[2];
    rig_options.full_wait_ms = MOMENT_MS;
    rig_start_on_full_pipe(ends);
    rig_fill(SPY_LEVEL_INFO);
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t start_ns = spy__monotonic_ns();
        unsigned long before = rig_lost[SPY__LOSS_WRITE];
        for (int i = 0; i < 100; i++) {
            rig_give(SPY_LEVEL_INFO, "child's");
        }
        uint64_t ms = (spy__monotonic_ns() - start_ns) / 1000000;
        _exit(ms > 2000 || rig_lost[SPY__LOSS_WRITE] - before != 100);
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
        rig_give(SPY_LEVEL_INFO, "busy");
    }
    return NULL;
}

// Children of a process whose other threads log all the time: a lock that they took over locked
// would hang them.
static void forks_under_load(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    rig_start(fd);
    keep_on = true;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_on, NULL), 0);
    }
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            rig_give(SPY_LEVEL_ERROR, "child's");
            spy__pump_flush();
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_child_writes_its_own_lines),
        TEST(a_child_may_stop_and_start),
        TEST(a_child_is_not_held_by_a_stuck_pipe),
        TEST(forks_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
