// A sampled profile of the heap, without the hooks: the mathematics, the tables, what they do when
// they are full.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/random.h"
#include "heap/heap.h"
#include "heap/sampling.h"

#define MEAN UINT64_C(4096)

static bool no_memory;

void *__real_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    return no_memory ? MAP_FAILED : __real_mmap64(at, bytes, prot, flags, fd, offset);
}

// ---- sampling

static void test_intervals_are_exponential(void **state)
{
    enum { DRAWS = 200000 };
    (void)state;
    double sum = 0;
    unsigned below = 0;
    assert_int_equal(spy__heap_interval(UINT64_MAX, MEAN), 0);
    // The largest of all draws, 53 ln 2 times the mean.
    assert_int_equal(spy__heap_interval(0, MEAN), (uint64_t)(53 * log(2) * (double)MEAN));
    spy__random_seed(1);
    for (unsigned i = 0; i < DRAWS; i++) {
        const uint64_t interval = spy__heap_interval(spy__random_u64(), MEAN);
        sum += (double)interval + 0.5; // it was rounded down
        below += interval < MEAN;
    }
    // Both within five standard errors: the deviation of an exponential is its mean.
    assert_true(fabs(sum / DRAWS - (double)MEAN) < 5 * (double)MEAN / sqrt(DRAWS));
    const double p = 1 - exp(-1);
    assert_true(fabs((double)below / DRAWS - p) < 5 * sqrt(p * (1 - p) / DRAWS));
}

static void test_weights_undo_the_sampling(void **state)
{
    static const size_t sizes[] = { 1, 16, 1000, MEAN, 10 * MEAN };
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const double p = 1 - exp(-(double)sizes[i] / (double)MEAN);
        assert_true(fabs(spy__heap_weight(sizes[i], MEAN) * p - 1) < 1e-9);
    }
    // Far above the mean each is sampled, and stands for itself; far below none loses its digits.
    assert_true(spy__heap_weight(1000 * MEAN, MEAN) == 1);
    const double tiny = spy__heap_weight(1, SPY__HEAP_MEAN_BYTES_MAX);
    assert_true(fabs(tiny / ((double)SPY__HEAP_MEAN_BYTES_MAX + 0.5) - 1) < 1e-12);
}

static void test_sums_of_samples_are_without_bias(void **state)
{
    static const size_t sizes[] = { 24, 100, 3000, 9000 };
    (void)state;
    spy__random_seed(2);
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        const size_t count = 3000 * MEAN / sizes[k];
        uint64_t left = spy__heap_interval(spy__random_u64(), MEAN);
        double estimate = 0;
        unsigned samples = 0;
        for (size_t i = 0; i < count; i++) {
            if (!__builtin_sub_overflow(left, sizes[k], &left)) {
                continue;
            }
            estimate += spy__heap_weight(sizes[k], MEAN);
            left = spy__heap_interval(spy__random_u64(), MEAN);
            samples++;
        }
        assert_true(samples > 500);
        assert_true(fabs(estimate / (double)count - 1) < 5 / sqrt(samples));
    }
}

// ---- sums

static struct spy__heap_sums *new_sums(uint32_t stacks_max, uint32_t frames_max)
{
    void *memory = calloc(1, spy__heap_sums_bytes(stacks_max, frames_max));
    assert_non_null(memory);
    return spy__heap_sums_init(memory, stacks_max, frames_max);
}

static void test_a_stack_keeps_its_index(void **state)
{
    uintptr_t stack[SPY__STACK_MAX] = { 0 };
    struct spy__heap_sum sum;
    (void)state;
    struct spy__heap_sums *s = new_sums(400, 400 * SPY__STACK_MAX);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 400; i += 2) {
            stack[SPY__STACK_MAX - 1] = i; // differs from the others in its last frame alone
            assert_int_equal(spy__heap_sums_find(s, stack, SPY__STACK_MAX), i + 1);
            stack[0] = i;
            assert_int_equal(spy__heap_sums_find(s, stack, 1 + i % 3), i + 2);
            stack[0] = 0;
        }
    }
    assert_int_equal(spy__heap_sums_count(s), 401);
    spy__heap_sums_read(s, &sum, 399);
    assert_int_equal(sum.frames, SPY__STACK_MAX);
    assert_memory_equal(sum.stack, stack, sizeof(stack));
    free(s);
}

