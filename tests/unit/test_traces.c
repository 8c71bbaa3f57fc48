// The trace window: how traces are put together, decided, bounded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "record/recent/traces.h"

static _Alignas(8) unsigned char bytes[SPY__RECORD_MAX];
static struct spy__traces *traces;
static unsigned decided[SPY__TRACE_OUTCOMES], kept;
static unsigned last_count;

static void note(void *arg, const struct spy__trace *trace)
{
    (void)arg;
    decided[trace->outcome]++;
    kept += trace->kept;
    last_count = trace->count;
    // What is handed on can be read.
    for (unsigned i = 0; i < trace->count; i++) {
        struct spy__wire_view view;
        assert_int_equal(spy__wire_read(&view, trace->spans[i]->bytes, trace->spans[i]->n), 0);
        assert_int_equal(view.record.trace_lo, trace->lo);
    }
}

static void start(double sample_rate, unsigned kept_max)
{
    spy__traces_free(traces);
    memset(decided, 0, sizeof(decided));
    kept = 0;
    traces = spy__traces_new(&(struct spy__traces_options){ .slow_ns = 1000,
                                                            .sampling = { .rate = sample_rate },
                                                            .kept_max = kept_max,
                                                            .decided = note });
    assert_non_null(traces);
}

static int tear_down(void **state)
{
    (void)state;
    spy__traces_free(traces);
    traces = NULL;
    return 0;
}

static uint64_t task; // of the spans that are added

// A span of trace `lo`, whose correlation id is made of it.
static bool add(uint64_t lo, bool root, uint64_t duration_ns, const char *error_type)
{
    char id[32];
    snprintf(id, sizeof(id), "id-%" PRIu64, lo);
    struct spy_field fields[] = { spy_str("error_type", error_type),
                                  spy_uint(SPY__SPAN_TASK, task) };
    struct spy__record span = { .kind = SPY__KIND_SPAN,
                                .level = SPY_LEVEL_INFO,
                                .time_ns = 1,
                                .duration_ns = duration_ns,
                                .root = root,
                                .parent_id = 7, // a root may have one, far away
                                .correlation_id = id,
                                .trace_hi = 1,
                                .trace_lo = lo,
                                .event = root ? "http_request" : "agent",
                                .fields = error_type ? fields : fields + 1,
                                .field_count = (error_type ? 1u : 0u) + (task ? 1u : 0u) };
    size_t n = spy__wire_write(bytes, sizeof(bytes), &span);
    assert_true(n > 0);
    return spy__traces_add(traces, &span, bytes, n);
}

static void a_trace_is_decided_at_its_roots_end(void **state)
{
    (void)state;
    start(0, 10);
    add(1, false, 5, NULL);
    add(2, false, 5, "timeout");
    add(3, false, 5000, NULL); // slow, but not the root
    add(1, true, 10, NULL);
    assert_int_equal(decided[SPY__TRACE_UNSAMPLED], 1);
    assert_int_equal(last_count, 2);
    add(2, true, 10, NULL);
    assert_int_equal(decided[SPY__TRACE_ERROR], 1);
    add(3, true, 999, NULL);
    assert_int_equal(decided[SPY__TRACE_UNSAMPLED], 2);
    add(4, true, 1000, NULL);
    assert_int_equal(decided[SPY__TRACE_SLOW], 1);
    add(5, true, 1000, "");
    assert_int_equal(decided[SPY__TRACE_SLOW], 2);
    assert_int_equal(kept, 3);
    const struct spy__trace *t = spy__traces_kept(traces, NULL);
    assert_int_equal(t->lo, 5);
    t = spy__traces_kept(traces, t);
    assert_int_equal(t->lo, 4);
    t = spy__traces_kept(traces, t);
    assert_int_equal(t->lo, 2);
    assert_true(t->failed);
    assert_null(spy__traces_kept(traces, t));
}

static void it_is_found_by_either_id(void **state)
{
    (void)state;
    start(1, 10);
    add(17, false, 5, NULL);
    const struct spy__trace *t = spy__traces_find(traces, "id-17");
    assert_non_null(t);
    assert_false(t->decided);
    add(17, true, 5, NULL);
    assert_ptr_equal(spy__traces_find(traces, "00000000000000010000000000000011"), t);
    assert_true(t->kept);
    assert_non_null(t->root);
    assert_null(spy__traces_find(traces, "id-18"));
    assert_null(spy__traces_find(traces, ""));
}

