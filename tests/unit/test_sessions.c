// Profiles under way: each takes what is its own, exactly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "alloc_fail.h"
#include "profile/sessions.h"

#define S UINT64_C(1000000000)
#define START (100 * S)

static uint32_t begin(enum spy__profile_kind kind, unsigned rate_hz, bool whole)
{
    const struct spy__session_start start = {
        .ask = { .kind = kind, .rate_hz = rate_hz, .seconds_max = 10, .whole_process = whole },
        .work = { .trace_hi = 1,
                  .trace_lo = 2,
                  .span_id = 3,
                  .operation = "http_request",
                  .correlation_id = "c-1" },
        .now_ns = START,
        .realtime_ns = 1700000000 * S,
    };
    return spy__sessions_begin(&start);
}

static struct spy__sample sample_of(uint32_t profile, uintptr_t function,
                                    enum spy__sample_kind kind)
{
    return (struct spy__sample){ .kind = (uint16_t)kind,
                                 .stack_count = 2,
                                 .profile = profile,
                                 .time_ns = START + 2 * S,
                                 .weight_ns = 4000000,
                                 .cost_ns = 7,
                                 .span_id = 3,
                                 .operation = "work",
                                 .stack = { function + 1, 0x100 } };
}

static bool take(uint32_t profile, uintptr_t function, enum spy__sample_kind kind)
{
    const struct spy__sample sample = sample_of(profile, function, kind);
    return spy__sessions_take(&sample, 42, "worker");
}

static uint64_t weight_of(const struct spy__profile *profile, uintptr_t function)
{
    uint64_t weight_ns = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct spy__profile_stack *stack = &profile->stacks[profile->samples[i].stack];
        weight_ns += profile->locations[profile->entries[stack->first]].address == function
                         ? profile->samples[i].weight_ns
                         : 0;
    }
    return weight_ns;
}

static int tear_down(void **state)
{
    (void)state;
    spy__sessions_cancel();
    assert_int_equal(spy__sessions_open(), 0);
    return 0;
}

// Two functions called 3:1, by eight requests at once that each see their own alone.
static void test_the_split_is_exact_and_each_sees_its_own(void **state)
{
    (void)state;
    uint32_t marks[8];
    for (uintptr_t i = 0; i < 8; i++) {
        marks[i] = begin(SPY__PROFILE_WALL, 250, false);
        assert_true(spy__session_is_open(marks[i]));
    }
    for (unsigned n = 0; n < 400; n++) {
        for (uintptr_t i = 0; i < 8; i++) {
            assert_true(take(marks[i], (n % 4 == 0 ? 0x2000 : 0x1000) + i, SPY__SAMPLE_CPU));
        }
    }
    assert_false(take(0, 0x3000, SPY__SAMPLE_CPU)); // nobody's
    for (uintptr_t i = 0; i < 8; i++) {
        struct spy__profile *profile = spy__sessions_end(marks[i], START + 3 * S);
        assert_non_null(profile);
        assert_int_equal(profile->sample_count, 400);
        assert_int_equal(profile->stack_count, 2);
        assert_int_equal(weight_of(profile, 0x1000 + i), 300 * UINT64_C(4000000));
        assert_int_equal(weight_of(profile, 0x2000 + i), 100 * UINT64_C(4000000));
        assert_int_equal(profile->overhead_ns, 400 * 7);
        assert_int_equal(profile->lost, 0);
        assert_int_equal(profile->duration_ns, 3 * S);
        assert_false(profile->truncated);
        assert_int_equal(profile->samples[0].time_ns, 2 * S);
        assert_string_equal(profile->correlation_id, "c-1");
        assert_string_equal(profile->threads[profile->samples[0].thread].name, "worker");
        assert_string_equal(profile->operations[profile->samples[0].operation], "work");
        spy__profile_free(profile);
        assert_false(spy__session_is_open(marks[i]));
        assert_false(take(marks[i], 0x1000, SPY__SAMPLE_CPU)); // a mark that contexts still carry
        assert_null(spy__sessions_end(marks[i], START + 3 * S));
    }
}

static void test_waits_are_of_the_wall_view_alone(void **state)
{
    (void)state;
    uint32_t wall = begin(SPY__PROFILE_WALL, 100, false), cpu = begin(SPY__PROFILE_CPU, 100, false);
    assert_true(take(wall, 0x1000, SPY__SAMPLE_CPU));
    assert_true(take(wall, 0x1000, SPY__SAMPLE_WAITED));
    assert_true(take(cpu, 0x1000, SPY__SAMPLE_CPU));
    (void)take(cpu, 0x1000, SPY__SAMPLE_WAITED);
    struct spy__profile *profile = spy__sessions_end(wall, START + 3 * S);
    assert_int_equal(spy__profile_total_ns(profile, false), 4000000);
    assert_int_equal(spy__profile_total_ns(profile, true), 4000000);
    // It is told at its end: it began before.
    assert_int_equal(profile->samples[1].time_ns, 2 * S - 4000000);
    spy__profile_free(profile);
    profile = spy__sessions_end(cpu, START + 3 * S);
    assert_int_equal(profile->sample_count, 1);
    assert_int_equal(spy__profile_total_ns(profile, true), 0);
    spy__profile_free(profile);
}

