// spy_start() and spy_stop(): options, errors, the state directory, cycles, fork.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "alloc_fail.h"
#include "base/clock.h"
#include "lines.h"
#include "metrics/resource.h"
#include "tsan.h"

static int fd;
static char dir[64];

static int set_up(void **state)
{
    (void)state;
    fd = lines_open();
    strncpy(dir, "/tmp/test_start.XXXXXX", sizeof(dir));
    assert_non_null(mkdtemp(dir));
    static const char *const variables[] = { "SPY_LOG_LEVEL",    "SPY_LOG_FORMAT",
                                             "SPY_FULL_WAIT_MS", "SPY_LOG_LEVELS",
                                             "SPY_REDACT",       "SPY_LOG_REPEATS_MAX",
                                             "NO_COLOR" };
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        unsetenv(variables[i]);
    }
    setenv("SPY_FULL_WAIT_MS", "20000", 1); // as long as a loaded machine may take
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)spy_stop(20000);
    char path[128];
    static const char *const files[] = { "lock", "rings", "rings.dead.1", "run" };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/state/%s", dir, files[i]);
        (void)unlink(path);
    }
    snprintf(path, sizeof(path), "%s/state", dir);
    (void)rmdir(path);
    assert_int_equal(rmdir(dir), 0); // nothing else was left there
    close(fd);
    return 0;
}

static unsigned count_threads(void)
{
    unsigned n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(tasks));) {
        n += e->d_name[0] != '.';
    }
    closedir(tasks);
    return n;
}

// A thread that was joined may stand in /proc for a moment more.
static void assert_threads(unsigned n)
{
    uint64_t deadline_ns = spy__monotonic_ns() + 10 * UINT64_C(1000000000);
    while (count_threads() > n && spy__monotonic_ns() < deadline_ns) {
        sched_yield();
    }
    assert_int_equal(count_threads(), n);
}

static unsigned count_fds(void)
{
    unsigned n = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (readdir(fds)) {
        n++;
    }
    closedir(fds);
    return n;
}

// Starts must fail with err, say something of `about`, and leave nothing running.
static void assert_refused(struct spy_options options, int err, const char *about)
{
    unsigned threads = count_threads(), fds = count_fds();
    if (!options.log_fd) {
        options.log_fd = fd;
    }
    assert_int_equal(spy_start(&options), err);
    if (!strstr(spy_start_error(), about)) {
        fail_msg("\"%s\" says nothing of %s", spy_start_error(), about);
    }
    assert_threads(threads);
    assert_int_equal(count_fds(), fds);
    spy_info("the host goes on");
}

static void options_out_of_range(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof(name));
    name[199] = '\0';
    assert_refused((struct spy_options){ .service = name }, -EINVAL, "service");
    assert_refused((struct spy_options){ .environment = name }, -EINVAL, "environment");
    assert_refused((struct spy_options){ .release = "\xff" }, -EINVAL, "release");
    assert_refused((struct spy_options){ .log_fd = -1 }, -EBADF, "log_fd");
    assert_refused((struct spy_options){ .log_fd = 9999 }, -EBADF, "9999");
    assert_refused((struct spy_options){ .log_format = (enum spy_log_format)9 }, -EINVAL,
                   "log_format");
    assert_refused((struct spy_options){ .log_level = (enum spy_level)9 }, -EINVAL, "log_level");
    assert_refused((struct spy_options){ .log_levels = "http" }, -EINVAL, "log_levels");
    assert_refused((struct spy_options){ .redact = "a,_" }, -EINVAL, "redact");
    assert_refused((struct spy_options){ .full_wait_ms = 60001 }, -EINVAL, "full_wait_ms");
    assert_refused((struct spy_options){ .ring_slots = 513 }, -EINVAL, "ring_slots");
    assert_refused((struct spy_options){ .ring_bytes = 32768 }, -EINVAL, "ring_bytes");
    assert_refused((struct spy_options){ .ring_bytes = 100000 }, -EINVAL, "power of two");
    assert_refused((struct spy_options){ .resource_period_s = 3601 }, -EINVAL, "resource_period_s");
    assert_refused((struct spy_options){ .profiling = (enum spy_profiling)9 }, -EINVAL,
                   "profiling");
    assert_refused((struct spy_options){ .profiling_hz = 1001 }, -EINVAL, "profiling_hz");
    int reading = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_refused((struct spy_options){ .log_fd = reading }, -EBADF, "writing");
    close(reading);
    assert_int_equal(spy__start(NULL, SPY_ABI + 1), -EINVAL);
    assert_non_null(strstr(spy_start_error(), "ABI"));
}

