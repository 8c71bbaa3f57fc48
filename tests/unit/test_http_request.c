// The details of a request: who asks for them, when, and that nobody does otherwise. And what its work
// is once it has ended.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "alloc_fail.h"
#include "base/clock.h"
#include "record/record.h"
#include "record/rings.h"
#include "signals/error.h"
#include "signals/http_request.h"
#include "signals/push.h"
#include "signals/span.h"

static struct spy__fake_clock fake = { .monotonic_ns = 1000 };

// ---- what was recorded last, as far as it is looked at

struct seen {
    unsigned count;
    bool root;
    uint64_t span_id, parent_id, task;
    char headers[4096], query[2048], client[64], other[64];
};
static struct seen error, span;

static void copy_text(char *to, size_t size, const struct spy__record *record, const char *key)
{
    const struct spy_field *field = spy__record_text(record, key);
    size_t n = field && field->len < size ? field->len : 0;
    memcpy(to, field ? field->value.s : "", n);
    to[n] = '\0';
}

static void note(struct seen *to, const struct spy__record *record)
{
    const struct spy_field *task = spy__record_field(record, SPY__SPAN_TASK);
    to->count++;
    to->root = record->root;
    to->span_id = record->span_id;
    to->parent_id = record->parent_id;
    to->task = task ? task->value.u : 0;
    copy_text(to->headers, sizeof(to->headers), record, SPY__REQUEST_HEADERS);
    copy_text(to->query, sizeof(to->query), record, SPY__REQUEST_QUERY);
    copy_text(to->client, sizeof(to->client), record, SPY__REQUEST_CLIENT);
    copy_text(to->other, sizeof(to->other), record, SPY__REQUEST_QUERY "_");
}

void __wrap_spy__push(const struct spy__record *record);
void __wrap_spy__push(const struct spy__record *record)
{
    if (record->kind == SPY__KIND_ERROR) {
        note(&error, record);
    }
}

enum spy__push __wrap_spy__rings_push(const struct spy__record *record);
enum spy__push __wrap_spy__rings_push(const struct spy__record *record)
{
    if (record->kind == SPY__KIND_SPAN) {
        note(&span, record);
    }
    return SPY__PUSH_OK;
}

// ---- a request

static unsigned asked; // times
static struct sockaddr_in6 peer6 = { .sin6_family = AF_INET6 };
static struct sockaddr_in peer4 = { .sin_family = AF_INET };
static const struct sockaddr *peer;

static void tell(void *arg, struct spy_http_details *to)
{
    asked++;
    assert_string_equal(arg, "mine");
    spy_http_details_header(to, "Host", "memes.example");
    spy_http_details_header(to, "Cookie", "hush");
    spy_http_details_header(to, "X-Forwarded-For", "203.0.113.7");
    spy_http_details_header(to, NULL, "x");
    spy_http_details_header(to, "Accept", NULL);
    spy_http_details_query(to, "limit=1&token=hush");
    spy_http_details_query(to, "another=1");
    spy_http_details_query(to, NULL);
    spy_http_details_peer(to, peer);
}

static struct spy_http *begin(void)
{
    static char mine[] = "mine";
    asked = 0;
    memset(&error, 0, sizeof(error));
    memset(&span, 0, sizeof(span));
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){
        .method = "GET", .path = "/memes", .details = tell, .details_arg = mine });
    spy_http_route(http, "/memes");
    return http;
}

static void end(struct spy_http *http, int status)
{
    spy_http_answered(http, status, 0);
    spy_http_end(http);
}

static void want(bool is_personal, double rate)
{
    const struct spy__http_request_options options = { .personal = is_personal,
                                                       .redact = "iban",
                                                       .slow_ns = 1000000000,
                                                       .sampling = { .rate = rate } };
    assert_int_equal(spy__http_requests_want(&options), 0);
}