static void test_spans_of_the_request(void **state)
{
    (void)state;
    uint32_t mark = begin(SPY__PROFILE_WALL, 100, false);
    struct spy__sample span = sample_of(mark, 0, SPY__SAMPLE_SPAN_BEGAN);
    span.stack_count = 0;
    span.span_id = 8;
    span.parent_id = 3;
    assert_true(spy__sessions_take(&span, 42, "worker"));
    span.span_id = 9;
    assert_true(spy__sessions_take(&span, 42, "worker"));
    span.kind = SPY__SAMPLE_SPAN_ENDED;
    span.weight_ns = S;
    assert_true(spy__sessions_take(&span, 42, "worker"));
    struct spy__profile *profile = spy__sessions_end(mark, START + 5 * S);
    assert_int_equal(profile->span_count, 3);
    assert_int_equal(profile->spans[0].id, 3); // the request itself
    assert_string_equal(profile->spans[0].name, "http_request");
    assert_int_equal(profile->spans[0].end_ns, 5 * S);
    assert_int_equal(profile->spans[1].parent_id, 3);
    assert_int_equal(profile->spans[1].start_ns, 2 * S);
    assert_int_equal(profile->spans[1].end_ns, 5 * S); // it went on
    assert_int_equal(profile->spans[2].start_ns, 1 * S);
    assert_int_equal(profile->spans[2].end_ns, 2 * S);
    assert_int_equal(profile->sample_count, 0);
    assert_int_equal(profile->overhead_ns, 3 * 7);
    spy__profile_free(profile);
}

static void test_the_process_takes_all(void **state)
{
    (void)state;
    assert_false(spy__sessions_whole(SPY__PROFILE_CPU));
    uint32_t cpu = begin(SPY__PROFILE_CPU, 100, true);
    assert_true(spy__sessions_whole(SPY__PROFILE_CPU));
    assert_false(spy__sessions_whole(SPY__PROFILE_WALL));
    uint32_t mark = begin(SPY__PROFILE_WALL, 100, false);
    assert_true(take(0, 0x1000, SPY__SAMPLE_CPU));
    assert_true(take(mark, 0x2000, SPY__SAMPLE_CPU));
    struct spy__profile *profile = spy__sessions_end(cpu, START + 3 * S);
    assert_int_equal(profile->sample_count, 2);
    assert_int_equal(profile->span_count, 0);
    assert_string_equal(profile->correlation_id, "");
    spy__profile_free(profile);
    assert_false(spy__sessions_whole(SPY__PROFILE_CPU));
    uint32_t wall = begin(SPY__PROFILE_WALL, 100, true);
    assert_true(spy__sessions_whole(SPY__PROFILE_WALL));
    spy__profile_free(spy__sessions_end(wall, START));
}

static void test_limits_of_number_and_time(void **state)
{
    (void)state;
    uint32_t marks[SPY__PROFILES_MAX];
    assert_int_equal(spy__sessions_rate(START), 0);
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        marks[i] = begin(SPY__PROFILE_WALL, 100 + i, false);
        assert_int_not_equal(marks[i], 0);
    }
    assert_int_equal(begin(SPY__PROFILE_WALL, 100, false), 0);
    assert_int_equal(spy__sessions_open(), SPY__PROFILES_MAX);
    assert_int_equal(spy__sessions_rate(START), 100 + SPY__PROFILES_MAX - 1);
    spy__sessions_lost(5);
    // Past its ten seconds it takes nothing, and is still there to be ended.
    struct spy__sample late = sample_of(marks[0], 0x1000, SPY__SAMPLE_CPU);
    late.time_ns = START + 11 * S;
    assert_false(spy__sessions_take(&late, 42, "worker"));
    assert_int_equal(spy__sessions_rate(START + 11 * S), 0);
    struct spy__profile *profile = spy__sessions_end(marks[0], START + 12 * S);
    assert_true(profile->truncated);
    assert_int_equal(profile->duration_ns, 10 * S);
    assert_int_equal(profile->lost, 5);
    spy__profile_free(profile);
    // The others are forgotten in the end.
    assert_int_equal(spy__sessions_rate(START + 11 * S + SPY__SESSION_FORGOTTEN_NS), 0);
    assert_int_equal(spy__sessions_open(), 0);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    uint32_t mark = 0;
    for (long n = 0; mark == 0; n++) {
        alloc_fail_after(n);
        mark = begin(SPY__PROFILE_WALL, 100, false);
        alloc_fail_never();
        assert_true(n < 10);
    }
    for (long n = 0; n < 20; n++) {
        alloc_fail_after(n);
        (void)take(mark, 0x1000 + (uintptr_t)n, SPY__SAMPLE_CPU);
        alloc_fail_never();
        assert_true(take(mark, 0x1000, SPY__SAMPLE_CPU));
    }
    struct spy__profile *profile = spy__sessions_end(mark, START + 3 * S);
    assert_true(profile->lost > 0);
    assert_int_equal(profile->sample_count + profile->lost, 40);
    spy__profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_the_split_is_exact_and_each_sees_its_own, tear_down),
        cmocka_unit_test_teardown(test_waits_are_of_the_wall_view_alone, tear_down),
        cmocka_unit_test_teardown(test_spans_of_the_request, tear_down),
        cmocka_unit_test_teardown(test_the_process_takes_all, tear_down),
        cmocka_unit_test_teardown(test_limits_of_number_and_time, tear_down),
        cmocka_unit_test_teardown(test_memory_runs_out, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
