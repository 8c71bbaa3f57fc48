// The context of a thread: begin, attach, detach, capture, bound fields; eight threads at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "metrics/dropped.h"
#include "signals/context.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define TRACEPARENT "00-" TRACE "-" PARENT "-01"

static void assert_no_context(void)
{
    char id[64];
    assert_string_equal(spy_correlation_id(), "");
    spy_trace_id(id);
    assert_string_equal(id, "");
    spy_span_id(id);
    assert_string_equal(id, "");
    spy_traceparent(id);
    assert_string_equal(id, "");
    assert_null(spy_context_capture());
    assert_int_equal(spy__context_view().bound_count, 0);
}

static void none_at_first(void **state)
{
    (void)state;
    assert_no_context();
    spy_bind(spy_int("n", 1)); // a no-op
    spy_unbind("n");
    spy_unbind(NULL);
    spy_context_release(NULL);
    spy_context_detach(spy_context_attach(NULL));
    assert_no_context();
}

static void ids_are_taken(void **state)
{
    (void)state;
    char id[64];
    struct spy_context_scope scope = spy_context_begin("request-1", TRACEPARENT);
    assert_string_equal(spy_correlation_id(), "request-1");
    spy_trace_id(id);
    assert_string_equal(id, TRACE);
    spy_span_id(id);
    assert_string_equal(id, PARENT);
    spy_traceparent(id);
    assert_string_equal(id, TRACEPARENT);
    spy_context_detach(scope);
    scope =
        spy_context_begin("request-1", "00-" TRACE "-" PARENT "-00"); // not sampled: passed on so
    spy_traceparent(id);
    assert_string_equal(id, "00-" TRACE "-" PARENT "-00");
    spy_context_detach(scope);
    assert_no_context();
}

static void bad_ids_are_replaced(void **state)
{
    (void)state;
    static const char *const bad[] = { NULL, "", "a b", "a\nb", "\xff", "<script>" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char trace[33], span[17], parent[56];
        struct spy_context_scope scope = spy_context_begin(bad[i], bad[i]);
        assert_int_equal(strlen(spy_correlation_id()), 36);
        spy_trace_id(trace);
        assert_int_equal(strlen(trace), 32);
        spy_span_id(span);
        assert_string_equal(span, ""); // nobody called
        spy_traceparent(parent);
        assert_int_equal(strlen(parent), 55);
        assert_memory_equal(parent + 3, trace, 32);
        spy_context_detach(scope);
    }
}

static void contexts_nest(void **state)
{
    (void)state;
    struct spy_context_scope outer = spy_context_begin("outer", NULL);
    spy_bind(spy_int("depth", 1));
    spy__context_set_span(11);
    struct spy_context_scope inner = spy_context_begin("inner", NULL);
    assert_string_equal(spy_correlation_id(), "inner");
    assert_int_equal(spy__context_view().bound_count, 0);
    assert_int_equal(spy__context_span(), 0);
    struct spy_context_scope none = spy_context_attach(NULL);
    assert_no_context();
    spy_context_detach(none);
    spy_context_detach(inner);
    assert_string_equal(spy_correlation_id(), "outer");
    assert_int_equal(spy__context_view().bound_count, 1);
    assert_int_equal(spy__context_span(), 11);
    spy_context_detach(outer);
    assert_no_context();
}

static const struct spy_field *bound(const char *key)
{
    struct spy__context_view view = spy__context_view();
    for (size_t i = 0; i < view.bound_count; i++) {
        if (strcmp(view.bound[i].key, key) == 0) {
            return &view.bound[i];
        }
    }
    return NULL;
}

static void fields_are_bound(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    char key[] = "path", value[] = "/memes";
    spy_bind(spy_str(key, value));
    key[0] = value[1] = '!'; // it copied
    assert_memory_equal(bound("path")->value.s, "/memes", 6);
    assert_int_equal(bound("path")->len, 6);
    spy_bind(spy_uint("n", 1));
    spy_bind(spy_double("d", 0.5));
    spy_bind(spy_bool("b", true));
    spy_bind(spy_int("n", -2)); // replaces
    assert_int_equal(spy__context_view().bound_count, 4);
    assert_int_equal(bound("n")->value.i, -2);
    spy_bind(spy_str("absent", NULL)); // leaves the field out
    assert_null(bound("absent"));
    spy_bind(spy_str("api_key", "sk-123"));
    assert_memory_equal(bound("api_key")->value.s, "[redacted]", 10);
    spy_unbind("unknown");
    spy_unbind("api_key");
    spy_unbind("d");
    assert_null(bound("d"));
    assert_non_null(bound("b"));
    assert_int_equal(spy__context_view().bound_count, 3);
    spy_unbind("path");
    spy_unbind("n");
    spy_unbind("b");
    assert_int_equal(spy__context_view().bound_count, 0);
    spy_context_detach(scope);
}

