// Ticks become times: by the counter, by a fake clock, after the clock was stepped.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ticks.h"

static uint64_t off_by(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

// A stamp lies between two readings of the clock around it, give or take what a busy machine makes
// of the map's own readings.
static void stamps_are_times(void **state)
{
    (void)state;
    struct spy__ticks_map map;
    spy__ticks_init(&map);
    for (int i = 0; i < 50; i++) {
        uint64_t before = spy__realtime_ns(), ticks = spy__ticks(), after = spy__realtime_ns();
        if (i % 10 == 9) {
            spy__ticks_sync(&map);
        }
        uint64_t ns = spy__ticks_to_ns(&map, ticks);
        assert_true(ns + 1000000 > before && ns < after + 1000000);
    }
}

static void in_order(void **state)
{
    (void)state;
    struct spy__ticks_map map;
    spy__ticks_init(&map);
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t ns = spy__ticks_to_ns(&map, spy__ticks());
        assert_true(ns >= last);
        last = ns;
    }
}

static void a_fake_clock(void **state)
{
    (void)state;
    struct spy__ticks_map map;
    spy__ticks_init(&map);
    uint64_t real = spy__ticks();
    struct spy__fake_clock fake = { .realtime_ns = UINT64_C(1709251198123456789) };
    spy__clock_fake(&fake);
    uint64_t ticks = spy__ticks();
    assert_true(spy__ticks_to_ns(&map, ticks) == fake.realtime_ns);
    spy__ticks_sync(&map); // changes nothing
    spy__clock_fake(NULL);
    assert_true(spy__ticks_to_ns(&map, ticks) == fake.realtime_ns);
    // Stamps of both kinds can be read.
    assert_true(off_by(spy__ticks_to_ns(&map, real), spy__realtime_ns()) < 60000000000u);
}

// Someone sets the clock: the rate stays, the times follow.
static void a_step_of_the_clock(void **state)
{
    (void)state;
    struct spy__ticks_map map;
    spy__ticks_init(&map);
    if (!(map.ns_per_tick > 0)) {
        skip(); // no counter here
    }
    double rate = map.ns_per_tick;
    map.ns += 3600000000000u; // as if both readings had been made an hour ahead
    map.base_ns += 3600000000000u;
    spy__ticks_sync(&map);
    assert_true(map.ns_per_tick > rate * 0.99 && map.ns_per_tick < rate * 1.01);
    assert_true(off_by(spy__ticks_to_ns(&map, spy__ticks()), spy__realtime_ns()) < 1000000000);
    map.base_ns -= 3600000000000u; // and an hour behind
    map.ns -= 3600000000000u;
    spy__ticks_sync(&map);
    assert_true(map.ns_per_tick > rate * 0.99 && map.ns_per_tick < rate * 1.01);
    assert_true(off_by(spy__ticks_to_ns(&map, spy__ticks()), spy__realtime_ns()) < 1000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_are_times),
        cmocka_unit_test(in_order),
        cmocka_unit_test(a_fake_clock),
        cmocka_unit_test(a_step_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
