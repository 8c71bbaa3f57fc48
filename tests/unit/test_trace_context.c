// What comes in is what goes out: a table made from W3C Trace Context (level 2), W3C Baggage and
// Sentry's trace header. Each row is a request; the test looks at the headers of a call made for it.
// What the two lists may hold is in test_trace_lists.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "metrics/dropped.h"
#include "spyglass/context.h"
#include "spyglass/span.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define OTHER_TRACE "0af7651916cd43dd8448eb211c80319c"
#define GOOD "00-" TRACE "-" PARENT "-01"

// The headers of one outgoing call.
struct headers {
    char traceparent[64], sentry_trace[64], correlation_id[160];
    char tracestate[SPY_TRACESTATE_MAX + 1], baggage[SPY_BAGGAGE_MAX + 1];
    int count;
};

static void take_header(void *arg, const char *name, const char *value)
{
    struct headers *headers = arg;
    const struct {
        const char *name;
        char *to;
        size_t size;
    } known[] = {
        { "traceparent", headers->traceparent, sizeof(headers->traceparent) },
        { "sentry-trace", headers->sentry_trace, sizeof(headers->sentry_trace) },
        { "tracestate", headers->tracestate, sizeof(headers->tracestate) },
        { "baggage", headers->baggage, sizeof(headers->baggage) },
        { "X-Correlation-ID", headers->correlation_id, sizeof(headers->correlation_id) },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0) {
            assert_int_equal(known[i].to[0], '\0'); // once
            assert_true(strlen(value) < known[i].size && value[0] != '\0');
            memcpy(known[i].to, value, strlen(value) + 1);
            headers->count++;
            return;
        }
    }
    fail_msg("a header that nobody knows: %s", name);
}

// What a call carries that is made while this request is handled.
static struct headers pass(const struct spy_incoming *incoming)
{
    struct headers headers = { 0 };
    struct spy_context_scope scope = spy_context_continue(incoming);
    spy_propagate(take_header, &headers);
    spy_context_detach(scope);
    return headers;
}

// ---- traceparent