static void variables_out_of_range(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "SPY_LOG_LEVEL", "loud" },     { "SPY_LOG_LEVEL", "INFO" },
        { "SPY_LOG_FORMAT", "xml" },     { "SPY_LOG_LEVELS", "http=loud" },
        { "SPY_REDACT", "a,_" },         { "SPY_LOG_REPEATS_MAX", "0" },
        { "SPY_LOG_REPEATS_MAX", "on" }, { "SPY_LOG_REPEATS_MAX", "1000001" },
        { "SPY_PROFILING", "on" },       { "SPY_PROFILING", "2" },
        { "SPY_FULL_WAIT_MS", "0" },     { "SPY_FULL_WAIT_MS", "-1" },
        { "SPY_FULL_WAIT_MS", "10s" },   { "SPY_FULL_WAIT_MS", "60001" },
        { "SPY_FULL_WAIT_MS", " 10" },   { "SPY_FULL_WAIT_MS", "99999999999999999999" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv(bad[i][0], bad[i][1], 1);
        assert_refused((struct spy_options){ 0 }, -EINVAL, bad[i][0]);
        unsetenv(bad[i][0]);
    }
}

static void variables_fill_what_is_not_set(void **state)
{
    (void)state;
    setenv("SPY_LOG_LEVEL", "warn", 1);
    setenv("SPY_LOG_FORMAT", "console", 1);
    setenv("SPY_FULL_WAIT_MS", "20001", 1);
    assert_int_equal(spy_start(&(struct spy_options){
                         .log_fd = fd, .log_format = SPY_LOG_JSON, .log_level = SPY_LEVEL_INFO }),
                     0);
    json_t *lines = lines_read(fd), *line = lines_last(lines, "spyglass_started");
    assert_string_equal(lines_str(line, "log_level"), "info");
    assert_int_equal(json_integer_value(json_object_get(line, "full_wait_ms")), 20001);
    json_decref(lines);
    assert_int_equal(spy_stop(20000), 0);

    setenv("SPY_FULL_WAIT_MS", "", 1); // empty counts as not set
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd }), 0);
    assert_false(spy_log_enabled(SPY_LEVEL_INFO));
    spy_warn("for_people");
    assert_int_equal(spy_stop(20000), 0);
    char text[4096] = "";
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, " warn  for_people\n"));
    assert_null(strstr(text, "\x1b")); // a file has no colours

    setenv("SPY_LOG_FORMAT", "logfmt", 1);
    setenv("SPY_LOG_LEVELS", "http=debug,*=error", 1);
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd }), 0);
    assert_true(spy__log_module_enabled(SPY_LEVEL_DEBUG, "http"));
    assert_false(spy_log_enabled(SPY_LEVEL_WARN));
    assert_int_equal(spy_stop(20000), 0);
    unsetenv("SPY_LOG_LEVELS");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(spy_start(&(struct spy_options){ .service = "memegen", .log_fd = fd }), 0);
    spy_warn("for_machines", spy_int("n", 1));
    assert_int_equal(spy_stop(20000), 0);
    memset(text, 0, sizeof(text));
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, " level=warn event=for_machines service=memegen n=1\n"));
}

