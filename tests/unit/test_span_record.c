// A span's record: when there is one, and what it says.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "metrics/dropped.h"
#include "record/rings.h"
#include "signals/dsc.h"
#include "signals/span.h"
#include "spyglass/spyglass.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static struct spy__fake_clock fake = { .monotonic_ns = 1000000,
                                       .realtime_ns = 1700000000000000000 };

static struct spy_operation agent = { .name = "agent",
                                      .labels = SPY_LABELS("agent_name", "how"),
                                      .no_failure_line = 1 };

static void pass_us(uint64_t us)
{
    fake.monotonic_ns += us * 1000;
    fake.realtime_ns += us * 1000;
}

// The last span's record, and its fields as text.
static struct spy__record pushed;
static char fields[4096];
static enum spy_field_type types[SPY_FIELDS_MAX]; // of them
static unsigned pushes;
static enum spy__push push_answer;

enum spy__push __wrap_spy__rings_push(const struct spy__record *record);
enum spy__push __wrap_spy__rings_push(const struct spy__record *record)
{
    size_t len = 0;
    if (record->kind != SPY__KIND_SPAN) {
        return SPY__PUSH_OK;
    }
    pushed = *record;
    pushes++;
    fields[0] = '\0';
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *f = &record->fields[i];
        types[i] = f->type;
        int n = f->type == SPY_FIELD_STR ? snprintf(fields + len, sizeof(fields) - len, "%s=%.*s ",
                                                    f->key, (int)f->len, f->value.s)
                                         : snprintf(fields + len, sizeof(fields) - len, "%s=%d ",
                                                    f->key, (int)f->value.i);
        len += (size_t)n;
    }
    return push_answer;
}

static void a_span_becomes_a_record(void **state)
{
    char outer_id[SPY_SPAN_ID_LEN + 1], id[SPY_SPAN_ID_LEN + 1], text[40];
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c-1", NULL);
    spy_bind(spy_str("path", "/memes"));
    struct spy_span outer = spy_begin(&agent, "outer", NULL);
    spy_span_id(outer_id);
    pass_us(10);
    struct spy_span span = spy_begin(&agent, "router", "fast");
    spy_span_id(id);
    pass_us(250);
    spy_end(&span, spy_failure("timeout", "no answer"));
    assert_int_equal(pushes, 1);
    assert_int_equal(pushed.kind, SPY__KIND_SPAN);
    assert_string_equal(pushed.event, "agent");
    assert_string_equal(pushed.correlation_id, "c-1");
    assert_int_equal(pushed.time_ns, 0); // follows from the moment of the push
    assert_int_equal(pushed.duration_ns, 250000);
    assert_false(pushed.root);
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)pushed.span_id);
    assert_string_equal(text, id);
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)pushed.parent_id);
    assert_string_equal(text, outer_id);
    spy_trace_id(text);
    char expected[40];
    (void)snprintf(expected, sizeof(expected), "%016llx%016llx",
                   (unsigned long long)pushed.trace_hi, (unsigned long long)pushed.trace_lo);
    assert_string_equal(text, expected);
    assert_string_equal(fields, "agent_name=router how=fast error_type=timeout message=no answer ");

    spy_end(&outer, SPY_SUCCESS);
    assert_int_equal(pushes, 2);
    assert_true(pushed.root);
    assert_int_equal(pushed.parent_id, 0);
    assert_int_equal(pushed.duration_ns, 260000);
    assert_string_equal(fields, "path=/memes agent_name=outer "); // how was never set
    spy_end(&outer, SPY_SUCCESS);                                 // twice is once
    assert_int_equal(pushes, 2);
    spy_context_detach(scope);
}

static void a_caller_elsewhere_is_not_above_the_root(void **state)
{
    static const struct {
        const char *flags, *fields;
    } rows[] = { { "-01", "parent_sampled=1 agent_name=a " },
                 { "-00", "parent_sampled=0 agent_name=a " } };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char traceparent[64];
        (void)snprintf(traceparent, sizeof(traceparent), "00-" TRACE "-" PARENT "%s",
                       rows[i].flags);
        struct spy_context_scope scope = spy_context_begin("c", traceparent);
        struct spy_span root = spy_begin(&agent, "a", NULL);
        struct spy_context *context = spy_context_capture();
        struct spy_context_scope elsewhere = spy_context_attach(context);
        struct spy_span child = spy_begin(&agent, "b", NULL);
        spy_end(&child, SPY_SUCCESS);
        assert_false(pushed.root);
        spy_context_detach(elsewhere);
        spy_context_release(context);
        spy_end(&root, SPY_SUCCESS);
        assert_true(pushed.root);
        assert_int_equal(pushed.parent_id, 0xb7ad6b7169203331);
        assert_int_equal(pushed.trace_hi, 0x0af7651916cd43dd);
        assert_string_equal(fields, rows[i].fields);
        spy_context_detach(scope);
    }
    struct spy_context_scope scope =
        spy_context_continue(&(struct spy_incoming){ .sentry_trace = TRACE "-" PARENT });
    struct spy_span root = spy_begin(&agent, "a", NULL);
    spy_end(&root, SPY_SUCCESS);
    assert_true(pushed.root);
    assert_string_equal(fields, "agent_name=a "); // nobody decided
    spy_context_detach(scope);
}

