// The last hours by minute, within their memory, and what slow requests left in them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "alloc_fail.h"
#include "profile/history.h"

#define S UINT64_C(1000000000)
#define MINUTE (60 * S)
#define START (28333333 * MINUTE) // since 1970, a whole minute

static struct spy__history *history;
static const char work[] = "work", other[] = "other";

static int set_up(void **state)
{
    (void)state;
    history = spy__history_new();
    return history ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    spy__history_free(history);
    return 0;
}

static bool add(uint64_t time_ns, uintptr_t function, const char *operation, uint64_t trace_lo)
{
    const struct spy__sample sample = { .kind = SPY__SAMPLE_CPU,
                                        .stack_count = 3,
                                        .weight_ns = 10,
                                        .trace_lo = trace_lo,
                                        .span_id = 5,
                                        .operation = operation,
                                        .stack = { function, 0x20, 0x30 } };
    return spy__history_add(history, &sample, 7, "worker", time_ns);
}

static struct spy__profile *window(uint64_t from_ns, uint64_t to_ns)
{
    struct spy__profile *profile = spy__profile_new();
    assert_non_null(profile);
    spy__history_window(history, from_ns, to_ns, profile);
    return profile;
}

static void test_minutes_add_up(void **state)
{
    (void)state;
    uint64_t from, to;
    assert_false(spy__history_covers(history, &from, &to));
    for (uint64_t s = 0; s < 180; s++) {
        assert_true(add(START + s * S, 0x10, work, 0));
        assert_true(add(START + s * S, 0x10, s < 60 ? work : other, 0));
    }
    assert_true(spy__history_covers(history, &from, &to));
    assert_int_equal(from, START);
    assert_int_equal(to, START + 3 * MINUTE);

    struct spy__profile *all = window(from, to);
    assert_int_equal(all->sample_count, 2);
    assert_int_equal(all->stack_count, 1);
    assert_int_equal(all->samples[0].count, 240); // of work: 120 in the first minute
    assert_int_equal(all->samples[0].weight_ns, 2400);
    assert_int_equal(all->samples[1].count, 120);
    assert_string_equal(all->operations[all->samples[1].operation], "other");
    assert_int_equal(all->duration_ns, 3 * MINUTE);
    spy__profile_free(all);

    // Some seconds of a minute give all of it, and say so.
    struct spy__profile *one = window(START + 70 * S, START + 80 * S);
    assert_int_equal(spy__profile_total_ns(one, false), 1200);
    assert_int_equal(one->start_ns, START + MINUTE);
    assert_int_equal(one->duration_ns, MINUTE);
    spy__profile_free(one);
    struct spy__profile *none = window(START + 3 * MINUTE, START + 4 * MINUTE);
    assert_int_equal(none->sample_count, 0);
    spy__profile_free(none);
}

static void test_old_minutes_go(void **state)
{
    (void)state;
    uint64_t from, to;
    for (uint64_t m = 0; m < SPY__HISTORY_MINUTES_MAX + 10; m++) {
        assert_true(add(START + m * MINUTE, 0x10, work, 0));
    }
    assert_true(spy__history_covers(history, &from, &to));
    assert_int_equal(from, START + 10 * MINUTE);
    assert_int_equal((to - from) / MINUTE, SPY__HISTORY_MINUTES_MAX);
}

// So many different stacks that memory is used up: the oldest minutes go, the newest is whole.
static void test_memory_is_bounded(void **state)
{
    (void)state;
    uint64_t from, to;
    for (uint64_t m = 0; m < 50; m++) {
        for (uintptr_t i = 0; i < 1000; i++) {
            struct spy__sample deep = { .stack_count = SPY__STACK_MAX, .operation = work };
            deep.stack[0] = 0x10000 * (m + 1) + i;
            assert_true(spy__history_add(history, &deep, 7, "worker", START + m * MINUTE));
        }
    }
    assert_true(spy__history_covers(history, &from, &to));
    assert_true(from > START);
    assert_true(to - from >= 5 * MINUTE);
    struct spy__profile *last = window(to - MINUTE, to);
    assert_int_equal(last->sample_count, 1000);
    spy__profile_free(last);
}