static void bounds_are_kept(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    uint64_t before = spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_FIELDS);
    char key[200] = "k", value[300];
    memset(value, 'v', sizeof(value));
    value[255] = (char)0xc3; // a character across the limit: it is not cut in two
    value[256] = (char)0xa9;
    spy_bind(spy_strn("long", value, sizeof(value)));
    assert_int_equal(bound("long")->len, SPY_BOUND_STR_MAX - 1);
    for (int i = 1; i < SPY_BOUND_MAX + 3; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        spy_bind(spy_int(key, i));
    }
    assert_int_equal(spy__context_view().bound_count, SPY_BOUND_MAX);
    spy_bind(spy_int("k1", 100)); // replacing one is still possible
    assert_int_equal(bound("k1")->value.i, 100);
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    spy_bind(spy_int(key, 1));
    spy_bind(spy_int("", 1));
    spy_bind(spy_int(NULL, 1));
    uintptr_t address = 1;
    spy_bind(spy_addrs("stack", &address, 1));
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_FIELDS) - before, 3 + 4);
    spy_context_detach(scope);
}

static void a_capture_stays_as_it_was(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", TRACEPARENT);
    struct spy_context *plain = spy_context_capture();
    spy_bind(spy_int("step", 1));
    spy__context_set_span(7);
    struct spy_context *first = spy_context_capture();
    struct spy_context *again = spy_context_capture();
    spy_bind(spy_int("step", 2));
    spy_context_detach(scope);
    assert_no_context();

    scope = spy_context_attach(first);
    assert_int_equal(bound("step")->value.i, 1);
    assert_int_equal(spy__context_span(), 7);
    spy_bind(spy_int("step", 3)); // this thread's, not the captured one's
    spy_context_detach(scope);
    scope = spy_context_attach(again);
    assert_int_equal(bound("step")->value.i, 1);
    spy_context_release(again); // attached: it lives on
    spy_context_release(first);
    assert_string_equal(spy_correlation_id(), "c");
    spy_context_detach(scope);

    scope = spy_context_attach(plain);
    spy_context_release(plain);
    assert_null(bound("step"));
    assert_int_equal(spy__context_span(), 0xb7ad6b7169203331);
    spy_context_detach(scope);
    assert_no_context();
}

// Every allocation fails once: nothing leaks, nothing breaks, and each loss is counted.
static void without_memory(void **state)
{
    (void)state;
    for (long n = 0; n < 8; n++) {
        uint64_t before = spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY);
        alloc_fail_after(n);
        struct spy_context_scope scope = spy_context_begin("c", NULL);
        spy_bind(spy_int("a", 1));
        spy_bind(spy_str("b", "two"));
        spy_unbind("a");
        struct spy_context *ctx = spy_context_capture();
        struct spy_context_scope inner = spy_context_attach(ctx);
        spy_context_detach(inner);
        spy_context_release(ctx);
        alloc_fail_never();
        assert_true(n == 0 ? spy_correlation_id()[0] == '\0'
                           : strcmp(spy_correlation_id(), "c") == 0);
        spy_context_detach(scope);
        uint64_t lost = spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY) - before;
        assert_true(n < 5 ? lost > 0 : lost == 0);
        assert_no_context();
    }
}

#define THREADS 8

struct worker {
    pthread_t thread;
    struct spy_context *ctx;
    int number;
    bool right;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    char expected[32];
    worker->right = true;
    for (int i = 0; i < 2000; i++) {
        struct spy_context_scope scope = spy_context_attach(worker->ctx);
        worker->right &= strcmp(spy_correlation_id(), "shared") == 0 && bound("path") != NULL;
        spy_bind(spy_int("worker", worker->number));
        struct spy_context_scope own = spy_context_begin(NULL, NULL);
        snprintf(expected, sizeof(expected), "w%d-%d", worker->number, i);
        struct spy_context_scope named = spy_context_begin(expected, NULL);
        worker->right &= strcmp(spy_correlation_id(), expected) == 0 && !bound("worker");
        spy_context_detach(named);
        spy_context_detach(own);
        struct spy_context *copy = spy_context_capture();
        worker->right &= bound("worker") && bound("worker")->value.i == worker->number;
        spy_context_detach(scope);
        scope = spy_context_attach(copy);
        spy_context_release(copy);
        worker->right &= bound("worker") && bound("worker")->value.i == worker->number;
        spy_context_detach(scope);
        worker->right &= spy_correlation_id()[0] == '\0';
    }
    spy_context_release(worker->ctx);
    return NULL;
}

static void eight_threads(void **state)
{
    (void)state;
    struct worker workers[THREADS];
    struct spy_context_scope scope = spy_context_begin("shared", NULL);
    spy_bind(spy_str("path", "/"));
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .ctx = spy_context_capture(), .number = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    spy_context_detach(scope); // the workers hold theirs
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_at_first),
        cmocka_unit_test(ids_are_taken),
        cmocka_unit_test(bad_ids_are_replaced),
        cmocka_unit_test(contexts_nest),
        cmocka_unit_test(fields_are_bound),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(a_capture_stays_as_it_was),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(eight_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