static void test_stacks_without_room_have_the_first_sum(void **state)
{
    const uintptr_t a[] = { 1, 2 }, b[] = { 1, 3 }, c[] = { 1, 2, 3 }, d[] = { 4 };
    struct spy__heap_sum sum;
    (void)state;
    struct spy__heap_sums *s = new_sums(2, 100);
    assert_int_equal(spy__heap_sums_find(s, NULL, 0), 0);
    assert_int_equal(spy__heap_sums_find(s, a, 2), 1);
    assert_int_equal(spy__heap_sums_find(s, b, 2), 2);
    assert_int_equal(spy__heap_sums_find(s, c, 3), 0);
    assert_int_equal(spy__heap_sums_find(s, a, 2), 1);
    assert_int_equal(spy__heap_sums_count(s), 3);
    free(s);
    s = new_sums(10, 4);
    assert_int_equal(spy__heap_sums_find(s, a, 2), 1);
    assert_int_equal(spy__heap_sums_find(s, c, 3), 0);
    assert_int_equal(spy__heap_sums_find(s, b, 2), 2);
    assert_int_equal(spy__heap_sums_find(s, d, 1), 0);
    spy__heap_sums_read(s, &sum, 0);
    assert_int_equal(sum.frames, 0);
    free(s);
    s = new_sums(0, 0);
    assert_int_equal(spy__heap_sums_find(s, a, 2), 0);
    free(s);
}

// ---- addresses in use

static struct spy__heap_live *new_live(uint32_t slots)
{
    struct spy__heap_live *live = calloc(1, sizeof(*live));
    void *memory = calloc(1, spy__heap_live_bytes(slots));
    assert_non_null(live);
    assert_non_null(memory);
    spy__heap_live_init(live, memory, slots);
    return live;
}

static void free_live(struct spy__heap_live *live)
{
    free(live->addresses);
    free(live);
}

static bool put(struct spy__heap_live *live, uintptr_t address, size_t size)
{
    struct spy__heap_block old;
    bool had;
    bool ok =
        spy__heap_live_put(live, address, &(struct spy__heap_block){ .size = size }, &old, &had);
    assert_false(had);
    return ok;
}

static uintptr_t address_of(unsigned i)
{
    return 0x7f0000000010 + 4096 * (uintptr_t)i;
}

static void test_addresses_are_found_as_long_as_they_are_in(void **state)
{
    enum { ADDRESSES = 1000, STEPS = 200000 };
    static bool in[ADDRESSES];
    struct spy__heap_block block;
    (void)state;
    struct spy__heap_live *live = new_live(1024);
    spy__random_seed(3);
    for (unsigned step = 0, count = 0; step < STEPS; step++) {
        const unsigned i = (unsigned)(spy__random_u64() % ADDRESSES);
        assert_int_equal(spy__heap_live_has(live, address_of(i)), in[i]);
        assert_true(!in[i] || spy__heap_live_may_have(live, address_of(i)));
        if (in[i]) {
            assert_true(spy__heap_live_take(live, address_of(i), &block));
            assert_int_equal(block.size, i);
            assert_false(spy__heap_live_take(live, address_of(i), &block));
        } else if (count < 512) {
            assert_true(put(live, address_of(i), i));
        } else {
            continue;
        }
        count += in[i] ? (unsigned)-1 : 1;
        in[i] = !in[i];
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        assert_int_equal(spy__heap_live_take(live, address_of(i), &block), in[i]);
        in[i] = false;
    }
    // Nothing is left behind: neither in the filter nor, but for what no search passes, a mark.
    for (unsigned i = 0; i < SPY__HEAP_FILTER_BYTES; i++) {
        assert_int_equal(live->filter[i], 0);
    }
    for (unsigned i = 0; i < live->slots; i++) {
        assert_int_equal(live->addresses[i], 0);
    }
    free_live(live);
}

