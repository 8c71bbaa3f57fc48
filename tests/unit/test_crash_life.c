// How a process ended, and what it had not told: what the next start reads of it.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crash/life.h"

static char dir[64], path[80];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/test_crash_life.XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/" SPY__LIFE_FILE, dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__life_stop();
    (void)unlink(path);
    return rmdir(dir);
}

static struct spy__sessions *counts;

static void start(void)
{
    const struct spy__life_options options = {
        .state_dir = dir, .run = 7, .now_ns = 1000, .release = "app@1", .environment = NULL
    };
    assert_int_equal(spy__life_start(&counts, &options), 0);
}

static struct spy__life read_life(void)
{
    struct spy__life life;
    assert_int_equal(spy__life_read(&life, dir), 0);
    return life;
}

static void test_one_that_runs(void **state)
{
    struct spy__life life;
    (void)state;
    assert_int_equal(spy__life_read(&life, dir), -ENOENT);
    start();
    life = read_life();
    assert_int_equal(life.end, SPY__LIFE_RUNNING);
    assert_int_equal(life.run, 7);
    assert_int_equal(life.pid, getpid());
    assert_int_equal(life.start_ns, 1000);
    assert_int_equal(life.seen_ns, 1000);
    assert_string_equal(life.release, "app@1");
    assert_string_equal(life.environment, "");
    assert_false(life.rebooted);
}

static void test_one_that_was_stopped(void **state)
{
    (void)state;
    start();
    spy__life_stop();
    assert_int_equal(read_life().end, SPY__LIFE_STOPPED);
    counts->exited++;     // somebody counts late
    spy__life_seen(2000); // no-ops by now
    spy__life_told(counts, 2000);
    spy__life_stop();
    assert_int_equal(read_life().untold.exited, 1);
    assert_int_equal(read_life().told_ns, 1000);
}

static void test_sessions(void **state)
{
    (void)state;
    start();
    *counts = (struct spy__sessions){ 5, 1 };
    spy__life_seen(2000);
    struct spy__life life = read_life();
    assert_int_equal(life.untold.exited, 5);
    assert_int_equal(life.untold.errored, 1);
    assert_int_equal(life.seen_ns, 2000);
    assert_int_equal(life.told_ns, 1000);
    spy__life_told(counts, 3000);
    life = read_life();
    assert_int_equal(life.untold.exited, 0);
    assert_int_equal(life.untold.errored, 0);
    assert_int_equal(life.told_ns, 3000);
    counts->exited = 7;
    life = read_life();
    assert_int_equal(life.untold.exited, 2);
    assert_int_equal(life.untold.errored, 0);
}

// A child changes nothing, not even by its exit.
static void test_a_forked_child(void **state)
{
    int status;
    (void)state;
    start();
    pid_t child = fork();
    if (child == 0) {
        spy__life_seen(9);
        spy__life_told(&(struct spy__sessions){ 9, 9 }, 9);
        spy__life_stop();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    struct spy__life life = read_life();
    assert_int_equal(life.end, SPY__LIFE_RUNNING);
    assert_int_equal(life.seen_ns, 1000);
    assert_int_equal(life.told_ns, 1000);
}

static void test_another_boot(void **state)
{
    char bytes[4096];
    struct spy__life life;
    (void)state;
    start();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    close(fd);
    assert_true(n > 0);
    assert_int_equal(spy__life_parse(&life, bytes, (size_t)n, "another"), 0);
    assert_true(life.rebooted);
    assert_int_equal(spy__life_parse(&life, bytes, (size_t)n - 1, "another"), -EBADMSG);
    bytes[0] ^= 1;
    assert_int_equal(spy__life_parse(&life, bytes, (size_t)n, "another"), -EBADMSG);
}

static void test_no_folder(void **state)
{
    struct spy__life life;
    (void)state;
    assert_int_equal(spy__life_read(&life, "/nowhere"), -ENOENT);
    assert_int_equal(
        spy__life_start(&counts, &(struct spy__life_options){ .state_dir = "/nowhere" }), -ENOENT);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(spy__life_read(&life, dir), -ELOOP); // a link is none of ours
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_that_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_was_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_forked_child, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_boot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_folder, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