static void a_late_span_goes_with_its_trace(void **state)
{
    (void)state;
    start(0, 10);
    add(1, true, 5000, NULL);
    add(2, true, 5, NULL);
    add(1, false, 5, NULL);
    add(2, false, 5, NULL);
    assert_int_equal(spy__traces_find(traces, "id-1")->count, 2);
    assert_null(spy__traces_find(traces, "id-2"));
    spy__traces_flush(traces);
    assert_int_equal(decided[SPY__TRACE_TRUNCATED], 0);
}

static void a_second_root_is_decided_by_itself(void **state)
{
    (void)state;
    start(0, 10);
    add(1, true, 5, NULL);
    assert_int_equal(decided[SPY__TRACE_UNSAMPLED], 1);
    add(1, true, 5, "timeout");
    assert_int_equal(decided[SPY__TRACE_ERROR], 1);
    assert_int_equal(spy__traces_find(traces, "id-1")->count, 1);
    add(1, true, 5, NULL); // goes with it
    assert_int_equal(spy__traces_find(traces, "id-1")->count, 2);
    assert_int_equal(decided[SPY__TRACE_UNSAMPLED] + decided[SPY__TRACE_ERROR], 2);
}

// Work that goes on after its request: spans of both come as they like.
static void a_task_is_a_part_of_its_own(void **state)
{
    (void)state;
    start(1, 10);
    task = 7;
    add(1, false, 5, NULL);
    task = 0;
    add(1, false, 5, NULL);
    add(1, true, 10, NULL);
    assert_int_equal(decided[SPY__TRACE_SAMPLED], 1);
    assert_int_equal(last_count, 2);
    task = 7;
    add(1, false, 5, "timeout");
    task = 8;
    add(1, true, 5, NULL);
    assert_int_equal(last_count, 1);
    task = 7;
    add(1, true, 10, NULL);
    task = 0;
    assert_int_equal(decided[SPY__TRACE_SAMPLED], 2);
    assert_int_equal(decided[SPY__TRACE_ERROR], 1);
    assert_int_equal(last_count, 3);
    const struct spy__trace *found = spy__traces_find(traces, "id-1"), *part = NULL;
    assert_non_null(found);
    unsigned spans = 0, parts = 0;
    while ((part = spy__traces_part(traces, found, part))) {
        spans += part->count;
        parts++;
    }
    assert_int_equal(parts, 3);
    assert_int_equal(spans, 6);
}

static void the_sample_is_a_fraction_and_always_the_same(void **state)
{
    (void)state;
    static bool in[2000];
    for (unsigned round = 0; round < 2; round++) {
        start(0.25, 0);
        for (unsigned i = 0; i < 2000; i++) {
            unsigned before = decided[SPY__TRACE_SAMPLED];
            add(1 + i, true, 5, NULL);
            bool sampled = decided[SPY__TRACE_SAMPLED] > before;
            assert_true(round == 0 || sampled == in[i]);
            in[i] = sampled;
        }
        assert_in_range(decided[SPY__TRACE_SAMPLED], 400, 600);
        assert_int_equal(kept, decided[SPY__TRACE_SAMPLED]);
        assert_null(spy__traces_kept(traces, NULL));
    }
}

static void the_oldest_open_one_is_decided_at_once(void **state)
{
    (void)state;
    start(0, 200);
    for (unsigned i = 0; i < SPY__TRACES_OPEN_MAX; i++) {
        add(1 + i, false, 5, i == 1 ? "timeout" : NULL);
    }
    assert_int_equal(decided[SPY__TRACE_TRUNCATED], 0);
    add(5000, false, 5, NULL);
    add(5001, false, 5, NULL);
    assert_int_equal(decided[SPY__TRACE_TRUNCATED], 2);
    assert_int_equal(kept, 1); // what failed
    spy__traces_flush(traces);
    assert_int_equal(decided[SPY__TRACE_TRUNCATED], SPY__TRACES_OPEN_MAX + 2);
    assert_int_equal(kept, 1);
}