static void test_a_full_table_refuses(void **state)
{
    struct spy__heap_block block;
    (void)state;
    struct spy__heap_live *live = new_live(16);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(put(live, address_of(i), i));
    }
    assert_false(put(live, address_of(16), 16));
    assert_false(spy__heap_live_has(live, address_of(16)));
    assert_true(spy__heap_live_take(live, address_of(7), &block));
    assert_true(put(live, address_of(16), 16));
    assert_true(spy__heap_live_take(live, address_of(16), &block));
    assert_int_equal(block.size, 16);
    free_live(live);
}

static void test_a_filter_that_was_full_says_maybe_for_ever(void **state)
{
    struct spy__heap_block block;
    (void)state;
    struct spy__heap_live *live = new_live(1024);
    const uintptr_t address = address_of(0);
    live->filter[spy__heap_live_hash(address) >> 48] = 254;
    assert_true(put(live, address, 1));
    assert_true(spy__heap_live_take(live, address, &block));
    assert_true(spy__heap_live_may_have(live, address));
    assert_false(spy__heap_live_has(live, address));
    free_live(live);
}

// ---- the whole

static struct spy__heap heap = { .mu = PTHREAD_MUTEX_INITIALIZER };
static const uintptr_t here[] = { 100, 200 }, there[] = { 300 };

static int open_heap(void **state)
{
    (void)state;
    return spy__heap_open(&heap,
                          &(struct spy__heap_options){
                              .mean_bytes = MEAN, .stacks_max = 2, .frames_max = 100, .slots = 8 });
}

static int close_heap(void **state)
{
    (void)state;
    spy__heap_close(&heap);
    return 0;
}

static struct spy__heap_sum read_sum(uint32_t i)
{
    struct spy__heap_sum sum;
    spy__heap_read(&heap, &sum, i);
    return sum;
}

static void test_what_is_freed_is_not_in_use(void **state)
{
    struct spy__heap_block block;
    const double objects = spy__heap_weight(1000, MEAN);
    (void)state;
    spy__heap_allocated(&heap, address_of(1), 1000, here, 2);
    spy__heap_allocated(&heap, address_of(2), 1000, here, 2);
    spy__heap_allocated(&heap, address_of(3), 50 * MEAN, there, 1);
    assert_int_equal(spy__heap_count(&heap), 3);
    struct spy__heap_sum sum = read_sum(1);
    assert_true(sum.alloc_objects == 2 * objects && sum.inuse_objects == 2 * objects);
    assert_true(sum.alloc_bytes == 2 * objects * 1000 && sum.inuse_bytes == sum.alloc_bytes);
    assert_int_equal(sum.frames, 2);
    assert_memory_equal(sum.stack, here, sizeof(here));

    assert_true(spy__heap_freed(&heap, address_of(1), &block));
    assert_false(spy__heap_freed(&heap, address_of(1), &block));
    assert_false(spy__heap_freed(&heap, address_of(4), &block));
    sum = read_sum(1);
    assert_true(sum.alloc_objects == 2 * objects && sum.inuse_objects == objects);
    // A realloc() that fails.
    assert_true(spy__heap_freed(&heap, address_of(2), &block));
    assert_true(read_sum(1).inuse_objects == 0);
    spy__heap_kept(&heap, address_of(2), &block);
    assert_true(read_sum(1).inuse_objects == objects);
    assert_true(read_sum(2).inuse_bytes == 50 * (double)MEAN);
}

static void test_nothing_in_use_is_exactly_nothing(void **state)
{
    struct spy__heap_block block;
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        spy__heap_allocated(&heap, address_of(i), 333 + 7 * i, here, 2);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(spy__heap_freed(&heap, address_of(3 - i), &block));
    }
    const struct spy__heap_sum sum = read_sum(1);
    assert_true(sum.inuse_objects == 0 && sum.inuse_bytes == 0 && sum.alloc_objects > 0);
}