static void a_request_ends_when_it_is_answered(void **state)
{
    (void)state;
    uint64_t start_ns = fake.realtime_ns;
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/x?secret" });
    spy_http_route(http, "/{name}");
    pass_us(100);
    spy_http_answered(http, 503, 0);
    pass_us(5000); // sending
    spy_http_end(http);
    assert_true(pushed.root);
    assert_int_equal(pushed.time_ns, start_ns);
    assert_int_equal(pushed.duration_ns, 100000);
    assert_string_equal(pushed.event, "http_request");
    assert_string_equal(fields, "path=/x method=GET method=GET route=/{name} status=503 "
                                "op=http.server error_type=status_5xx ");
}

static void spans_without_a_trace_and_unwanted_ones_make_none(void **state)
{
    (void)state;
    unsigned before = pushes;
    struct spy_span span = spy_begin(&agent, "a", NULL);
    spy_end(&span, SPY_SUCCESS);
    assert_int_equal(pushes, before);
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    spy__spans_want(false);
    span = spy_begin(&agent, "a", NULL);
    spy_end(&span, SPY_SUCCESS);
    assert_int_equal(pushes, before);
    spy__spans_want(true);
    spy_context_detach(scope);
}

static void it_has_an_op_and_attributes(void **state)
{
    static struct spy_operation query = { .name = "query",
                                          .op = "db",
                                          .labels = SPY_LABELS("table") };
    const struct spy_field known[] = { spy_int("rows", 7), spy_str("op", "db.query") };
    struct spy_field many[SPY_FIELDS_MAX];
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_span outer = spy_begin(&agent, "a", NULL);
    struct spy_span span = spy_begin(&query, "memes");
    spy_span_attributes(&span, known, 1);
    spy_end(&span, spy_failure("timeout", NULL));
    assert_string_equal(fields, "table=memes op=db error_type=timeout rows=7 ");
    spy_span_attributes(&span, known, 2); // too late
    span = spy_begin(&query, "memes");
    spy_span_attributes(&span, known, 2);
    spy_end(&span, SPY_SUCCESS);
    assert_string_equal(fields, "table=memes rows=7 op=db.query ");
    for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
        many[i] = spy_int("n", 1);
    }
    uint64_t lost = spy__dropped_count(SPY__SIGNAL_SPAN, SPY__DROP_FIELDS);
    span = spy_begin(&query, "memes");
    spy_span_attributes(&span, many, SPY_FIELDS_MAX);
    spy_end(&span, SPY_SUCCESS);
    assert_int_equal(pushed.field_count, SPY_FIELDS_MAX);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_SPAN, SPY__DROP_FIELDS) - lost, 2);
    spy_end(&outer, SPY_SUCCESS);
    spy_context_detach(scope);
}

static void a_root_has_what_came_about_its_sampling(void **state)
{
    const struct spy_incoming incoming = { .sentry_trace = TRACE "-" PARENT "-1",
                                           .baggage = "a=1,sentry-sample_rand=0.25,sentry-x=y" };
    (void)state;
    struct spy_context_scope scope = spy_context_continue(&incoming);
    struct spy_span span = spy_begin(&agent, "a", NULL);
    spy_end(&span, SPY_SUCCESS);
    assert_string_equal(fields, "parent_sampled=1 agent_name=a "); // nobody asks for more
    assert_int_equal(spy__dsc_set(&(struct spy__dsc_options){ .public_key = "k" }), 0);
    span = spy_begin(&agent, "a", NULL);
    spy_end(&span, SPY_SUCCESS);
    assert_non_null(strstr(fields, "sentry_baggage=sentry-sample_rand=0.25,sentry-x=y "));
    assert_non_null(strstr(fields, "sample_rand="));
    assert_int_equal(types[2], SPY_FIELD_DOUBLE);
    spy_context_detach(scope);
    assert_int_equal(spy__dsc_set(NULL), 0);
}

static void what_nobody_takes_is_counted(void **state)
{
    (void)state;
    uint64_t before = spy__dropped_count(SPY__SIGNAL_SPAN, SPY__DROP_STOPPED);
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    const enum spy__push answers[] = { SPY__PUSH_DROPPED, SPY__PUSH_STOPPED, SPY__PUSH_CHILD };
    for (size_t i = 0; i < 3; i++) {
        push_answer = answers[i];
        struct spy_span span = spy_begin(&agent, "a", NULL);
        spy_end(&span, SPY_SUCCESS);
    }
    push_answer = SPY__PUSH_OK;
    spy_context_detach(scope);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_SPAN, SPY__DROP_STOPPED) - before, 2);
}

static int set_up(void **state)
{
    (void)state;
    spy__clock_fake(&fake);
    spy__spans_want(true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_becomes_a_record),
        cmocka_unit_test(a_caller_elsewhere_is_not_above_the_root),
        cmocka_unit_test(a_request_ends_when_it_is_answered),
        cmocka_unit_test(spans_without_a_trace_and_unwanted_ones_make_none),
        cmocka_unit_test(it_has_an_op_and_attributes),
        cmocka_unit_test(a_root_has_what_came_about_its_sampling),
        cmocka_unit_test(what_nobody_takes_is_counted),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
