// Timelines: which spans come in, what is kept of them, in what order, and how many.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "alloc_fail.h"
#include "base/clock.h"
#include "metrics/dropped.h"
#include "signals/trace.h"

static struct spy__fake_clock fake = { .monotonic_ns = 5000000,
                                       .realtime_ns = 1700000000000000000 };

static struct spy_operation step = { .name = "step", .labels = SPY_LABELS("who", "how") };
static struct spy_operation plain = { .name = "plain" };

static void pass_us(uint64_t us)
{
    fake.monotonic_ns += us * 1000;
    fake.realtime_ns += us * 1000;
}

struct seen {
    size_t count;
    struct spy_trace_span spans[SPY_TRACE_SPANS_MAX];
};

static void see(void *arg, const struct spy_trace_span *span)
{
    struct seen *seen = arg;
    seen->spans[seen->count++] = *span;
}

static void look(struct seen *ret, struct spy_trace *trace)
{
    ret->count = 0;
    spy_trace_each(trace, see, ret);
}

static struct seen seen;

static void spans_come_in_as_they_end(void **state)
{
    char id[SPY_SPAN_ID_LEN + 1], inner_id[SPY_SPAN_ID_LEN + 1], how[] = "fast";
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_span before = spy_begin(&plain);
    spy_end(&before, SPY_SUCCESS); // nobody gathers yet
    struct spy_trace *trace = spy_trace_gather();
    look(&seen, trace);
    assert_int_equal(seen.count, 0);

    uint64_t start_us = fake.realtime_ns / 1000;
    struct spy_span outer = spy_begin(&step, "outer", NULL);
    spy_span_id(id);
    pass_us(100);
    struct spy_span inner = spy_begin(&step, "inner", how);
    spy_span_id(inner_id);
    pass_us(50);
    fake.realtime_ns += 3600000000000; // the clock is set: the timeline stays whole
    spy_end(&inner, spy_failure("timeout", "too \xc3\xa9slow"));
    how[0] = '!'; // copied
    pass_us(10);
    spy_end(&outer, SPY_SUCCESS);
    spy_context_detach(scope);
    struct spy_span after = spy_begin(&plain); // another's work
    spy_end(&after, SPY_SUCCESS);

    look(&seen, trace);
    assert_int_equal(seen.count, 2);
    const struct spy_trace_span *s = seen.spans; // by start: the outer one first
    assert_string_equal(s[0].span_id, id);
    assert_string_equal(s[0].parent_id, "");
    assert_string_equal(s[0].name, "step");
    assert_string_equal(s[0].labels[0], "who");
    assert_string_equal(s[0].values[0], "outer");
    assert_string_equal(s[0].values[1], "");
    assert_null(s[0].labels[2]);
    assert_int_equal(s[0].start_us, start_us);
    assert_int_equal(s[0].duration_us, 160);
    assert_null(s[0].error_type);
    assert_null(s[0].message);
    assert_string_equal(s[1].span_id, inner_id);
    assert_string_equal(s[1].parent_id, id);
    assert_string_equal(s[1].values[1], "fast");
    assert_int_equal(s[1].start_us, start_us + 100);
    assert_int_equal(s[1].duration_us, 50);
    assert_string_equal(s[1].error_type, "timeout");
    assert_string_equal(s[1].message, "too \xc3\xa9slow");
    assert_int_equal(spy_trace_lost(trace), 0);
    spy_trace_release(trace);
}

static void *work(void *arg)
{
    struct spy_context_scope scope = spy_context_attach(arg);
    for (int i = 0; i < 10; i++) {
        struct spy_span span = spy_begin(&plain);
        spy_end(&span, SPY_SUCCESS);
    }
    spy_context_detach(scope);
    spy_context_release(arg);
    return NULL;
}

static void other_threads_feed_it(void **state)
{
    pthread_t threads[8];
    char root_id[SPY_SPAN_ID_LEN + 1];
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_context *without = spy_context_capture();
    struct spy_trace *trace = spy_trace_gather();
    struct spy_span root = spy_begin(&plain);
    spy_span_id(root_id);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, spy_context_capture()), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_create(&threads[0], NULL, work, without); // captured before: not of this timeline
    pthread_join(threads[0], NULL);
    spy_end(&root, SPY_SUCCESS);
    spy_context_detach(scope);
    look(&seen, trace);
    assert_int_equal(seen.count, 81);
    for (size_t i = 0; i < seen.count; i++) {
        bool is_root = strcmp(seen.spans[i].span_id, root_id) == 0;
        assert_string_equal(seen.spans[i].parent_id, is_root ? "" : root_id);
    }
    spy_trace_release(trace);
}