static void test_an_unseen_free_is_made_up_for(void **state)
{
    (void)state;
    spy__heap_allocated(&heap, address_of(1), 1000, here, 2);
    spy__heap_allocated(&heap, address_of(1), 2000, there, 1);
    assert_true(read_sum(1).inuse_objects == 0);
    assert_true(read_sum(2).inuse_bytes == 2000 * spy__heap_weight(2000, MEAN));
}

static void test_full_tables_are_counted(void **state)
{
    struct spy__heap_losses losses;
    struct spy__heap_block block;
    const uintptr_t elsewhere[] = { 400 };
    (void)state;
    spy__heap_allocated(&heap, address_of(0), 1000, here, 2);
    spy__heap_allocated(&heap, address_of(1), 1000, there, 1);
    spy__heap_allocated(&heap, address_of(2), 1000, elsewhere, 1);
    spy__heap_allocated(&heap, address_of(3), 1000, here, 2);
    spy__heap_allocated(&heap, address_of(4), 1000, here, 2); // the fifth of four
    spy__heap_losses(&heap, &losses);
    assert_int_equal(losses.stacks, 1);
    assert_int_equal(losses.untracked, 1);
    const double objects = spy__heap_weight(1000, MEAN);
    assert_true(read_sum(0).inuse_objects == objects);
    assert_true(read_sum(1).alloc_objects == 3 * objects);
    assert_true(read_sum(1).inuse_objects == 2 * objects);
    assert_false(spy__heap_freed(&heap, address_of(4), &block));
    assert_true(spy__heap_freed(&heap, address_of(2), &block));
    spy__heap_allocated(&heap, address_of(5), 1000, there, 1);
    spy__heap_losses(&heap, &losses);
    assert_int_equal(losses.untracked, 1);
}

static void test_who_forks_may_allocate_meanwhile(void **state)
{
    struct spy__heap_block block;
    (void)state;
    spy__heap_hold(&heap);
    assert_int_equal(pthread_mutex_trylock(&heap.mu), EBUSY);
    spy__heap_allocated(&heap, address_of(1), 1000, here, 2);
    assert_true(spy__heap_freed(&heap, address_of(1), &block));
    spy__heap_release(&heap);
    assert_int_equal(pthread_mutex_trylock(&heap.mu), 0);
    pthread_mutex_unlock(&heap.mu);
}

static void test_without_memory_it_does_not_open(void **state)
{
    static struct spy__heap none = { .mu = PTHREAD_MUTEX_INITIALIZER };
    (void)state;
    no_memory = true;
    assert_int_equal(
        spy__heap_open(&none, &(struct spy__heap_options){ .mean_bytes = MEAN, .slots = 8 }),
        -ENOMEM);
    no_memory = false;
    assert_int_equal(none.mean_bytes, 0);
    assert_int_equal(spy__heap_count(&none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intervals_are_exponential),
        cmocka_unit_test(test_weights_undo_the_sampling),
        cmocka_unit_test(test_sums_of_samples_are_without_bias),
        cmocka_unit_test(test_a_stack_keeps_its_index),
        cmocka_unit_test(test_stacks_without_room_have_the_first_sum),
        cmocka_unit_test(test_addresses_are_found_as_long_as_they_are_in),
        cmocka_unit_test(test_a_full_table_refuses),
        cmocka_unit_test(test_a_filter_that_was_full_says_maybe_for_ever),
        cmocka_unit_test_setup_teardown(test_what_is_freed_is_not_in_use, open_heap, close_heap),
        cmocka_unit_test_setup_teardown(test_nothing_in_use_is_exactly_nothing, open_heap,
                                        close_heap),
        cmocka_unit_test_setup_teardown(test_an_unseen_free_is_made_up_for, open_heap, close_heap),
        cmocka_unit_test_setup_teardown(test_full_tables_are_counted, open_heap, close_heap),
        cmocka_unit_test_setup_teardown(test_who_forks_may_allocate_meanwhile, open_heap,
                                        close_heap),
        cmocka_unit_test(test_without_memory_it_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
