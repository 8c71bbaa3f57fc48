// When a try is made again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/random.h"
#include "deliver/retry.h"

#define MS UINT64_C(1000000)

// The wait after so many failures in a row, for a random number.
static uint64_t wait_ms(unsigned failures, unsigned after_ms, uint64_t random)
{
    struct spy__retry retry = { 0 };
    for (unsigned i = 1; i < failures; i++) {
        spy__retry_failed(&retry, 50 * MS, 0, 0);
    }
    spy__retry_failed(&retry, 50 * MS, after_ms, random);
    return (retry.not_before_ns - 50 * MS) / MS;
}

static void waits_are_drawn_below_a_bound_that_doubles(void **state)
{
    (void)state;
    for (unsigned failures = 1; failures < SPY__RETRY_FAILURES_MAX; failures++) {
        uint64_t bound = SPY__RETRY_BASE_MS << (failures - 1);
        uint64_t least = UINT64_MAX, most = 0;
        bound = bound < SPY__RETRY_CAP_MS ? bound : SPY__RETRY_CAP_MS;
        spy__random_seed(failures);
        for (int i = 0; i < 1000; i++) {
            uint64_t ms = wait_ms(failures, 0, spy__random_u64());
            assert_true(ms <= bound);
            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        assert_true(least < bound / 10); // the whole width of it
        assert_true(most > bound - bound / 10);
    }
}

static void the_breaker_probes_at_a_period(void **state)
{
    (void)state;
    struct spy__retry retry = { 0 };
    for (unsigned i = 1; i < 50; i++) {
        assert_int_equal(spy__retry_is_open(&retry), i > SPY__RETRY_FAILURES_MAX);
        spy__retry_failed(&retry, i * 10000 * MS, 0, i * 77);
        assert_int_equal(retry.first_ns, 10000 * MS);
    }
    assert_int_equal(retry.not_before_ns, (49 * 10000 + 2000) * MS);
    spy__retry_succeeded(&retry);
    assert_false(spy__retry_is_open(&retry));
    assert_int_equal(retry.not_before_ns, 0);
    assert_int_equal(retry.failures, 0);
}

static void what_is_asked_for_is_the_least(void **state)
{
    (void)state;
    for (unsigned failures = 1; failures < 10; failures++) {
        for (uint64_t random = 0; random < 300; random++) {
            uint64_t ms = wait_ms(failures, 7000, random);
            assert_in_range(ms, 7000, 7000 + SPY__RETRY_BASE_MS);
        }
    }
    assert_int_equal(wait_ms(SPY__RETRY_FAILURES_MAX, 3, 0), SPY__RETRY_PROBE_MS);
}

static unsigned asked(const char *retry_after, const char *date)
{
    const char *headers[] = { "Server: x", retry_after, date };
    const struct spy__answer answer = { .status = 503,
                                        .headers = headers,
                                        .header_count = date ? 3 : 2 };
    return spy__retry_asked_ms(&answer);
}

static void retry_after_is_read(void **state)
{
    (void)state;
    static const char date[] = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
    assert_int_equal(asked("Retry-After: 120", NULL), 120000);
    assert_int_equal(asked("retry-after:\t5", NULL), 5000);
    assert_int_equal(asked("Retry-After: 0", NULL), 0);
    assert_int_equal(asked("Retry-After: 99999999999999999999", NULL), SPY__RETRY_ASKED_MS_MAX);
    assert_int_equal(asked("Retry-After: 99999", NULL), SPY__RETRY_ASKED_MS_MAX);
    assert_int_equal(asked("Retry-After: Sun, 06 Nov 1994 08:50:07 GMT", date), 30000);
    assert_int_equal(asked("Retry-After: Sun, 06 Nov 1994 08:49:07 GMT", date), 0);
    assert_int_equal(asked("Retry-After: Mon, 06 Nov 1995 08:49:07 GMT", date),
                     SPY__RETRY_ASKED_MS_MAX);
    // Without the server's own time a date says nothing.
    assert_int_equal(asked("Retry-After: Sun, 06 Nov 2094 08:50:07 GMT", NULL), 0);
    static const char *const nonsense[] = {
        "Retry-After:",
        "Retry-After: soon",
        "Retry-After: -5",
        "Retry-After: Sun, 06 Nov 1994 08:50:07",
        "Retry-After: Sun, 06 Nov 1994 08:50:07 CET",
        "Retry-After: Sunday, 06-Nov-94 08:50:07 GMT",
        "Retry-After: Sun, 06 Noo 1994 08:50:07 GMT",
        "Retry-Afterwards: 5",
    };
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        assert_int_equal(asked(nonsense[i], date), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_drawn_below_a_bound_that_doubles),
        cmocka_unit_test(the_breaker_probes_at_a_period),
        cmocka_unit_test(what_is_asked_for_is_the_least),
        cmocka_unit_test(retry_after_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