static void a_request_joins_when_it_is_answered(void **state)
{
    (void)state;
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/" });
    struct spy_trace *trace = spy_trace_gather();
    spy_http_leave(http);
    spy_http_enter(http); // elsewhere
    pass_us(1);
    struct spy_span child = spy_begin(&plain);
    pass_us(20);
    spy_end(&child, SPY_SUCCESS);
    spy_http_route(http, "/x");
    spy_http_answered(http, 503, 0);
    look(&seen, trace);
    assert_int_equal(seen.count, 2);
    spy_http_leave(http);
    pass_us(1000); // sending is none of it
    spy_http_end(http);
    look(&seen, trace);
    assert_int_equal(seen.count, 2); // once
    assert_string_equal(seen.spans[0].name, "http_request");
    assert_string_equal(seen.spans[0].values[1], "/x");
    assert_string_equal(seen.spans[0].values[2], "503");
    assert_string_equal(seen.spans[0].error_type, "status_5xx");
    assert_int_equal(seen.spans[0].duration_us, 21);
    assert_string_equal(seen.spans[1].parent_id, seen.spans[0].span_id);
    spy_trace_release(trace);

    // One that nobody answered, and one that was answered while it was on no thread.
    for (int answered = 0; answered < 2; answered++) {
        http = spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/" });
        trace = spy_trace_gather();
        spy_http_leave(http);
        if (answered) {
            spy_http_answered(http, 200, 0);
        }
        spy_http_end(http);
        look(&seen, trace);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.spans[0].values[2], answered ? "200" : "499");
        spy_trace_release(trace);
    }
}

static void it_has_bounds(void **state)
{
    char value[600];
    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    value[SPY_TRACE_TEXT_MAX - 1] = (char)0xc3; // a character across the limit
    value[SPY_TRACE_TEXT_MAX] = (char)0xa9;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_trace *trace = spy_trace_gather();
    for (int i = 0; i < SPY_TRACE_SPANS_MAX + 3; i++) {
        struct spy_span span = spy_begin(&step, value, value);
        spy_end(&span, spy_failure(value, value));
    }
    spy_context_detach(scope);
    look(&seen, trace);
    assert_int_equal(seen.count, SPY_TRACE_SPANS_MAX);
    assert_int_equal(spy_trace_lost(trace), 3);
    assert_int_equal(strlen(seen.spans[0].values[1]), SPY_TRACE_TEXT_MAX - 1);
    assert_int_equal(strlen(seen.spans[0].message), SPY_TRACE_TEXT_MAX - 1);
    spy_trace_release(spy_trace_hold(trace));
    spy_trace_release(trace);
}

// Runs with the timeline's lock held, as if another thread held it.
static void fork_inside(void *arg, const struct spy_trace_span *span)
{
    struct spy_trace *trace = arg;
    int status = -1;
    (void)span;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); // a child that waits for ever is killed
        struct spy_span own = spy_begin(&plain);
        spy_end(&own, SPY_SUCCESS);
        look(&seen, trace);
        size_t count = seen.count, lost = spy_trace_lost(trace);
        struct spy_context_scope scope = spy_context_begin("child", NULL);
        struct spy_trace *of_its_own = spy_trace_gather();
        own = spy_begin(&plain);
        spy_end(&own, SPY_SUCCESS);
        look(&seen, of_its_own);
        spy_context_detach(scope);
        _exit(count == 0 && lost == 0 && seen.count == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_child_leaves_it_alone(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_trace *trace = spy_trace_gather();
    struct spy_span span = spy_begin(&plain);
    spy_end(&span, SPY_SUCCESS);
    spy_trace_each(trace, fork_inside, trace);
    look(&seen, trace);
    assert_int_equal(seen.count, 1);
    spy_context_detach(scope);
    spy_trace_release(trace);
}

static void see_texts(void *arg, const struct spy_trace_span *span)
{
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 4096 - n, "%s|%s|%s\n", span->values[0], span->values[1], span->message);
}