static void test_a_minute_has_its_limit(void **state)
{
    (void)state;
    bool added = true;
    uintptr_t i = 0;
    for (; added && i < 100000; i++) {
        added = add(START, 0x1000 + i, work, 0);
    }
    assert_false(added);
    assert_true(i > 4000);
    assert_true(add(START, 0x1000, work, 0)); // what is known goes on
}

static const struct spy__slow_request slow = { .trace_lo = 0xabc,
                                               .correlation_id = "c-1",
                                               .name = "http_request",
                                               .start_ns = START,
                                               .duration_ns = 6 * S };

static void test_a_slow_request_keeps_its_own(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(add(START + i, 0x10 + i % 2, work, i % 4 == 0 ? 0xabc : 0x999));
    }
    struct spy__slow_request kept[2], unknown = slow;
    unknown.trace_lo = 1;
    assert_int_equal(spy__history_keep(history, &unknown), 0); // it left nothing
    assert_int_equal(spy__history_keep(history, &slow), 25);
    assert_int_equal(spy__history_kept(history, kept, 2), 1);
    assert_int_equal(kept[0].samples, 25);
    assert_string_equal(kept[0].name, "http_request");
    // Single samples go in time; what was kept stays.
    for (uint64_t i = 0; i < SPY__HISTORY_RECENT_MAX; i++) {
        assert_true(add(START + MINUTE, 0x99, work, 0));
    }
    assert_int_equal(spy__history_keep(history, &slow), 0);
    for (int i = 0; i < 2; i++) {
        struct spy__profile *profile = spy__profile_new();
        const char *id = i == 0 ? "c-1" : "00000000000000000000000000000abc";
        assert_true(spy__history_slow(history, id, profile));
        assert_int_equal(profile->sample_count, 25);
        assert_int_equal(profile->samples[1].time_ns, 4);
        assert_int_equal(profile->samples[1].span_id, 5);
        assert_string_equal(profile->threads[profile->samples[0].thread].name, "worker");
        assert_string_equal(profile->correlation_id, "c-1");
        assert_int_equal(profile->duration_ns, 6 * S);
        spy__profile_free(profile);
    }
    struct spy__profile *profile = spy__profile_new();
    assert_false(spy__history_slow(history, "c-2", profile));
    spy__profile_free(profile);
}

static void test_a_request_without_keeping_it(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(add(START + i, 0x10 + i % 2, work, i % 4 == 0 ? 0xabc : 0x999));
    }
    struct spy__profile *profile = spy__profile_new();
    assert_non_null(profile);
    spy__history_single(history, &slow, profile);
    assert_int_equal(profile->sample_count, 25);
    assert_int_equal(profile->samples[24].time_ns, 96);
    assert_int_equal(profile->start_ns, START);
    assert_int_equal(profile->duration_ns, 6 * S);
    assert_string_equal(profile->correlation_id, "c-1");
    spy__profile_free(profile);
    struct spy__slow_request kept[1];
    assert_int_equal(spy__history_kept(history, kept, 1), 0);
}

static void test_the_oldest_slow_request_goes(void **state)
{
    (void)state;
    struct spy__slow_request kept[SPY__PROFILE_SLOW_MAX + 1];
    for (uint64_t i = 1; i <= SPY__PROFILE_SLOW_MAX + 3; i++) {
        struct spy__slow_request request = slow;
        request.trace_lo = i;
        assert_true(add(START, 0x10, work, i));
        assert_int_equal(spy__history_keep(history, &request), 1);
    }
    assert_int_equal(spy__history_kept(history, kept, SPY__PROFILE_SLOW_MAX + 1),
                     SPY__PROFILE_SLOW_MAX);
    assert_int_equal(kept[0].trace_lo, SPY__PROFILE_SLOW_MAX + 3);
    assert_int_equal(kept[SPY__PROFILE_SLOW_MAX - 1].trace_lo, 4);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    for (long n = 0; n < 8; n++) {
        alloc_fail_after(n);
        for (uintptr_t i = 0; i < 5; i++) {
            (void)add(START, 0x10 + i + (uintptr_t)n * 16, work, 0xabc);
        }
        (void)spy__history_keep(history, &slow);
        struct spy__history *none = spy__history_new();
        alloc_fail_never();
        spy__history_free(none);
        assert_true(add(START, 0x10, work, 0xabc));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_minutes_add_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_minutes_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_minute_has_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_slow_request_keeps_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_without_keeping_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_oldest_slow_request_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
