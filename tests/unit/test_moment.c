// Moments: by the counter once its rate is known, by the clock before; when the counter, or the clock,
// jumps; with a fake clock.
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/moment.h"

#define MS UINT64_C(1000000)
#define FAST 3 // times as fast as time

// What spy__monotonic_ns() says: the system's clock, from `since` on at another speed.
static struct {
    uint64_t since, offset;
    unsigned speed;
    struct spy__fake_clock *fake;
} told = { .speed = 1 };

static uint64_t real_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t __wrap_spy__monotonic_ns(void);
uint64_t __wrap_spy__monotonic_ns(void)
{
    const uint64_t now = real_ns();
    return told.fake ? told.fake->monotonic_ns
                     : told.offset + told.since + (now - told.since) * told.speed;
}

static void pass(uint64_t ns)
{
    const uint64_t start = real_ns();
    while (real_ns() - start < ns) {
        sched_yield();
    }
}

// Looks until the counter is, or is no longer, what lengths are measured by.
static bool look_until(bool counts)
{
    const uint64_t start = real_ns();
    while (spy__moment_counts != counts && real_ns() - start < 10000 * MS) {
        pass(2 * MS);
        spy__moments_look();
    }
    return spy__moment_counts == counts;
}

static bool begin(void)
{
    struct spy__ticks_map map;
    told.speed = 1;
    spy__ticks_init(&map);
    spy__moments_begin();
    return spy__ticks_raw;
}

// By the counter's rate, against the clock around it.
static void check_length(void)
{
    const uint64_t a = real_ns(), from = spy__moment_now(), b = real_ns();
    pass(5 * MS);
    const uint64_t c = real_ns(), to = spy__moment_end(from), d = real_ns();
    const double ns = (double)spy__moment_ns(from, to);
    assert_true(spy__moment_is_count(from) && spy__moment_is_count(to));
    assert_true(ns > (double)(c - b) * 0.995 && ns < (double)(d - a) * 1.005);
}

static void before_the_rate_is_known_the_clock_is_asked(void **state)
{
    (void)state;
    (void)begin();
    const uint64_t from = spy__moment_now();
    assert_false(spy__moment_is_count(from));
    told.offset += 7 * MS;
    const uint64_t to = spy__moment_end(from);
    assert_true(spy__moment_ns(from, to) >= 7 * MS);
    assert_int_equal(spy__moment_ns(to, from), 0);
}

static void lengths_are_those_of_the_clock(void **state)
{
    (void)state;
    if (!begin()) {
        skip(); // no counter here
    }
    const uint64_t early = spy__moment_now();
    assert_true(look_until(true));
    check_length();
    assert_false(spy__moment_is_count(spy__moment_end(early))); // ends as it began
    const uint64_t from = spy__moment_now(), to = from + 1;
    assert_int_equal(spy__moment_ns(to, from), 0);  // the other processor's counter is behind
    assert_int_equal(spy__moment_ns(early, to), 0); // of two kinds
}

static void a_jump_is_none_of_the_rate(void **state)
{
    (void)state;
    if (!begin()) {
        skip();
    }
    assert_true(look_until(true));
    for (int i = 0; i < 4; i++) {
        told.offset += 3600000 * MS; // the machine slept
        spy__moments_look();
        pass(20 * MS);       // long enough for readings on a busy machine
        spy__moments_look(); // and is awake
        assert_true(spy__moment_counts);
    }
    check_length();
}

static void a_rate_that_changed_is_not_trusted(void **state)
{
    (void)state;
    if (!begin()) {
        skip();
    }
    assert_true(look_until(true));
    const uint64_t from = spy__moment_now();
    told.since = real_ns();
    told.speed = FAST;
    assert_true(look_until(false));
    assert_false(spy__moment_is_count(spy__moment_now()));
    assert_true(spy__moment_is_count(spy__moment_end(from)));
    assert_true(spy__moment_ns(from, spy__moment_end(from)) > 0);
    spy__moments_look(); // is not tried again
    assert_false(spy__moment_counts);
    assert_true(begin()); // but by who begins again
    assert_true(look_until(true));
}

static void times_are_in_the_order_of_moments(void **state)
{
    (void)state;
    struct spy__moment_map map;
    const uint64_t clock = spy__moment_of(real_ns() + told.offset);
    (void)begin();
    spy__moment_map_init(&map); // knows no rate
    bool counts = spy__ticks_raw && look_until(true);
    const uint64_t now = spy__realtime_ns();
    const uint64_t late = spy__moment_time_ns(&map, spy__moment_now());
    assert_true(late + 1000 * MS > now && late < now + 1000 * MS);
    assert_true(spy__moment_time_ns(&map, clock) <= map.realtime_ns);
    if (counts) {
        spy__moment_map_init(&map);
        uint64_t count = map.count - 1000000000, last = 0;
        for (int i = 0; i < 1000; i++, count += 2000000) {
            uint64_t ns = spy__moment_time_ns(&map, count);
            assert_true(ns > last);
            last = ns;
        }
    }
}

static void with_a_fake_clock_it_is_asked(void **state)
{
    (void)state;
    struct spy__fake_clock fake = { .monotonic_ns = 5, .realtime_ns = 1000 };
    (void)begin();
    spy__clock_fake(&fake);
    told.fake = &fake;
    spy__moments_look(); // changes nothing
    const uint64_t from = spy__moment_now();
    struct spy__moment_map map;
    spy__moment_map_init(&map);
    fake.monotonic_ns += 250;
    assert_int_equal(spy__moment_ns(from, spy__moment_end(from)), 250);
    assert_int_equal(spy__moment_time_ns(&map, from), 1000);
    assert_int_equal(spy__moment_time_ns(&map, spy__moment_end(from)), 1250);
    spy__moments_begin();
    spy__moments_look();
    assert_false(spy__moment_counts);
    spy__clock_fake(NULL);
    told.fake = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_rate_is_known_the_clock_is_asked),
        cmocka_unit_test(lengths_are_those_of_the_clock),
        cmocka_unit_test(a_jump_is_none_of_the_rate),
        cmocka_unit_test(a_rate_that_changed_is_not_trusted),
        cmocka_unit_test(times_are_in_the_order_of_moments),
        cmocka_unit_test(with_a_fake_clock_it_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