// What a log line would mask, a timeline masks too; the user's own words as well.
static void secrets_are_masked(void **state)
{
    static struct spy_operation login = { .name = "login", .labels = SPY_LABELS("api_key", "url") };
    char text[4096] = "";
    (void)state;
    assert_int_equal(spy_operation_register(&login), 0);
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_trace *trace = spy_trace_gather();
    struct spy_span span = spy_begin(&login, "k1", "http://u:p1@host/?token=t1&x=y");
    spy_end(&span, spy_failure("refused", "password=p2 iban=i1 {\"secret\":\"s1\"} is wrong"));
    span = spy_begin(&login, "", "clean");
    spy_end(&span, spy_failure("refused", "clean too"));

    spy__trace_redact("iban");
    spy_trace_each(trace, see_texts, text);
    spy__trace_redact(NULL);
    for (const char *const *secret =
             (const char *const[]){ "k1", "p1", "t1", "p2", "i1", "s1", NULL };
         *secret; secret++) {
        if (strstr(text, *secret)) {
            fail_msg("%s is in %s", *secret, text);
        }
    }
    assert_non_null(
        strstr(text, "@host/?token=[redacted]&x=y|password=[redacted] iban=[redacted]"));
    assert_non_null(strstr(text, "|clean|clean too\n"));
    text[0] = '\0';
    spy_trace_each(trace, see_texts, text);
    assert_non_null(strstr(text, "iban=i1")); // no word of ours
    spy_trace_release(trace);
    spy_context_detach(scope);
}

// Short secrets become longer: 256 bytes of them in each text are more than there is room for.
static void masks_have_bounds(void **state)
{
    static struct spy_operation many = { .name = "many",
                                         .labels = SPY_LABELS("a", "b", "c", "d", "e") };
    char pairs[SPY_TRACE_TEXT_MAX + 1] = "", text[4096] = "";
    (void)state;
    for (size_t i = 0; i + 6 <= SPY_TRACE_TEXT_MAX; i += 6) {
        memcpy(pairs + i, "pwd=Q ", 7);
    }
    assert_int_equal(spy_operation_register(&many), 0);
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_trace *trace = spy_trace_gather();
    struct spy_span span = spy_begin(&many, pairs, pairs, pairs, pairs, pairs);
    spy_end(&span, spy_failure("refused", pairs));
    spy_trace_each(trace, see_texts, text);
    assert_null(strchr(text, 'Q'));
    spy_trace_release(trace);
    spy_context_detach(scope);
}

static void nothing_is_a_no_op(void **state)
{
    (void)state;
    assert_null(spy_trace_gather()); // no context
    assert_null(spy_trace_hold(NULL));
    spy_trace_release(NULL);
    look(&seen, NULL);
    assert_int_equal(seen.count, 0);
    assert_int_equal(spy_trace_lost(NULL), 0);
}

static void without_memory(void **state)
{
    (void)state;
    for (long n = 0; n < 4; n++) {
        struct spy_context_scope scope = spy_context_begin("c", NULL);
        struct spy_context *other = spy_context_capture(); // so that it is copied
        uint64_t lost = spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY);
        alloc_fail_after(n);
        struct spy_trace *trace = spy_trace_gather();
        struct spy_span span = spy_begin(&plain);
        spy_end(&span, SPY_SUCCESS);
        alloc_fail_never();
        assert_int_equal(trace != NULL, n > 1);
        assert_int_equal(spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY) - lost, n < 2);
        look(&seen, trace);
        assert_int_equal(seen.count, n > 2);
        assert_int_equal(spy_trace_lost(trace), n == 2);
        assert_string_equal(spy_correlation_id(), "c");
        spy_trace_release(trace);
        spy_context_detach(scope);
        spy_context_release(other);
    }
}

static int set_up(void **state)
{
    (void)state;
    spy__clock_fake(&fake);
    return spy_operation_register(&step) == 0 && spy_operation_register(&plain) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_come_in_as_they_end),
        cmocka_unit_test(other_threads_feed_it),
        cmocka_unit_test(a_request_joins_when_it_is_answered),
        cmocka_unit_test(it_has_bounds),
        cmocka_unit_test(a_child_leaves_it_alone),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(masks_have_bounds),
        cmocka_unit_test(nothing_is_a_no_op),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