static int set_up(void **state)
{
    (void)state;
    spy__errors_want(true);
    spy__spans_want(true);
    want(false, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__errors_want(false);
    spy__spans_want(false);
    peer = NULL;
    return spy__http_requests_want(NULL);
}

#define HEADERS "Host: memes.example\n"
#define QUERY "limit=1&token=[redacted]"

static void a_request_that_is_told_of_nobody_costs_nothing(void **state)
{
    (void)state;
    end(begin(), 200);
    assert_int_equal(asked, 0);
    assert_int_equal(span.count, 1);
    assert_string_equal(span.headers, "");
    assert_int_equal(spy__http_requests_want(NULL), 0);
    struct spy_http *http = begin();
    spy_error("odd", NULL);
    end(http, 500);
    assert_int_equal(asked, 0);
    assert_int_equal(error.count, 2);
    assert_string_equal(error.headers, "");
}

static void an_error_has_them_and_its_request(void **state)
{
    (void)state;
    struct spy_http *http = begin();
    spy_error("odd", NULL, spy_str(SPY__REQUEST_QUERY, "the host's"));
    assert_string_equal(error.headers, HEADERS);
    assert_string_equal(error.query, QUERY);
    assert_string_equal(error.other, "the host's");
    assert_string_equal(error.client, "");
    end(http, 200); // one of its spans has failed: its trace is kept
    assert_string_equal(span.headers, HEADERS);
    assert_string_equal(span.query, QUERY);
    assert_int_equal(asked, 2);
}

static void a_failed_a_slow_and_a_sampled_request_have_them(void **state)
{
    (void)state;
    struct spy_http *http = begin();
    end(http, 503);
    assert_string_equal(error.headers, HEADERS);
    assert_string_equal(span.headers, HEADERS);
    http = begin();
    fake.monotonic_ns += 1000000000;
    end(http, 200);
    assert_string_equal(span.headers, HEADERS);
    want(false, 1);
    end(begin(), 200);
    assert_string_equal(span.headers, HEADERS);
}

// What the caller in another process decided goes before the rate.
static void the_caller_decides(void **state)
{
    (void)state;
    static char mine[] = "mine";
    static const struct {
        const char *sentry_trace, *baggage;
        bool kept;
    } table[] = {
        { "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", NULL, true },
        { "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", NULL, false },
        { "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "sentry-sample_rand=0.5", true },
        { "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", NULL, false },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        span.headers[0] = '\0';
        end(spy_http_begin(&(struct spy_http_request){ .method = "GET",
                                                       .path = "/memes",
                                                       .sentry_trace = table[i].sentry_trace,
                                                       .baggage = table[i].baggage,
                                                       .details = tell,
                                                       .details_arg = mine }),
            200);
        assert_string_equal(span.headers, table[i].kept ? HEADERS : "");
    }
}

static void personal_data_is_told_where_it_is_wanted(void **state)
{
    (void)state;
    want(true, 0);
    assert_int_equal(inet_pton(AF_INET, "198.51.100.3", &peer4.sin_addr), 1);
    peer = (const struct sockaddr *)&peer4;
    struct spy_http *http = begin();
    spy_error("odd", NULL);
    end(http, 200);
    assert_string_equal(error.headers,
                        HEADERS "Cookie: [redacted]\nX-Forwarded-For: 203.0.113.7\n");
    assert_string_equal(error.client, "198.51.100.3");

    static const char *const table[][2] = { { "2001:db8::7", "2001:db8::7" },
                                            { "::ffff:198.51.100.3", "198.51.100.3" } };
    peer = (const struct sockaddr *)&peer6;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(inet_pton(AF_INET6, table[i][0], &peer6.sin6_addr), 1);
        http = begin();
        spy_error("odd", NULL);
        end(http, 200);
        assert_string_equal(error.client, table[i][1]);
    }
    static const struct sockaddr local = { .sa_family = AF_UNIX };
    peer = &local;
    http = begin();
    spy_error("odd", NULL);
    end(http, 200);
    assert_string_equal(error.client, "");
}

static void work_after_the_request_has_none(void **state)
{
    (void)state;
    struct spy_http *http = begin();
    struct spy_context *context = spy_context_capture();
    end(http, 202);
    struct spy_context_scope scope = spy_context_attach(context);
    spy_error("late", NULL);
    spy_context_detach(scope);
    spy_context_release(context);
    assert_int_equal(asked, 0);
    assert_int_equal(error.count, 1);
    assert_string_equal(error.headers, "");
}

// A task: roots of a part of the trace of their own, below the request's span.
static void work_after_the_request_is_a_task(void **state)
{
    static struct spy_operation operation = { .name = "job" };
    (void)state;
    struct spy_http *http = begin();
    struct spy_context *context = spy_context_capture();
    end(http, 202);
    const uint64_t request = span.span_id;
    assert_true(span.root && span.task == 0);

    struct spy_context_scope scope = spy_context_attach_task(context);
    struct spy_span job = spy_begin(&operation), part = spy_begin(&operation);
    struct spy_context *captured = spy_context_capture();
    spy_end(&part, SPY_SUCCESS);
    const uint64_t task = span.task;
    assert_true(task != 0 && !span.root);
    assert_int_not_equal(span.parent_id, request);
    struct spy_context_scope inner = spy_context_attach(captured); // as another thread may
    struct spy_span last = spy_begin(&operation);
    spy_end(&last, SPY_SUCCESS);
    assert_true(span.task == task && !span.root);
    spy_context_detach(inner);
    spy_context_release(captured);
    spy_end(&job, SPY_SUCCESS);
    assert_true(span.root);
    assert_int_equal(span.parent_id, request);
    assert_int_equal(span.task, task);
    spy_context_detach(scope);

    scope = spy_context_attach_task(context); // another one
    job = spy_begin(&operation);
    spy_end(&job, SPY_SUCCESS);
    assert_true(span.root && span.task != 0 && span.task != task);
    spy_context_detach(scope);

    alloc_fail_after(0);
    scope = spy_context_attach_task(context);
    alloc_fail_never();
    job = spy_begin(&operation);
    spy_end(&job, SPY_SUCCESS);
    assert_true(!span.root && span.task == 0 && span.parent_id == request);
    spy_context_detach(scope);
    spy_context_release(context);
    spy_context_detach(spy_context_attach_task(NULL));
}

static void *fail_often(void *context)
{
    struct spy_context_scope scope = spy_context_attach(context);
    for (int i = 0; i < 100; i++) {
        spy_error("odd", NULL);
    }
    spy_context_detach(scope);
    return NULL;
}

static void any_thread_that_works_for_it_may_ask(void **state)
{
    pthread_t thread;
    (void)state;
    struct spy_http *http = begin();
    struct spy_context *context = spy_context_capture();
    assert_int_equal(pthread_create(&thread, NULL, fail_often, context), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(asked, 100);
    assert_string_equal(error.headers, HEADERS);
    end(http, 200);
    spy_context_release(context);
}

// It may have inherited the lock as it was held.
static void a_forked_child_asks_nobody(void **state)
{
    (void)state;
    struct spy_http *http = begin();
    pid_t child = fork();
    if (child == 0) {
        spy_error("odd", NULL);
        end(http, 200);
        _exit(asked == 0 && error.count == 1 && error.headers[0] == '\0' ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    end(http, 200);
}

static void more_than_there_is_room_for(void *arg, struct spy_http_details *to)
{
    char name[16], value[400];
    (void)arg;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "X-%d", i);
        spy_http_details_header(to, name, i < 500 ? "v" : value);
    }
    char query[8192];
    memset(query, '&', sizeof(query) - 1);
    query[sizeof(query) - 1] = '\0';
    spy_http_details_query(to, query);
}

static void there_are_bounds(void **state)
{
    (void)state;
    want(true, 0);
    memset(&error, 0, sizeof(error));
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .details = more_than_there_is_room_for });
    spy_error("odd", NULL);
    end(http, 200);
    unsigned lines = 0;
    for (const char *at = error.headers; (at = strchr(at, '\n')); at++) {
        lines++;
    }
    assert_int_equal(lines, SPY__HTTP_REQUEST_HEADERS_MAX);
    assert_in_range(strlen(error.query), 1, SPY__HTTP_REQUEST_QUERY_BYTES);
}

static void no_memory(void **state)
{
    (void)state;
    bool whole = false;
    for (long n = 0; !whole; n++) {
        alloc_fail_after(n);
        struct spy_http *http = begin();
        spy_error("odd", NULL);
        end(http, 500);
        alloc_fail_never();
        whole = asked == 3; // two errors and the request
        assert_true(n < 100);
    }
    alloc_fail_after(0);
    assert_int_equal(spy__http_requests_want(&(struct spy__http_request_options){ .redact = "" }),
                     -ENOMEM);
    alloc_fail_never();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_that_is_told_of_nobody_costs_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_error_has_them_and_its_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_a_slow_and_a_sampled_request_have_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_caller_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(personal_data_is_told_where_it_is_wanted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(work_after_the_request_has_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_after_the_request_is_a_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_thread_that_works_for_it_may_ask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forked_child_asks_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
    };
    spy__clock_fake(&fake);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
