// What an operation waited: its wall time less its CPU time, less what was waited inside it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "profile/waits.h"

#define MS UINT64_C(1000000)

static struct spy__waits waits;
static struct {
    size_t count;
    uint64_t span_id[8], waited_ns[8];
} told;

static void note(void *arg, const struct spy__wait *frame, uint64_t waited_ns)
{
    assert_null(arg);
    assert_true(told.count < 8);
    told.span_id[told.count] = frame->span_id;
    told.waited_ns[told.count++] = waited_ns;
}

static int set_up(void **state)
{
    (void)state;
    memset(&waits, 0, sizeof(waits));
    memset(&told, 0, sizeof(told));
    return 0;
}

static struct spy__wait *open_at(uint64_t span_id, uint64_t now_ns, uint64_t cpu_ns, bool exact)
{
    struct spy__wait *frame = spy__waits_open(&waits, now_ns, cpu_ns, exact);
    frame->span_id = span_id;
    frame->profile = 17;
    return frame;
}

static void close_at(uint64_t span_id, uint64_t now_ns, uint64_t cpu_ns)
{
    spy__waits_close(&waits, spy__waits_span(&waits, span_id), now_ns, cpu_ns, note, NULL);
}

static void assert_told(size_t i, uint64_t span_id, uint64_t waited_ns)
{
    assert_true(i < told.count);
    assert_int_equal(told.span_id[i], span_id);
    assert_int_equal(told.waited_ns[i], waited_ns);
}

static void test_wall_less_cpu(void **state)
{
    (void)state;
    open_at(1, 1000, 50, true);
    close_at(1, 4000, 1050);
    assert_told(0, 1, 2000);
    // All of it on the CPU, by clocks that are not quite the same: nothing.
    open_at(2, 5000, 2000, true);
    close_at(2, 6000, 3001);
    assert_int_equal(told.count, 1);
    assert_int_equal(waits.depth, 0);
}

static void test_children_are_not_charged_twice(void **state)
{
    (void)state;
    open_at(1, 0, 0, true);
    open_at(2, 1000, 500, true);  // the outer one waited 500 so far
    open_at(3, 2000, 1500, true); // its parent nothing
    close_at(3, 5000, 2000);      // 2500
    close_at(2, 7000, 2000);      // 4500 in all, 2000 of its own
    open_at(4, 7000, 2000, true);
    close_at(4, 8000, 2000);  // 1000
    close_at(1, 10000, 4000); // 6000 in all: 500 of its own
    assert_told(0, 3, 2500);
    assert_told(1, 2, 2000);
    assert_told(2, 4, 1000);
    assert_told(3, 1, 500);
    assert_int_equal(told.count, 4);
}

static void test_what_was_left_open_ends_with_what_is_around_it(void **state)
{
    (void)state;
    open_at(1, 0, 0, true);
    open_at(2, 100, 0, true);
    open_at(3, 200, 0, true);
    close_at(1, 1000, 0);
    assert_told(0, 3, 800);
    assert_told(1, 2, 100);
    assert_told(2, 1, 100);
    assert_int_equal(waits.depth, 0);
    assert_null(spy__waits_span(&waits, 2));
}

// Without a reading of its own a frame is told at most what it waited, and only where that is long.
static void test_inexact_frames_are_told_where_they_are_long(void **state)
{
    (void)state;
    waits.cpu_ns = 5 * MS;
    struct spy__wait *outer = open_at(1, 0, 0, false);
    struct spy__wait *inner = open_at(2, 1 * MS, 0, false);
    assert_false(spy__waits_need_cpu(&waits, inner, 9 * MS));
    close_at(2, 9 * MS, 0); // short: what it waited is its parent's
    assert_int_equal(told.count, 0);
    inner = open_at(3, 10 * MS, 0, false);
    assert_true(spy__waits_need_cpu(&waits, inner, 40 * MS));
    close_at(3, 40 * MS, 15 * MS); // 30 of wall, at most 10 of CPU
    assert_told(0, 3, 20 * MS);
    assert_int_equal(waits.cpu_ns, 15 * MS);
    assert_true(spy__waits_need_cpu(&waits, outer, 50 * MS));
    close_at(1, 50 * MS, 20 * MS); // 35 in all
    assert_told(1, 1, 15 * MS);
    // Long, but busy.
    open_at(4, 60 * MS, 0, false);
    close_at(4, 100 * MS, 55 * MS);
    assert_int_equal(told.count, 2);
}

static void test_a_profile_that_ends_is_told_what_is_open(void **state)
{
    (void)state;
    struct spy__wait *arrival = open_at(1, 0, 0, true);
    arrival->arrival = true;
    open_at(2, 1000, 0, true);
    open_at(9, 1500, 0, true)->profile = 33; // another's, in between
    open_at(3, 2000, 0, true);
    spy__waits_settle(&waits, 17, 5000, 500, note, NULL);
    assert_told(0, 3, 2500);
    assert_told(1, 2, 3500);
    assert_told(2, 1, 1000);
    // What comes after is told by itself.
    close_at(3, 6000, 500);
    assert_told(3, 3, 1000);
    assert_ptr_equal(spy__waits_arrival(&waits, 17), arrival);
    assert_null(spy__waits_arrival(&waits, 33));
    assert_null(spy__waits_span(&waits, 1));
}

static bool is_open(uint32_t profile)
{
    return profile == 33;
}

// A request that began in this thread and went on in another one: nobody closes it here.
static void test_what_went_elsewhere_is_forgotten(void **state)
{
    (void)state;
    open_at(1, 0, 0, false);
    open_at(2, 10, 0, false);
    spy__waits_trim(&waits, 1, is_open); // another child of the first
    assert_int_equal(waits.depth, 1);
    spy__waits_trim(&waits, 7, is_open); // of nobody that is here
    assert_int_equal(waits.depth, 0);
    open_at(3, 20, 0, true)->profile = 33; // a profile that is open is not left
    open_at(4, 30, 0, false);
    spy__waits_trim(&waits, 7, is_open);
    assert_int_equal(waits.depth, 1);
    assert_non_null(spy__waits_span(&waits, 3));
}

static void test_the_outermost_gives_way(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= SPY__WAITS_DEPTH_MAX + 2; id++) {
        open_at(id, id, 0, true);
    }
    assert_int_equal(waits.depth, SPY__WAITS_DEPTH_MAX);
    assert_null(spy__waits_span(&waits, 2));
    assert_int_equal(spy__waits_span(&waits, 3)->start_ns, 3);
    assert_int_equal(spy__waits_span(&waits, SPY__WAITS_DEPTH_MAX + 2)->start_ns,
                     SPY__WAITS_DEPTH_MAX + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_wall_less_cpu, set_up),
        cmocka_unit_test_setup(test_children_are_not_charged_twice, set_up),
        cmocka_unit_test_setup(test_what_was_left_open_ends_with_what_is_around_it, set_up),
        cmocka_unit_test_setup(test_inexact_frames_are_told_where_they_are_long, set_up),
        cmocka_unit_test_setup(test_a_profile_that_ends_is_told_what_is_open, set_up),
        cmocka_unit_test_setup(test_what_went_elsewhere_is_forgotten, set_up),
        cmocka_unit_test_setup(test_the_outermost_gives_way, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
