// ?profile= as spy_start() wires it, where memory ends at any of its allocations: the request goes on,
// nothing is lost or stays open, and the next one has its profile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "base/buf.h"
#include "profile/sessions.h"
#include "profile/watch.h"
#include "profile/workers.h"
#include "reports.h"
#include "spyglass/spyglass.h"
#include "tests/integration/profile_ask.h"

#define ALLOCATIONS_MAX 100000 // no report has so many

static struct spy_operation step = { .name = "step" };
static int fd;

static int set_up(void **state)
{
    (void)state;
    fd = memfd_create("log", MFD_CLOEXEC);
    return fd < 0 || spy_start(&(struct spy_options){ .log_fd = fd,
                                                      .log_format = SPY_LOG_JSON,
                                                      .admin = "127.0.0.1:0",
                                                      .admin_token = "the token" }) != 0
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    int rc = spy_stop(20000);
    return close(fd) != 0 ? -1 : rc;
}

// As the signal handler does.
static __attribute__((noinline)) void sample(void)
{
    struct spy__worker *self = spy__worker_self();
    if (self) {
        spy__watch_take(self, 1000000, (uintptr_t)sample);
    }
}

static void work(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct spy_span span = spy_begin(&step);
        sample();
        spy_end(&span, SPY_SUCCESS);
    }
}

static bool holds(const struct spy_http_report *report, const char *text)
{
    return memmem(report->body, report->body_len, text, strlen(text)) != NULL;
}

// Whether the request was profiled, its report written and a copy of it kept, with memory for `n`
// allocations of its profile.
static bool request(const char *id, const char *value, const char *holds_text, long n)
{
    struct spy_http_report report = { .body = NULL };
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .correlation_id = id });
    assert_non_null(http);
    alloc_fail_after(n);
    const int begun = profile_ask(http, value);
    work();
    const int ended = spy_http_profile_end(http, 200, &report);
    alloc_fail_never();
    assert_true(begun == 0 || begun == -ENOMEM);
    assert_true(begun == 0 ? ended == 0 || ended == -ENOMEM : ended == -ENOENT);
    assert_int_equal(spy__sessions_open(), 0);
    const bool kept = ended == 0 && report.address[0] != '\0';
    if (ended == 0) {
        assert_non_null(report.content_type);
        assert_true(report.body_len > 0 && holds(&report, holds_text));
        free(report.body);
    } else {
        assert_null(report.body);
    }
    spy_http_answered(http, 200, report.body_len);
    spy_http_end(http);
    return kept;
}

static void test_memory_may_end_anywhere(void **state)
{
    static const struct {
        const char *id, *value, *holds;
    } forms[] = {
        { "page", "1", "</html>" },
        { "folded", "cpu,folded", "\n" },
        { "speedscope", "speedscope", "\"profiles\"" },
        { "pprof", "pprof", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        long n = 0;
        struct spy__buf kept;
        const char *type = NULL;
        // What is read once: debug information, the thread's own.
        assert_true(request("first", forms[i].value, forms[i].holds, ALLOCATIONS_MAX));
        while (n < ALLOCATIONS_MAX && !request(forms[i].id, forms[i].value, forms[i].holds, n)) {
            n++;
        }
        assert_in_range(n, 5, ALLOCATIONS_MAX - 1);
        print_message("# %s: %ld allocations\n", forms[i].id, n);
        // It is the newest of its id; finding it fails where there is no memory for it.
        spy__buf_init(&kept, SPY__REPORT_BYTES_MAX);
        alloc_fail_after(0);
        assert_int_equal(spy__reports_find(&kept, forms[i].id, &type), -ENOMEM);
        alloc_fail_never();
        spy__buf_done(&kept);
        spy__buf_init(&kept, SPY__REPORT_BYTES_MAX);
        assert_int_equal(spy__reports_find(&kept, forms[i].id, &type), 0);
        assert_non_null(type);
        assert_true(kept.len > 0);
        spy__buf_done(&kept);
    }
}

// Sixteen are open at once after all that failed: none of them stayed open.
static void test_all_places_are_free_afterwards(void **state)
{
    struct spy_http *requests[17];
    struct spy_http_report report;
    (void)state;
    for (unsigned i = 0; i < 17; i++) {
        requests[i] = spy_http_begin(&(struct spy_http_request){ .method = "GET" });
        assert_non_null(requests[i]);
        assert_int_equal(profile_ask(requests[i], "1"), i < 16 ? 0 : -EBUSY);
        spy_http_leave(requests[i]);
    }
    for (unsigned i = 17; i-- > 0;) {
        spy_http_enter(requests[i]);
        const int rc = spy_http_profile_end(requests[i], 200, &report);
        assert_int_equal(rc, i < 16 ? 0 : -ENOENT);
        if (rc == 0) {
            free(report.body);
        }
        spy_http_answered(requests[i], 200, 0);
        spy_http_end(requests[i]);
    }
}

// A start without memory for the token gives profiles to nobody who brings one.
static void test_no_memory_for_the_token(void **state)
{
    (void)state;
    const struct spy_http_profile_ask ask = { .who = SPY_HTTP_PROFILES_TOKEN,
                                              .value = "1",
                                              .authorization = "Bearer the token" };
    struct spy__settings settings = { .admin = "127.0.0.1:8000", .admin_token = "the token" };
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){ .method = "GET" });
    spy__reports_stop();
    alloc_fail_after(0);
    spy__reports_start(&settings, 8000);
    alloc_fail_never();
    assert_int_equal(spy_http_profile(http, &ask), -EACCES);
    spy__reports_stop();
    spy__reports_start(&settings, 8000);
    assert_int_equal(spy_http_profile(http, &ask), 0);
    struct spy_http_report report;
    assert_int_equal(spy_http_profile_end(http, 404, &report), 0);
    free(report.body);
    spy_http_answered(http, 404, 0);
    spy_http_end(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_may_end_anywhere),
        cmocka_unit_test(test_all_places_are_free_afterwards),
        cmocka_unit_test(test_no_memory_for_the_token),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