static void a_trace_has_so_many_spans(void **state)
{
    (void)state;
    start(0, 10);
    for (unsigned i = 0; i < 300; i++) {
        assert_true(add(1, false, 5, NULL));
    }
    add(1, true, 5000, NULL);
    const struct spy__trace *t = spy__traces_find(traces, "id-1");
    assert_int_equal(t->count, SPY__TRACE_SPANS_MAX);
    assert_int_equal(t->lost, 300 + 1 - SPY__TRACE_SPANS_MAX);
    assert_non_null(t->root);
    assert_int_equal(decided[SPY__TRACE_SLOW], 1);
}

static void kept_ones_and_gone_ones_are_bounded(void **state)
{
    (void)state;
    start(1, 1000); // more than there may be
    for (unsigned i = 0; i < 10000; i++) {
        add(1 + i, true, 5, NULL);
    }
    unsigned n = 0;
    for (const struct spy__trace *t = NULL; (t = spy__traces_kept(traces, t));) {
        assert_int_equal(t->lo, 10000 - n);
        n++;
    }
    assert_int_equal(n, SPY__TRACES_KEPT_MAX);
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    static char text[SPY__FIELD_STR_MAX];
    memset(text, 'x', sizeof(text));
    start(0, 200);
    struct spy_field fields[10];
    static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };
    for (size_t i = 0; i < 10; i++) {
        fields[i] = spy_strn(keys[i], text, sizeof(text));
    }
    struct spy__record span = { .kind = SPY__KIND_SPAN,
                                .level = SPY_LEVEL_INFO,
                                .correlation_id = "",
                                .trace_hi = 9,
                                .event = "x",
                                .fields = fields,
                                .field_count = 10 };
    for (unsigned i = 0; i < 1500; i++) { // 80 KiB each, two a trace
        span.trace_lo = i / 2;
        size_t n = spy__wire_write(bytes, sizeof(bytes), &span);
        assert_true(spy__traces_add(traces, &span, bytes, n));
    }
    assert_in_range(decided[SPY__TRACE_TRUNCATED], 300, 400);
    // Slow ones are kept, and give way first.
    unsigned before = decided[SPY__TRACE_TRUNCATED];
    spy__traces_flush(traces);
    span.duration_ns = 1000;
    span.root = true;
    for (unsigned i = 0; i < 1500; i++) {
        span.trace_lo = 10000 + i;
        size_t n = spy__wire_write(bytes, sizeof(bytes), &span);
        assert_true(spy__traces_add(traces, &span, bytes, n));
    }
    assert_int_equal(decided[SPY__TRACE_SLOW], 1500);
    assert_true(decided[SPY__TRACE_TRUNCATED] >= before);
}

static void a_span_without_a_trace_is_nobodys(void **state)
{
    (void)state;
    start(1, 10);
    struct spy__record span = { .kind = SPY__KIND_SPAN, .root = true, .correlation_id = "" };
    assert_true(spy__traces_add(traces, &span, bytes, 64));
    assert_int_equal(kept, 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    alloc_fail_after(0);
    const struct spy__traces_options options = { 0 };
    struct spy__traces *none = spy__traces_new(&options);
    alloc_fail_never();
    assert_null(none);
    start(1, 10);
    bool done = false;
    for (long n = 0; !done; n++) {
        alloc_fail_after(n);
        done = add(1 + (uint64_t)n, false, 5, NULL);
        done = add(1 + (uint64_t)n, true, 5, NULL) && done;
        alloc_fail_never();
    }
    spy__traces_flush(traces);
    spy__traces_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_trace_is_decided_at_its_roots_end),
        TEST(it_is_found_by_either_id),
        TEST(a_late_span_goes_with_its_trace),
        TEST(a_second_root_is_decided_by_itself),
        TEST(a_task_is_a_part_of_its_own),
        TEST(the_sample_is_a_fraction_and_always_the_same),
        TEST(the_oldest_open_one_is_decided_at_once),
        TEST(a_trace_has_so_many_spans),
        TEST(kept_ones_and_gone_ones_are_bounded),
        TEST(bytes_are_bounded),
        TEST(a_span_without_a_trace_is_nobodys),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
