// The pump where a destination fails and mends, where it is opened again, and where it is stuck while
// the rings outlive the process.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pump_rig.h"

// While set, write(2) fails so.
static atomic_int failing;

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (failing != 0) {
        errno = failing;
        return -1;
    }
    return __real_write(fd, bytes, n);
}

static char dir[64], path[96];

static int set_up(void **state)
{
    strncpy(dir, "/tmp/test_pump.XXXXXX", sizeof(dir));
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/app.log", dir);
    return rig_set_up(state);
}

static int tear_down(void **state)
{
    char command[128];
    failing = 0;
    rig_options.state_dir = NULL;
    int err = rig_tear_down(state);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return err;
}

static void start_on_path(void)
{
    int why;
    rig_options.sink = (struct spy__sink_options){ .kind = SPY__SINK_FILE,
                                                   .file = { .path = path, .files_max = 5 } };
    assert_int_equal(spy__pump_start(&rig_options, &why), 0);
}

static const char *read_path(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const char *text = rig_read(fd);
    close(fd);
    return text;
}

static void a_failure_is_told_once_it_is_over(void **state)
{
    (void)state;
    int fd = rig_new_file();
    rig_start(fd);
    failing = ENOSPC;
    for (int i = 0; i < 3; i++) {
        rig_give(SPY_LEVEL_INFO, "lost");
        spy__pump_flush();
    }
    assert_int_equal(rig_lost[SPY__LOSS_WRITE], 3); // our own line is nobody's loss
    failing = 0;
    rig_give(SPY_LEVEL_INFO, "again");
    rig_give(SPY_LEVEL_INFO, "and again");
    spy__pump_flush();
    assert_string_equal(rig_read(fd), "spyglass_log_write_failed No space left on device\n"
                                      "again\nand again\n");
    assert_int_equal(rig_written[SPY_LEVEL_WARN], 1);
    assert_int_equal(rig_written[SPY_LEVEL_INFO], 2);
    assert_int_equal(rig_all_lost(), 3);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    close(fd);
}

static void reopening_wakes_the_pump(void **state)
{
    (void)state;
    char moved[128];
    snprintf(moved, sizeof(moved), "%s.1", path);
    start_on_path();
    rig_give(SPY_LEVEL_INFO, "one");
    spy__pump_flush();
    assert_int_equal(rename(path, moved), 0);
    spy__pump_reopen();
    uint64_t deadline_ns = spy__monotonic_ns() + UINT64_C(20000000000);
    while (access(path, F_OK) != 0 && spy__monotonic_ns() < deadline_ns) {
        sched_yield();
    }
    rig_give(SPY_LEVEL_INFO, "two");
    spy__pump_flush();
    assert_string_equal(read_path(moved), "one\n");
    assert_string_equal(read_path(path), "two\n");
    // Where it cannot be opened, lines go on to the old one, which says so once.
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    spy__pump_reopen();
    rig_give(SPY_LEVEL_INFO, "three");
    spy__pump_flush();
    rig_give(SPY_LEVEL_INFO, "four");
    spy__pump_flush();
    const char *text = read_path(moved);
    assert_non_null(strstr(text, "two\n"));
    assert_non_null(strstr(text, "three\n"));
    const char *said = strstr(text, "spyglass_log_rotation_failed Is a directory");
    assert_non_null(said);
    assert_null(strstr(said + 1, "spyglass_log_rotation_failed"));
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
}

// What a stop had no time for is no loss: the next start writes it.
static void a_stop_leaves_the_rest_to_the_next_start(void **state)
{
    (void)state;
    int ends[2];
    rig_options.state_dir = dir;
    rig_start_on_full_pipe(ends);
    for (int i = 0; i < 20; i++) {
        rig_give(SPY_LEVEL_INFO, "kept");
    }
    assert_int_equal(spy__pump_stop(20), -ETIMEDOUT);
    assert_int_equal(rig_all_written() + rig_all_lost(), 0);
    close(ends[0]);
    close(ends[1]);

    int fd = rig_new_file();
    rig_start(fd); // returns when it is written
    const char *text = rig_read(fd);
    assert_int_equal(rig_count_lines(text), 21);
    assert_memory_equal(text, "kept\nkept\n", 10);
    assert_non_null(strstr(text, "spyglass_recovered\n"));
    assert_int_equal(rig_written[SPY_LEVEL_INFO], 20);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    rig_start(fd);
    assert_int_equal(spy__pump_stop(LONG_MS), 0);
    assert_int_equal(rig_count_lines(rig_read(fd)), 21); // and only once
    close(fd);
}

// Nothing that was published is waited for where the rings outlive the process.
static void a_publish_waits_for_no_safe_record(void **state)
{
    (void)state;
    int ends[2];
    rig_options.state_dir = dir;
    rig_start_on_full_pipe(ends);
    uint64_t start_ns = spy__monotonic_ns();
    rig_give(SPY_LEVEL_INFO, "safe");
    spy__pump_publish();
    assert_true((spy__monotonic_ns() - start_ns) / 1000000 < LONG_MS);
    assert_int_equal(spy__pump_stop(0), -ETIMEDOUT);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_failure_is_told_once_it_is_over),
        TEST(reopening_wakes_the_pump),
        TEST(a_stop_leaves_the_rest_to_the_next_start),
        TEST(a_publish_waits_for_no_safe_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