static void traceparent_continues_or_restarts(void **state)
{
    static const struct {
        const char *in;
        const char *flags; // of what goes out; NULL: a new trace
    } rows[] = {
        // 3.2.2.5 sampled, and the random flag of level 2; all others are set to zero
        { GOOD, "01" },
        { "00-" TRACE "-" PARENT "-00", "00" },
        { "00-" TRACE "-" PARENT "-02", "02" },
        { "00-" TRACE "-" PARENT "-03", "03" },
        { "00-" TRACE "-" PARENT "-ff", "03" },
        { "00-" TRACE "-" PARENT "-09", "01" },
        // white space around a field value is none of it
        { " " GOOD, "01" },
        { "\t" GOOD " \t", "01" },
        // a higher version: what we know of it is parsed, and goes out as version 00
        { "01-" TRACE "-" PARENT "-01", "01" },
        { "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like", "01" },
        { "fe-" TRACE "-" PARENT "-00-", "00" },
        { "cc-" TRACE "-" PARENT "-01.what-the-future-will-not-be-like", NULL },
        { "cc-" TRACE "-" PARENT "-0", NULL },
        // version 00 has one length; ff is invalid
        { GOOD ".", NULL },
        { GOOD "-", NULL },
        { GOOD "-what-the-future-will-be-like", NULL },
        { "ff-" TRACE "-" PARENT "-01", NULL },
        { ".0-" TRACE "-" PARENT "-01", NULL },
        { "0.-" TRACE "-" PARENT "-01", NULL },
        { "000-" TRACE "-" PARENT "-01", NULL },
        { "0-" TRACE "-" PARENT "-01", NULL },
        { "-" TRACE "-" PARENT "-01", NULL },
        { "00" TRACE PARENT "01", NULL },
        // ids: no zeros, lower-case hex, of one length
        { "00-00000000000000000000000000000000-" PARENT "-01", NULL },
        { "00-" TRACE "-0000000000000000-01", NULL },
        { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", NULL },
        { "00-.bf92f3577b34da6a3ce929d0e0e4736-" PARENT "-01", NULL },
        { "00-" TRACE "0-" PARENT "-01", NULL },
        { "00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01", NULL },
        { "00-" TRACE "-00F067AA0BA902B7-01", NULL },
        { "00-" TRACE "-" PARENT "0-01", NULL },
        { "00-" TRACE "-00f067aa0ba902b-01", NULL },
        { "00-" TRACE "-" PARENT "-.1", NULL },
        { "00-" TRACE "-" PARENT "-1", NULL },
        { "00-" TRACE "-" PARENT "-001", NULL },
        { "", NULL },
        { " ", NULL },
        { NULL, NULL },
        { GOOD "," GOOD, NULL }, // two headers, joined by somebody on the way
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct headers out = pass(&(struct spy_incoming){
            .correlation_id = "c", .traceparent = rows[i].in, .tracestate = "congo=t61" });
        bool goes_on = strncmp(out.traceparent + 3, TRACE, 32) == 0;
        if (goes_on != (rows[i].flags != NULL) || strlen(out.traceparent) != 55) {
            fail_msg("row %zu: %s gave %s", i, rows[i].in ? rows[i].in : "nothing",
                     out.traceparent);
        }
        assert_memory_equal(out.traceparent, "00-", 3);
        // A new trace: random, and for us to record. Its caller's state is not taken along.
        assert_string_equal(out.traceparent + 53, goes_on ? rows[i].flags : "03");
        assert_string_equal(out.tracestate, goes_on ? "congo=t61" : "");
        assert_string_equal(out.correlation_id, "c");
    }
}

static void the_parent_is_the_innermost_span(void **state)
{
    static struct spy_operation operation = { .name = "call" };
    struct headers inner = { 0 }, outer = { 0 }, outside = { 0 };
    char span_id[SPY_SPAN_ID_LEN + 1], text[64];
    (void)state;
    spy_propagate(take_header, &outside);
    assert_int_equal(outside.count, 0); // no context, nothing to say
    assert_string_equal(spy_tracestate(), "");
    assert_string_equal(spy_baggage(), "");
    spy_sentry_trace(text);
    assert_string_equal(text, "");

    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    struct spy_span span = spy_begin(&operation);
    spy_span_id(span_id);
    spy_propagate(take_header, &inner);
    assert_memory_equal(inner.traceparent + 36, span_id, 16);
    assert_memory_equal(inner.sentry_trace + 33, span_id, 16);
    assert_memory_equal(inner.sentry_trace, inner.traceparent + 3, 32);
    spy_traceparent(text);
    assert_string_equal(text, inner.traceparent);
    spy_sentry_trace(text);
    assert_string_equal(text, inner.sentry_trace);
    spy_end(&span, SPY_SUCCESS);
    // Outside of all spans: made up, the same in both.
    spy_propagate(take_header, &outer);
    assert_memory_equal(outer.sentry_trace + 33, outer.traceparent + 36, 16);
    assert_memory_not_equal(outer.traceparent + 36, span_id, 16);
    assert_int_equal(outer.count, 3); // and neither list
    spy_context_detach(scope);
}

// ---- baggage

static void a_member_of_the_baggage_is_read(void **state)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        { "userId", "Am\xc3\xa9lie" },
        { "node", "DF 28" },
        { "empty", "" },
        { "equal", "a=b" },
        { "bad", "\xef\xbf\xbd"
                 "x" },
        { "cut", "a\xef\xbf\xbd" },
        { "nul", "a\xef\xbf\xbd"
                 "b" },
        { "percent", "100%" },
        { "half", "%2" },
        { "twice", "1" },
        { "spaced", "v" },
    };
    char value[64];
    (void)state;
    struct spy_context_scope scope = spy_context_continue(&(struct spy_incoming){
        .baggage =
            "userId=Am%C3%A9lie;p=1,node=DF%2028,empty=,equal=a=b,bad=%ffx,cut=a%c3,nul=a%00b,"
            "percent=100%25,half=%2,twice=1,twice=2, spaced = v ;q" });
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(spy_baggage_get(value, sizeof(value), rows[i].key), strlen(rows[i].value));
        assert_string_equal(value, rows[i].value);
    }
    assert_int_equal(spy_baggage_get(value, sizeof(value), "userid"), -1);
    assert_string_equal(value, "");
    assert_int_equal(spy_baggage_get(value, sizeof(value), "p"), -1);
    assert_int_equal(spy_baggage_get(value, sizeof(value), NULL), -1);
    assert_int_equal(spy_baggage_get(value, 4, "userId"), 7); // cut at a character
    assert_string_equal(value, "Am");
    assert_int_equal(spy_baggage_get(value, 0, "userId"), 7);
    assert_int_equal(spy_baggage_get(value, 0, "none"), -1);
    spy_context_detach(scope);
}

// ---- sentry-trace

