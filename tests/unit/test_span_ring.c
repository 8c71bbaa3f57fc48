// Spans that are written straight into their thread's ring: the same as those that are pushed, and
// whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "record/rings.h"
#include "record/wire.h"
#include "signals/span.h"
#include "spyglass/spyglass.h"

static struct spy_operation query = {
    .name = "query", .op = "db", .labels = SPY_LABELS("table", "how"), .no_failure_line = 1
};
static struct spy_operation plain = { .name = "plain" };

static void lost(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    fail_msg("lost %u %u %lu", why, kind, (unsigned long)n);
}

static int set_up(void **state)
{
    int why;
    (void)state;
    spy__spans_want(true);
    return spy__rings_open(
        &(struct spy__rings_options){
            .slots = 2, .ring_bytes = SPY__RING_BYTES_MIN, .full_wait_ms = 20, .lost = lost },
        &why);
}

static int tear_down(void **state)
{
    (void)state;
    spy__spans_want(false);
    spy__rings_close(true);
    return 0;
}

// The next record in this thread's ring, which is then free again; it is of the last one's bytes.
static struct spy__wire_view taken;
static char taken_bytes[SPY__RECORD_MAX], fields[SPY__FIELD_STR_MAX + 512];

static void take(void)
{
    void *bytes;
    size_t n, len = 0;
    spy__rings_snapshot();
    assert_true(spy__rings_peek(0, &bytes, &n));
    assert_true(n <= sizeof(taken_bytes));
    assert_true(spy__wire_intact(bytes, n, spy__ring_seed(spy__rings_run(), 0)));
    memcpy(taken_bytes, bytes, n);
    assert_int_equal(spy__wire_read(&taken, taken_bytes, n), 0);
    assert_int_equal(taken.bytes, n);
    spy__rings_release(0, n);
    fields[0] = '\0';
    for (size_t i = 0; i < taken.record.field_count; i++) {
        const struct spy_field *f = &taken.record.fields[i];
        assert_int_equal(f->type, SPY_FIELD_STR);
        len += (size_t)snprintf(fields + len, sizeof(fields) - len, "%s=%.*s ", f->key, (int)f->len,
                                f->value.s);
    }
}

static struct spy_context_scope scope;
static struct spy_span outer;

// The first record finds no ring, and goes the slow road.
static void begin_request(void)
{
    scope = spy_context_begin("c-1", NULL);
    spy_bind(spy_str("path", "/memes"));
    outer = spy_begin(&plain);
    struct spy_span first = spy_begin(&query, "memes", "fast");
    spy_end(&first, SPY_SUCCESS);
    take();
    assert_int_equal(taken.shape, 0);
    assert_string_equal(fields, "table=memes how=fast op=db ");
}

static void end_request(void)
{
    spy_end(&outer, SPY_SUCCESS);
    take();
    assert_int_equal(taken.shape, 0);
    assert_true(taken.record.root);
    assert_string_equal(fields, "path=/memes ");
    spy_context_detach(scope);
}

static void a_usual_span_has_its_operations_shape(void **state)
{
    char outer_id[SPY_SPAN_ID_LEN + 1], id[SPY_SPAN_ID_LEN + 1], text[SPY_TRACE_ID_LEN + 1],
        trace[SPY_TRACE_ID_LEN + 1];
    (void)state;
    begin_request();
    spy_span_id(outer_id);
    spy_trace_id(trace);
    struct spy_span span = spy_begin(&query, "a table of more than sixteen bytes", "");
    spy_span_id(id);
    spy_end(&span, SPY_SUCCESS);
    take();
    const struct spy__record *record = &taken.record;
    assert_int_not_equal(taken.shape, 0);
    assert_int_equal(record->kind, SPY__KIND_SPAN);
    assert_int_equal(record->level, SPY_LEVEL_INFO);
    assert_false(record->root);
    assert_string_equal(record->event, "query");
    assert_null(record->module);
    assert_string_equal(record->correlation_id, "c-1");
    assert_string_equal(fields, "table=a table of more than sixteen bytes how= op=db ");
    assert_int_equal(record->time_ns, 0); // follows from its ticks
    assert_int_not_equal(taken.ticks, 0);
    assert_in_range(record->duration_ns, 0, UINT64_C(60000000000));
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)record->span_id);
    assert_string_equal(text, id);
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)record->parent_id);
    assert_string_equal(text, outer_id);
    (void)snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)record->trace_hi,
                   (unsigned long long)record->trace_lo);
    assert_string_equal(text, trace);

    span = spy_begin(&plain); // without any field
    spy_end(&span, SPY_SUCCESS);
    take();
    assert_string_equal(taken.record.event, "plain");
    assert_string_equal(fields, "");
    end_request();
}

static void others_go_the_slow_road(void **state)
{
    static char longer[SPY__FIELD_STR_MAX + 10];
    const struct spy_field known[] = { spy_str("op", "db.query") };
    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    begin_request();
    struct spy_span span = spy_begin(&query, "memes", NULL);
    spy_end(&span, SPY_SUCCESS);
    take();
    assert_int_equal(taken.shape, 0);
    assert_string_equal(fields, "table=memes op=db ");
    span = spy_begin(&query, "memes", "fast");
    spy_span_attributes(&span, known, 1);
    spy_end(&span, SPY_SUCCESS);
    take();
    assert_int_equal(taken.shape, 0);
    assert_string_equal(fields, "table=memes how=fast op=db.query ");
    span = spy_begin(&query, "memes", "fast");
    spy_end(&span, spy_failure("timeout", "late"));
    take();
    assert_int_equal(taken.shape, 0);
    assert_string_equal(fields, "table=memes how=fast op=db error_type=timeout message=late ");
    span = spy_begin(&query, "memes", longer);
    spy_end(&span, SPY_SUCCESS);
    take();
    assert_int_equal(taken.shape, 0);
    assert_int_equal(taken.record.fields[1].len, SPY__FIELD_STR_MAX); // cut
    end_request();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_usual_span_has_its_operations_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_go_the_slow_road, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
