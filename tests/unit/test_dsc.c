// Sentry's sampling context: made by the head of a trace, passed on by all others.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/trace_lists.h"
#include "record/recent/sampling.h"
#include "signals/dsc.h"
#include "spyglass/context.h"

static char baggage[SPY_BAGGAGE_MAX + 1], sentry_trace[64];

static void note(void *arg, const char *name, const char *value)
{
    (void)arg;
    if (strcmp(name, "baggage") == 0) {
        snprintf(baggage, sizeof(baggage), "%s", value);
    } else if (strcmp(name, "sentry-trace") == 0) {
        snprintf(sentry_trace, sizeof(sentry_trace), "%s", value);
    }
}

// What a call says that goes out of a request with these headers.
static void propagate(struct spy_incoming incoming)
{
    baggage[0] = sentry_trace[0] = 0;
    struct spy_context_scope scope = spy_context_continue(&incoming);
    spy_propagate(note, NULL);
    spy_context_detach(scope);
}

static void set(double rate)
{
    assert_int_equal(spy__dsc_set(&(struct spy__dsc_options){ .public_key = "abc123",
                                                              .org_id = "42",
                                                              .release = "memegen@1.0+é",
                                                              .environment = "production",
                                                              .sample_rate = rate }),
                     0);
}

static int tear_down(void **state)
{
    (void)state;
    return spy__dsc_set(NULL);
}

static void the_head_makes_it(void **state)
{
    char value[64];
    (void)state;
    assert_false(spy__dsc_is_set());
    propagate((struct spy_incoming){ 0 });
    assert_string_equal(baggage, "");
    assert_int_equal(strlen(sentry_trace), 49); // nothing decided
    set(1);
    assert_true(spy__dsc_is_set());
    propagate((struct spy_incoming){ .baggage = "mine=1" });
    size_t n = strlen(baggage);
    assert_memory_equal(baggage, "mine=1,sentry-trace_id=", 23);
    assert_memory_equal(baggage + 23, sentry_trace, 32);
    assert_string_equal(sentry_trace + 49, "-1");
    assert_true(spy__baggage_find(value, sizeof(value), "sentry-release", baggage, n) > 0);
    assert_string_equal(value, "memegen@1.0+é");
    assert_non_null(strstr(baggage, "sentry-release=memegen%401.0%2B%C3%A9"));
    assert_true(spy__baggage_find(value, sizeof(value), "sentry-public_key", baggage, n) > 0);
    assert_string_equal(value, "abc123");
    assert_true(spy__baggage_find(value, sizeof(value), "sentry-sample_rate", baggage, n) > 0);
    assert_string_equal(value, "1");
    assert_true(spy__baggage_find(value, sizeof(value), "sentry-sampled", baggage, n) > 0);
    assert_string_equal(value, "true");
    assert_non_null(strstr(baggage, "sentry-org_id=42"));
    assert_non_null(strstr(baggage, "sentry-environment=production"));
    // Its number is the one that decides here, too.
    unsigned long long hi, lo;
    char want[32];
    assert_int_equal(sscanf(sentry_trace, "%16llx%16llx", &hi, &lo), 2);
    assert_true(spy__baggage_find(value, sizeof(value), "sentry-sample_rand", baggage, n) > 0);
    snprintf(want, sizeof(want), "%.6f", spy__sampling_rand(hi, lo));
    assert_string_equal(value, want);
    set(0);
    propagate((struct spy_incoming){ 0 });
    assert_string_equal(sentry_trace + 49, "-0");
    assert_non_null(strstr(baggage, "sentry-sampled=false"));
}

#define PARENT "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

static void all_others_pass_on_what_came(void **state)
{
    (void)state;
    set(1);
    propagate((struct spy_incoming){ .sentry_trace = PARENT "-0",
                                     .baggage = "sentry-trace_id=x,other=1,sentry-sampled=false" });
    assert_string_equal(baggage, "sentry-trace_id=x,other=1,sentry-sampled=false");
    assert_string_equal(sentry_trace + 49, "-0");
    // One that came without is frozen as it is: empty.
    propagate((struct spy_incoming){ .sentry_trace = PARENT, .baggage = "other=1" });
    assert_string_equal(baggage, "other=1");
    assert_int_equal(strlen(sentry_trace), 49);
    // However long it is.
    static char longest[2048];
    memset(longest, 'x', sizeof(longest) - 1);
    memcpy(longest, "sentry-release=", 15);
    propagate((struct spy_incoming){ .baggage = longest });
    assert_string_equal(baggage, longest);
    // A caller that is not Sentry's leaves that to us; what it decided stands.
    propagate((struct spy_incoming){
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" });
    assert_memory_equal(baggage, "sentry-trace_id=0af7651916cd43dd8448eb211c80319c,", 49);
    assert_string_equal(sentry_trace + 49, "-0");
}

static void what_does_not_fit_is_left_out(void **state)
{
    char longest[1200], ret[SPY__DSC_MAX];
    bool sampled;
    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_int_equal(
        spy__dsc_set(&(struct spy__dsc_options){
            .public_key = "key", .release = longest, .environment = "e", .sample_rate = 0.25 }),
        0);
    size_t n = spy__dsc_print(ret, 1, 2, &sampled);
    assert_in_range(n, 100, SPY__DSC_MAX - 1);
    assert_non_null(strstr(ret, "sentry-sample_rate=0.25"));
    assert_null(strstr(ret, "sentry-release"));
    // Nor is baggage that is full already made longer.
    static char full[SPY_BAGGAGE_MAX + 1];
    memset(full, 'y', SPY_BAGGAGE_MAX);
    memcpy(full, "a=", 2);
    propagate((struct spy_incoming){ .baggage = full });
    assert_string_equal(baggage, full);
}

static void without_memory(void **state)
{
    (void)state;
    set(1);
    alloc_fail_after(0);
    int r = spy__dsc_set(&(struct spy__dsc_options){ .public_key = "key" });
    alloc_fail_never();
    assert_int_equal(r, -12);
    assert_true(spy__dsc_is_set()); // as it was
}

static void picks_members(void **state)
{
    char ret[32];
    static const char list[] = "sentry-a=1,b=2,sentry-c=3;p=4,xsentry-d=5";
    (void)state;
    assert_int_equal(spy__baggage_pick(ret, sizeof(ret), "sentry-", list, strlen(list)), 25);
    assert_string_equal(ret, "sentry-a=1,sentry-c=3;p=4");
    assert_int_equal(spy__baggage_pick(ret, 25, "sentry-", list, strlen(list)), 25); // no room
    assert_string_equal(ret, "");
    assert_int_equal(spy__baggage_pick(NULL, 0, "sentry-", list, strlen(list)), 25);
    assert_int_equal(spy__baggage_pick(ret, sizeof(ret), "sentry-", "", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_head_makes_it, tear_down),
        cmocka_unit_test_teardown(all_others_pass_on_what_came, tear_down),
        cmocka_unit_test_teardown(what_does_not_fit_is_left_out, tear_down),
        cmocka_unit_test_teardown(without_memory, tear_down),
        cmocka_unit_test(picks_members),
    };
    return cmocka_run_group_tests_name("dsc", tests, NULL, NULL);
}
