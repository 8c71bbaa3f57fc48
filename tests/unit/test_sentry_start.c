// A start with a Sentry: where its DSN comes from, what is said of it, and what is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "lines.h"
#include "spyglass/spyglass.h"

// Nobody listens there: a reserved port of this machine.
#define DSN "http://s3cretkey@127.0.0.1:1/42"

static int fd;
static char path[64];

static int set_up(void **state)
{
    (void)state;
    fd = lines_open();
    (void)snprintf(path, sizeof(path), "/tmp/test_sentry_start.XXXXXX");
    close(mkstemp(path));
    unsetenv("SENTRY_DSN");
    unsetenv("SENTRY_DSN_FILE");
    setenv("SPY_FULL_WAIT_MS", "20000", 1); // as long as a loaded machine may take
    return fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(fd);
    unsetenv("SENTRY_DSN");
    unsetenv("SENTRY_DSN_FILE");
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int start(const char *dsn)
{
    return spy_start(&(struct spy_options){
        .log_fd = fd, .log_format = SPY_LOG_JSON, .traces_sample_rate = 0.25, .sentry_dsn = dsn });
}

// Starts and stops; expects this address in the line that says what is in force, "" for none.
static void expect(const char *dsn, const char *address)
{
    assert_int_equal(start(dsn), 0);
    json_t *lines = lines_read(fd);
    assert_string_equal(lines_str(lines_last(lines, "spyglass_started"), "sentry"), address);
    char *text = json_dumps(lines, 0);
    assert_null(strstr(text, "s3cret"));
    free(text);
    json_decref(lines);
    assert_int_equal(spy_stop(20000), 0);
}

static void a_dsn_comes_from_option_variable_or_file(void **state)
{
    (void)state;
    expect(NULL, "");
    expect("", "");
    expect(DSN, "http://127.0.0.1:1");
    setenv("SENTRY_DSN_FILE", path, 1);
    write_file("");
    expect(NULL, "");
    write_file("http://s3cretkey@127.0.0.1:2/1\nmore\n");
    expect(NULL, "http://127.0.0.1:2");
    setenv("SENTRY_DSN", "", 1);
    expect(NULL, "http://127.0.0.1:2");
    setenv("SENTRY_DSN", "http://s3cretkey@127.0.0.1:3/1", 1);
    expect(NULL, "http://127.0.0.1:3");
    expect(DSN, "http://127.0.0.1:1");
}

static void what_is_sampled_is_said_once(void **state)
{
    (void)state;
    assert_int_equal(start(DSN), 0);
    json_t *lines = lines_read(fd), *line = lines_last(lines, "sentry_sampling");
    assert_non_null(line);
    assert_true(json_number_value(json_object_get(line, "transactions")) == 0.25);
    assert_string_equal(lines_str(line, "failed_and_slow"), "always");
    json_decref(lines);
    assert_int_equal(spy_stop(20000), 0);
}

static void refuse(const char *dsn, const char *about)
{
    assert_int_equal(start(dsn), -EINVAL);
    assert_non_null(strstr(spy_start_error(), about));
    assert_null(strstr(spy_start_error(), "s3cret"));
}

static void start_with_profiles(double rate, const char *platform, double said)
{
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd,
                                                      .log_format = SPY_LOG_JSON,
                                                      .sentry_dsn = DSN,
                                                      .profiling = SPY_PROFILING_CONTINUOUS,
                                                      .profiles_sample_rate = rate,
                                                      .profiles_platform = platform }),
                     0);
    json_t *lines = lines_read(fd), *line = lines_last(lines, "sentry_sampling");
    assert_true(json_number_value(json_object_get(line, "profiles")) == said);
    json_decref(lines);
    assert_int_equal(spy_stop(20000), 0);
}

static void profiles_have_a_rate_of_their_own(void **state)
{
    (void)state;
    start_with_profiles(0, NULL, 0);
    start_with_profiles(0.5, "native", 0.5);
    setenv("SENTRY_PROFILES_SAMPLE_RATE", "0.125", 1);
    start_with_profiles(0, NULL, 0.125);
    start_with_profiles(0.5, NULL, 0.5);
    start_with_profiles(SPY_SAMPLE_NONE, NULL, 0);
    setenv("SENTRY_PROFILES_SAMPLE_RATE", "often", 1);
    refuse(DSN, "SENTRY_PROFILES_SAMPLE_RATE is often: it must be 0 to 1");
    unsetenv("SENTRY_PROFILES_SAMPLE_RATE");
    setenv("SPY_PROFILES_PLATFORM", "a platform that is too long a word", 1);
    refuse(DSN, "profiles_platform is longer than 31 bytes");
    unsetenv("SPY_PROFILES_PLATFORM");
}

static void what_is_no_dsn_is_refused_and_not_told(void **state)
{
    (void)state;
    refuse("s3cret", "sentry_dsn cannot be used: it must begin with http:// or https://");
    refuse("https://s3cret@example.org", "sentry_dsn cannot be used: it has no project id");
    refuse("https://s3cret@example.org:99999/1", "it has no valid HOST");
    setenv("SENTRY_DSN_FILE", "/nonexistent", 1);
    refuse(NULL, "SENTRY_DSN_FILE /nonexistent cannot be read: No such file");
    setenv("SENTRY_DSN_FILE", path, 1);
    char longest[1100];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    write_file(longest);
    refuse(NULL, "too long");
    write_file("https://s3cret/1\n");
    refuse(NULL, "sentry_dsn cannot be used");
    expect(DSN, "http://127.0.0.1:1"); // a start goes well after all that
}

static void failing_allocations_refuse_a_start(void **state)
{
    (void)state;
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = start(DSN);
        alloc_fail_never();
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            assert_true(spy_start_error()[0]);
        }
        assert_true(n < 400);
    }
    assert_int_equal(spy_stop(20000), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_dsn_comes_from_option_variable_or_file),
        TEST(what_is_sampled_is_said_once),
        TEST(profiles_have_a_rate_of_their_own),
        TEST(what_is_no_dsn_is_refused_and_not_told),
        TEST(failing_allocations_refuse_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
