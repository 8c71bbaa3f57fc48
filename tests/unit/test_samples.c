// The ring between a thread's signal handler and the collector.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "profile/samples.h"

static struct spy__samples ring;

static struct spy__sample sample_of(uint64_t number, unsigned stack_count)
{
    struct spy__sample sample = { .kind = SPY__SAMPLE_CPU,
                                  .stack_count = (uint16_t)stack_count,
                                  .profile = 17,
                                  .time_ns = number,
                                  .weight_ns = 4,
                                  .cost_ns = 5,
                                  .trace_hi = 6,
                                  .trace_lo = 7,
                                  .span_id = 8,
                                  .parent_id = 9,
                                  .operation = "work" };
    for (unsigned i = 0; i < stack_count; i++) {
        sample.stack[i] = number + i;
    }
    return sample;
}

static void assert_next(uint64_t number, unsigned stack_count)
{
    struct spy__sample read, wanted = sample_of(number, stack_count);
    assert_true(spy__samples_pop(&ring, &read));
    assert_memory_equal(&read, &wanted,
                        offsetof(struct spy__sample, stack) + stack_count * sizeof(uintptr_t));
}

static int set_up(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof(ring));
    return 0;
}

static void test_samples_come_in_order_whole(void **state)
{
    (void)state;
    struct spy__sample sample;
    assert_false(spy__samples_pop(&ring, &sample));
    // Many times around, with stacks of every length.
    for (uint64_t i = 0; i < 5000; i++) {
        sample = sample_of(i, (unsigned)(i % (SPY__STACK_MAX + 1)));
        assert_true(spy__samples_push(&ring, &sample));
        if (i >= 50) {
            assert_next(i - 50, (unsigned)((i - 50) % (SPY__STACK_MAX + 1)));
        }
    }
    assert_int_equal(spy__samples_lost(&ring), 0);
}

static void test_a_full_ring_loses_the_new_and_counts(void **state)
{
    (void)state;
    struct spy__sample sample;
    uint64_t pushed = 0;
    for (;; pushed++) {
        sample = sample_of(pushed, SPY__STACK_MAX);
        if (!spy__samples_push(&ring, &sample)) {
            break;
        }
    }
    assert_true(pushed > 100);
    assert_false(spy__samples_push(&ring, &sample));
    assert_int_equal(spy__samples_lost(&ring), 2);
    assert_int_equal(spy__samples_lost(&ring), 0);
    assert_next(0, SPY__STACK_MAX);
    assert_true(spy__samples_push(&ring, &sample)); // there is room again
    for (uint64_t i = 1; i <= pushed; i++) {
        assert_next(i, SPY__STACK_MAX);
    }
    assert_false(spy__samples_pop(&ring, &sample));
}

// As the handler finds it when it interrupts its own thread in a push.
static void test_a_push_within_a_push_is_lost(void **state)
{
    (void)state;
    struct spy__sample sample = sample_of(1, 3);
    ring.pushing = 1;
    assert_false(spy__samples_push(&ring, &sample));
    ring.pushing = 0;
    assert_int_equal(spy__samples_lost(&ring), 1);
    assert_true(spy__samples_push(&ring, &sample));
    assert_next(1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_samples_come_in_order_whole, set_up),
        cmocka_unit_test_setup(test_a_full_ring_loses_the_new_and_counts, set_up),
        cmocka_unit_test_setup(test_a_push_within_a_push_is_lost, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
