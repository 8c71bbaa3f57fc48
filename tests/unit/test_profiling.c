// Profiling as spy_start() wires it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lines.h"
#include "profile/sampler.h"
#include "profile/workers.h"
#include "spyglass/spyglass.h"

#define MS UINT64_C(1000000)
#define PATIENCE_NS (20000 * MS)

static int fd;

static int set_up(void **state)
{
    (void)state;
    fd = memfd_create("log", MFD_CLOEXEC);
    return fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)spy_stop(20000);
    return close(fd);
}

static void start_profiled(void)
{
    setenv("SPY_PROFILING", "continuous", 1);
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd,
                                                      .log_format = SPY_LOG_JSON,
                                                      .admin = "127.0.0.1:0",
                                                      .trace_slow_ms = 50 }),
                     0);
    unsetenv("SPY_PROFILING");
}

static void test_a_start_says_what_is_in_force(void **state)
{
    (void)state;
    uint64_t from, to;
    start_profiled();
    json_t *lines = lines_read(fd);
    json_t *hz = json_object_get(lines_last(lines, "spyglass_started"), "profiling_hz");
    assert_int_equal(json_integer_value(hz), SPY__SAMPLER_HZ);
    json_decref(lines);
    struct spy__profile *profile = spy__profile_window(0, UINT64_MAX);
    assert_non_null(profile);
    spy__profile_free(profile);
    assert_true(spy__profile_covered(&from, &to)); // nothing yet, or a little
    assert_true(from <= to);
    assert_int_equal(spy_stop(20000), 0);
    assert_null(spy__profile_window(0, UINT64_MAX));
    assert_false(spy__profile_covered(&from, &to));
}

static void note_signal(int signal)
{
    (void)signal;
}

static void test_a_host_that_handles_sigprof_is_told(void **state)
{
    (void)state;
    struct sigaction before, own = { .sa_handler = note_signal };
    assert_int_equal(sigaction(SIGPROF, &own, &before), 0);
    start_profiled();
    assert_null(spy__profile_window(0, UINT64_MAX));
    assert_int_equal(spy_stop(20000), 0);
    assert_int_equal(sigaction(SIGPROF, &before, &own), 0);
    assert_ptr_equal(own.sa_handler, note_signal);
    json_t *lines = lines_read(fd);
    assert_non_null(lines_last(lines, "spyglass_profiling_unusable"));
    json_decref(lines);
}

static volatile unsigned long sum;

static void work_ms(uint64_t ms)
{
    for (uint64_t until_ns = spy__thread_cpu_ns() + ms * MS; spy__thread_cpu_ns() < until_ns;) {
        for (unsigned long i = 0; i < 10000; i++) {
            sum += i;
        }
    }
}

static void request(const char *id, uint64_t ms)
{
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .correlation_id = id });
    work_ms(ms);
    spy_http_answered(http, 200, 0);
    spy_http_end(http);
}

// The request's entry among those that were slow, once it is there.
static bool find_slow(struct spy__slow_request *ret, const char *id)
{
    struct spy__slow_request slow[4];
    for (uint64_t until_ns = spy__monotonic_ns() + PATIENCE_NS; spy__monotonic_ns() < until_ns;) {
        const size_t n = spy__profile_list_slow(slow, 4);
        for (size_t i = 0; i < n; i++) {
            if (strcmp(slow[i].correlation_id, id) == 0) {
                *ret = slow[i];
                return true;
            }
        }
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return false;
}

static void test_a_slow_request_keeps_its_profile(void **state)
{
    (void)state;
    struct spy__slow_request slow;
    start_profiled();
    request("quick", 1);
    request("slow", 150);
    assert_true(find_slow(&slow, "slow"));
    assert_string_equal(slow.name, "GET unmatched"); // as its trace calls it
    assert_true(slow.duration_ns >= 150 * MS);
    struct spy__profile *profile = spy__profile_of_slow("slow");
    assert_non_null(profile);
    assert_true(profile->sample_count > 0);
    assert_string_equal(profile->operations[profile->samples[0].operation], "http_request");
    spy__profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_start_says_what_is_in_force, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_host_that_handles_sigprof_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_slow_request_keeps_its_profile, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