static void what_is_in_force_is_logged_once(void **state)
{
    (void)state;
    char state_dir[128];
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    assert_int_equal(spy_start(&(struct spy_options){ .service = "memegen",
                                                      .environment = "test",
                                                      .release = "1.2.3",
                                                      .state_dir = state_dir,
                                                      .admin_token = "hunter2",
                                                      .log_fd = fd,
                                                      .log_format = SPY_LOG_JSON }),
                     0);
    assert_string_equal(spy_start_error(), "");
    json_t *lines = lines_read(fd), *line = lines_last(lines, "spyglass_started");
    assert_int_equal(json_array_size(lines), 1);
    assert_string_equal(lines_str(line, "service"), "memegen");
    assert_string_equal(lines_str(line, "environment"), "test");
    assert_string_equal(lines_str(line, "release"), "1.2.3");
    assert_string_equal(lines_str(line, "state_dir"), state_dir);
    assert_string_equal(lines_str(line, "admin_token"), "[redacted]");
    assert_string_equal(lines_str(line, "log_format"), "json");
    json_decref(lines);
    struct stat st;
    assert_int_equal(stat(state_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void defaults(void **state)
{
    (void)state;
    int out = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    int err = spy_start(NULL);
    int stop = spy_stop(20000);
    dup2(out, STDOUT_FILENO);
    close(out);
    assert_int_equal(err, 0);
    assert_int_equal(stop, 0);
    json_t *lines = lines_read(fd);
    assert_string_equal(lines_str(lines_last(lines, "spyglass_started"), "service"), "test_start");
    json_decref(lines);
}

static void a_second_start_changes_nothing(void **state)
{
    (void)state;
    lines_start(fd);
    unsigned threads = count_threads();
    assert_int_equal(spy_start(&(struct spy_options){ .service = "other", .log_fd = fd }),
                     -EALREADY);
    assert_true(spy_start_error()[0]);
    assert_threads(threads);
    spy_info("still");
    json_t *lines = lines_read(fd);
    assert_string_equal(lines_str(lines_last(lines, "still"), "service"), "test");
    json_decref(lines);
}

static void cycles_leave_nothing(void **state)
{
    (void)state;
    char state_dir[128];
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    assert_int_equal(spy_stop(0), 0); // without a start
    unsigned threads = count_threads(), fds = count_fds();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(spy_start(&(struct spy_options){
                             .log_fd = fd, .state_dir = state_dir, .log_format = SPY_LOG_JSON }),
                         0);
        spy_info("cycle", spy_int("i", i));
        assert_int_equal(spy_stop(20000), 0);
        assert_int_equal(spy_stop(20000), 0); // a no-op
        assert_threads(threads);
        assert_int_equal(count_fds(), fds);
    }
    json_t *lines = lines_read(fd);
    assert_int_equal(json_array_size(lines), 100);
    json_decref(lines);
}

static void state_dirs_that_cannot_be(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/no/such/parent", dir);
    assert_refused((struct spy_options){ .state_dir = path }, -ENOENT, path);
    assert_refused((struct spy_options){ .state_dir = "/dev/null" }, -ENOTDIR, "/dev/null");
    assert_refused((struct spy_options){ .state_dir = "/proc/self" }, -ENOENT, "/proc/self");
    snprintf(path, sizeof(path), "%s/state", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/state/lock", dir);
    assert_int_equal(symlink("/tmp/elsewhere", path), 0); // nobody leads us elsewhere
    snprintf(path, sizeof(path), "%s/state", dir);
    assert_refused((struct spy_options){ .state_dir = path }, -ELOOP, path);
}

static int find_usage(void *arg, const char *bytes, size_t n)
{
    unsigned *found = arg;
    static const char *const series[] = { "\nresource_usage{resource_type=\"cpu\"} ",
                                          "\nresource_usage{resource_type=\"memory\"} ",
                                          "\nresource_usage{resource_type=\"disk\"} " };
    for (size_t i = 0; i < 3; i++) {
        *found += memmem(bytes, n, series[i], strlen(series[i])) != NULL;
    }
    return 0;
}

static void the_sampler_runs_between_start_and_stop(void **state)
{
    (void)state;
    unsigned threads = count_threads(), found = 0;
    struct spy_options options = { .log_fd = fd,
                                   .log_format = SPY_LOG_JSON,
                                   .resource_period_s = 60 };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(spy_start(&options), 0);
        assert_int_equal(count_threads(), threads + 2);
        spy__resource_wait_settled();
        assert_int_equal(spy_stop(20000), 0);
        assert_threads(threads);
    }
    assert_int_equal(spy_metrics_write(NULL, NULL, find_usage, &found), 0);
    assert_int_equal(found, 3);
    json_t *lines = lines_read(fd);
    assert_int_equal(json_integer_value(json_object_get(lines_last(lines, "spyglass_started"),
                                                        "resource_period_s")),
                     60);
    json_decref(lines);
}

static int wait_for(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_state_dir_has_one_process(void **state)
{
    (void)state;
    char state_dir[128], pid_text[32];
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    int ready[2], done[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte = (char)spy_start(&(struct spy_options){ .log_fd = fd, .state_dir = state_dir });
        (void)!write(ready[1], &byte, 1);
        (void)!read(done[0], &byte, 1); // until killed
        _exit(1);
    }
    char byte = 1;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 0);
    snprintf(pid_text, sizeof(pid_text), "process %d", (int)pid);
    assert_refused((struct spy_options){ .state_dir = state_dir }, -EBUSY, pid_text);
    kill(pid, SIGKILL);
    assert_int_equal(wait_for(pid), 128 + SIGKILL);
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd, .state_dir = state_dir }),
                     0); // the lock went with it
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(done[i]);
    }
}

