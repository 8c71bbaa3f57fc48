// Where spy_start() sends lines: what options and variables say, and which goes before which.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lines.h"
#include "spyglass/spyglass.h"

static char dir[64], path[96], other[96];

static int set_up(void **state)
{
    (void)state;
    static const char *const variables[] = { "SPY_LOG_LEVEL",     "SPY_LOG_FORMAT",
                                             "SPY_LOG_OUTPUT",    "SPY_LOG_FILE",
                                             "SPY_SYSLOG_SOCKET", "SPY_JOURNALD_SOCKET" };
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        unsetenv(variables[i]);
    }
    setenv("SPY_FULL_WAIT_MS", "20000", 1);
    strncpy(dir, "/tmp/test_outputs.XXXXXX", sizeof(dir));
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/one", dir);
    snprintf(other, sizeof(other), "%s/two", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)spy_stop(20000);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return 0;
}

// Starts, logs a line, stops; returns what the file has then, "" where there is none.
static const char *text_in(const char *name, struct spy_options options)
{
    static char text[65536];
    assert_int_equal(spy_start(&options), 0);
    spy_info("here");
    assert_int_equal(spy_stop(20000), 0);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    assert_true(n >= 0);
    text[n] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

static void files(void **state)
{
    (void)state;
    assert_non_null(strstr(text_in(path, (struct spy_options){ .log_file = path }), "\"here\""));
    assert_non_null(strstr(text_in(path, (struct spy_options){ .log_file = path }),
                           "\"log_output\":\"file\",\"log_file\":\""));
    setenv("SPY_LOG_FILE", other, 1);
    assert_non_null(strstr(text_in(other, (struct spy_options){ 0 }), "\"here\""));
    assert_int_equal(unlink(other), 0);
    // What the host says goes before what its environment says.
    (void)text_in(path, (struct spy_options){ .log_file = path });
    assert_int_equal(access(other, F_OK), -1);
    int fd = lines_open();
    (void)text_in(path, (struct spy_options){ .log_fd = fd });
    assert_int_equal(access(other, F_OK), -1);
    json_t *lines = lines_read(fd);
    assert_non_null(lines_last(lines, "here"));
    json_decref(lines);
    close(fd);
    setenv("SPY_LOG_OUTPUT", "stderr", 1);
    (void)text_in(path, (struct spy_options){ .log_file = path });
    assert_int_equal(access(other, F_OK), -1);
    setenv("SPY_LOG_OUTPUT", "file", 1);
    assert_non_null(strstr(text_in(other, (struct spy_options){ 0 }), "\"here\""));
}

static void a_file_that_rotates(void **state)
{
    (void)state;
    char first[128];
    snprintf(first, sizeof(first), "%s.1", path);
    struct spy_options options = { .log_file = path, .log_file_max_bytes = 600 };
    for (int i = 0; i < 4; i++) {
        (void)text_in(path, options);
    }
    assert_int_equal(access(first, F_OK), 0);
}

static int start_logger(const char *variable)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setenv(variable, path, 1);
    return fd;
}

static void loggers(void **state)
{
    (void)state;
    char text[4096];
    int fd = start_logger("SPY_SYSLOG_SOCKET");
    (void)text_in(other,
                  (struct spy_options){ .service = "app", .log_output = SPY_LOG_OUTPUT_SYSLOG });
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_memory_equal(text, "<14>", 4);
    assert_non_null(strstr(text, " app["));
    assert_non_null(strstr(text, "]: {\"timestamp\":"));
    close(fd);
    assert_int_equal(unlink(path), 0);

    fd = start_logger("SPY_JOURNALD_SOCKET");
    setenv("SPY_LOG_OUTPUT", "journald", 1);
    setenv("SPY_LOG_FORMAT", "logfmt", 1);
    (void)text_in(other, (struct spy_options){ .service = "app" });
    n = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_memory_equal(text, "PRIORITY=6\nSYSLOG_IDENTIFIER=app\nEVENT=spyglass_started\n", 56);
    assert_non_null(strstr(text, "\nMESSAGE=timestamp="));
    close(fd);
}

static void assert_refused(struct spy_options options, int err, const char *about)
{
    assert_int_equal(spy_start(&options), err);
    if (!strstr(spy_start_error(), about)) {
        fail_msg("\"%s\" says nothing of %s", spy_start_error(), about);
    }
}

static void what_cannot_be(void **state)
{
    (void)state;
    assert_refused((struct spy_options){ .log_output = (enum spy_log_output)9 }, -EINVAL,
                   "log_output");
    assert_refused((struct spy_options){ .log_output = SPY_LOG_OUTPUT_FILE }, -EINVAL, "log_file");
    assert_refused((struct spy_options){ .log_file = path, .log_files_max = 1001 }, -EINVAL,
                   "log_files_max");
    assert_refused((struct spy_options){ .log_file = "/no/such/folder/log" }, -ENOENT,
                   "/no/such/folder/log");
    assert_refused((struct spy_options){ .log_file = dir }, -EISDIR, dir);
    setenv("SPY_LOG_OUTPUT", "printer", 1);
    assert_refused((struct spy_options){ 0 }, -EINVAL, "SPY_LOG_OUTPUT");
    setenv("SPY_LOG_OUTPUT", "file", 1);
    assert_refused((struct spy_options){ 0 }, -EINVAL, "log_file");
    setenv("SPY_LOG_OUTPUT", "syslog", 1);
    static char long_path[200];
    memset(long_path, 'p', sizeof(long_path) - 1);
    setenv("SPY_SYSLOG_SOCKET", long_path, 1);
    assert_refused((struct spy_options){ 0 }, -ENAMETOOLONG, "log");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(files),
        TEST(a_file_that_rotates),
        TEST(loggers),
        TEST(what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