static void sentry_trace_comes_after_traceparent(void **state)
{
#define SENTRY OTHER_TRACE "-" PARENT
    static const struct {
        const char *traceparent, *sentry_trace;
        const char *trace; // that goes on; NULL: a new one
        const char *flags, *decision;
    } rows[] = {
        { NULL, SENTRY "-1", OTHER_TRACE, "01", "-1" },
        { NULL, SENTRY "-0", OTHER_TRACE, "00", "-0" },
        { NULL, SENTRY, OTHER_TRACE, "01", "" }, // nobody has decided
        { NULL, " " SENTRY "-1\t", OTHER_TRACE, "01", "-1" },
        { GOOD, SENTRY "-0", TRACE, "01", "-1" },
        { "00-" TRACE "-" PARENT "-00", SENTRY "-1", TRACE, "00", "-0" },
        { "nonsense", SENTRY "-1", OTHER_TRACE, "01", "-1" },
        { NULL, SENTRY "-", NULL, "03", "" },
        { NULL, SENTRY "-2", NULL, "03", "" },
        { NULL, SENTRY "-10", NULL, "03", "" },
        { NULL, SENTRY "x1", NULL, "03", "" },
        { NULL, OTHER_TRACE, NULL, "03", "" },
        { NULL, "00000000000000000000000000000000-" PARENT "-1", NULL, "03", "" },
        { NULL, OTHER_TRACE "-0000000000000000-1", NULL, "03", "" },
        { NULL, "0AF7651916CD43DD8448EB211C80319C-" PARENT "-1", NULL, "03", "" },
        { NULL, OTHER_TRACE "_" PARENT "-1", NULL, "03", "" },
        { NULL, "", NULL, "03", "" },
        { NULL, NULL, NULL, "03", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct headers out = pass(&(struct spy_incoming){ .traceparent = rows[i].traceparent,
                                                          .sentry_trace = rows[i].sentry_trace,
                                                          .tracestate = "a=1" });
        const char *trace = rows[i].trace;
        bool goes_on = strncmp(out.traceparent + 3, TRACE, 32) == 0 ||
                       strncmp(out.traceparent + 3, OTHER_TRACE, 32) == 0;
        if (goes_on != (trace != NULL) || (trace && strncmp(out.traceparent + 3, trace, 32) != 0)) {
            fail_msg("row %zu gave %s", i, out.traceparent);
        }
        assert_string_equal(out.traceparent + 53, rows[i].flags);
        assert_string_equal(out.sentry_trace + 49, rows[i].decision);
        // The state belongs to a traceparent.
        assert_string_equal(out.tracestate, trace && strcmp(trace, TRACE) == 0 ? "a=1" : "");
    }
}

// ---- the life of what is carried

static void lists_travel_with_a_capture(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_continue(
        &(struct spy_incoming){ .traceparent = GOOD, .tracestate = "a=1", .baggage = "b=2" });
    struct spy_context *plain = spy_context_capture();
    spy_bind(spy_int("n", 1));
    struct spy_context *changed = spy_context_capture();
    spy_context_detach(scope);
    assert_string_equal(spy_baggage(), "");
    struct spy_context *both[] = { plain, changed };
    for (size_t i = 0; i < 2; i++) {
        scope = spy_context_attach(both[i]);
        spy_context_release(both[i]);
        assert_string_equal(spy_tracestate(), "a=1");
        assert_string_equal(spy_baggage(), "b=2");
        struct spy_context_scope inner = spy_context_begin(NULL, NULL);
        assert_string_equal(spy_baggage(), ""); // another piece of work
        spy_context_detach(inner);
        spy_context_detach(scope);
    }
}

static void without_memory(void **state)
{
    (void)state;
    for (long n = 0; n < 3; n++) {
        uint64_t before = spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY);
        alloc_fail_after(n);
        struct spy_context_scope scope = spy_context_continue(&(struct spy_incoming){
            .correlation_id = "c", .traceparent = GOOD, .tracestate = "a=1", .baggage = "b=2" });
        alloc_fail_never();
        assert_string_equal(spy_correlation_id(), n > 0 ? "c" : "");
        assert_string_equal(spy_tracestate(), n > 1 ? "a=1" : "");
        assert_int_equal(spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY) - before, n < 2);
        spy_context_detach(scope);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparent_continues_or_restarts),
        cmocka_unit_test(the_parent_is_the_innermost_span),
        cmocka_unit_test(a_member_of_the_baggage_is_read),
        cmocka_unit_test(sentry_trace_comes_after_traceparent),
        cmocka_unit_test(lists_travel_with_a_capture),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