// The child logs, stops its copy, and cannot have the directory while the parent lives.
static void a_child_of_a_started_process(void **state)
{
    (void)state;
    char state_dir[128];
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    struct spy_options options = { .log_fd = fd,
                                   .state_dir = state_dir,
                                   .log_format = SPY_LOG_JSON };
    assert_int_equal(spy_start(&options), 0);
    json_t *lines = lines_read(fd);
    json_decref(lines);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        spy_info("child");
        if (spy_stop(20000) != 0 || spy_start(&options) != -EBUSY) {
            _exit(1);
        }
        options.state_dir = NULL;
        _exit(!UNDER_TSAN && (spy_start(&options) != 0 || spy_stop(20000) != 0));
    }
    assert_int_equal(wait_for(pid), 0);
    spy_info("parent");
    lines = lines_read(fd);
    assert_non_null(lines_last(lines, "child"));
    assert_non_null(lines_last(lines, "parent"));
    json_decref(lines);
    pid = fork();
    if (pid == 0) {
        _exit(spy_start(&options) == -EALREADY ? 0 : 1);
    }
    assert_int_equal(wait_for(pid), 0);
}

static void without_memory(void **state)
{
    (void)state;
    char state_dir[128];
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    unsigned threads = count_threads(), fds = count_fds();
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = spy_start(&(struct spy_options){ .service = "scarce",
                                               .log_fd = fd,
                                               .state_dir = state_dir,
                                               .log_format = SPY_LOG_JSON });
        alloc_fail_never();
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            assert_true(spy_start_error()[0]);
            assert_threads(threads);
            assert_int_equal(count_fds(), fds);
        }
        assert_true(n < 200);
    }
    spy_info("started at last");
    json_t *lines = lines_read(fd);
    assert_non_null(lines_last(lines, "started at last"));
    json_decref(lines);
}

static void stop_is_bounded(void **state)
{
    (void)state;
    int ends[2];
    unsigned threads = count_threads();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = ends[1], .full_wait_ms = 10 }), 0);
    char text[4000];
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 100; i++) {
        spy_info("nobody_reads", spy_strn("text", text, sizeof(text)));
    }
    assert_int_equal(spy_stop(50), -ETIMEDOUT);
    // The pump's thread gives up within a poll of its pipe; on a loaded machine that may be after
    // spy_stop() returned.
    uint64_t deadline_ns = spy__monotonic_ns() + UINT64_C(20000000000);
    while (count_threads() > threads && spy__monotonic_ns() < deadline_ns) {
        sched_yield();
    }
    assert_threads(threads);
    close(ends[0]);
    close(ends[1]);
}

static void the_descriptor_is_its_own(void **state)
{
    (void)state;
    int other = dup(fd);
    assert_int_equal(
        spy_start(&(struct spy_options){ .log_fd = other, .log_format = SPY_LOG_JSON }), 0);
    close(other);
    int reused =
        open("/dev/null", O_WRONLY | O_CLOEXEC); // takes the number, as a socket of the host might
    assert_int_equal(reused, other);
    spy_info("still in the log");
    json_t *lines = lines_read(fd);
    assert_non_null(lines_last(lines, "still in the log"));
    json_decref(lines);
    close(reused);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_memory), // first, while nothing is registered yet
        TEST(options_out_of_range),
        TEST(variables_out_of_range),
        TEST(variables_fill_what_is_not_set),
        TEST(what_is_in_force_is_logged_once),
        TEST(defaults),
        TEST(a_second_start_changes_nothing),
        TEST(cycles_leave_nothing),
        TEST(the_sampler_runs_between_start_and_stop),
        TEST(state_dirs_that_cannot_be),
        TEST(a_state_dir_has_one_process),
        TEST(a_child_of_a_started_process),
        TEST(stop_is_bounded),
        TEST(the_descriptor_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
