// libspyglass-malloc, linked before the C library, with SPY_HEAP_SAMPLE_BYTES=1: an allocation of 64
// bytes escapes the sampling once in e^64, so that sums are exact.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile/heap.h"

#define BYTES 64u
#define COUNT 50u

static const struct spy__heap_source *source;
static volatile size_t huge = PTRDIFF_MAX, half = SIZE_MAX / 2;

static int find_source(void **state)
{
    (void)state;
    source = spy__heap_source();
    return source && source->mean_bytes() == 1 ? 0 : -1;
}

// Bytes in use, of all stacks. Allocates nothing.
static double in_use(void)
{
    struct spy__heap_sum sum;
    double bytes = 0;
    for (uint32_t i = 0; i < source->count(); i++) {
        source->read(&sum, i);
        bytes += sum.inuse_bytes;
    }
    return bytes;
}

// ---- what allocates

struct way {
    const char *name;
    void *(*allocate)(uintptr_t *ret_caller); // BYTES; to where it returned itself
};

#define WAY(name, call)                                                                            \
    __attribute__((noinline)) static void *by_##name(uintptr_t *ret_caller)                        \
    {                                                                                              \
        void *block = call;                                                                        \
        *ret_caller = (uintptr_t)__builtin_return_address(0);                                      \
        return block;                                                                              \
    }

static void *aligned_by_posix(void)
{
    void *block = NULL;
    return posix_memalign(&block, BYTES, BYTES) == 0 ? block : NULL;
}

WAY(malloc, malloc(BYTES))
WAY(calloc, calloc(4, BYTES / 4))
WAY(realloc, realloc(NULL, BYTES))
WAY(reallocarray, reallocarray(NULL, 4, BYTES / 4))
WAY(aligned_alloc, aligned_alloc(BYTES, BYTES))
WAY(memalign, memalign(BYTES, BYTES))
WAY(valloc, valloc(BYTES))
WAY(pvalloc, pvalloc(BYTES))
WAY(posix_memalign, aligned_by_posix())
WAY(strdup, strdup("This text has sixty-three bytes and a NUL, which makes it BYTES"))
_Static_assert(sizeof("This text has sixty-three bytes and a NUL, which makes it BYTES") == BYTES,
               "");

static const struct way ways[] = {
    { "malloc", by_malloc },
    { "calloc", by_calloc },
    { "realloc", by_realloc },
    { "reallocarray", by_reallocarray },
    { "aligned_alloc", by_aligned_alloc },
    { "memalign", by_memalign },
    { "valloc", by_valloc },
    { "pvalloc", by_pvalloc },
    { "posix_memalign", by_posix_memalign },
    { "strdup", by_strdup },
};

// Bytes in use of the stacks that go on at this return address, behind one frame or two.
static double in_use_by(uintptr_t caller)
{
    struct spy__heap_sum sum;
    double bytes = 0;
    for (uint32_t i = 0; i < source->count(); i++) {
        source->read(&sum, i);
        bool found = (sum.frames > 1 && sum.stack[1] == caller) ||
                     (sum.frames > 2 && sum.stack[2] == caller);
        bytes += found ? sum.inuse_bytes : 0;
    }
    return bytes;
}

static void test_every_way_to_allocate_is_seen(void **state)
{
    void *blocks[COUNT];
    (void)state;
    for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
        uintptr_t caller = 0;
        const double before = in_use();
        for (unsigned i = 0; i < COUNT; i++) {
            blocks[i] = ways[w].allocate(&caller);
            memset(blocks[i], 7, BYTES);
        }
        const double after = in_use(), there = in_use_by(caller);
        for (unsigned i = 0; i < COUNT; i++) {
            free(blocks[i]);
        }
        const double end = in_use(), end_there = in_use_by(caller);
        if (after - before != COUNT * (double)BYTES || there != after - before || end != before ||
            end_there != 0) {
            fail_msg("%s: %f, %f there, %f at the end", ways[w].name, after - before, there,
                     end - before);
        }
    }
}

static void test_another_size_is_another_allocation(void **state)
{
    (void)state;
    const double before = in_use();
    char *block = malloc(BYTES);
    block[BYTES - 1] = 'x';
    block = realloc(block, 100 * BYTES);
    const double grown = in_use();
    assert_int_equal(block[BYTES - 1], 'x');
    block = reallocarray(block, 2, BYTES / 2);
    const double shrunk = in_use();
    assert_true(grown - before == 100 * BYTES);
    assert_true(shrunk - before == BYTES);
    // It stays where there is no memory, or no such size.
    assert_null(realloc(block, huge));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(reallocarray(block, half, 4));
    assert_int_equal(errno, ENOMEM);
    const double kept = in_use();
    assert_true(kept == shrunk);
    assert_null(realloc(block, 0)); // as glibc has it
    const double after = in_use();
    assert_true(after == before);
}

static void test_what_fails_is_not_counted(void **state)
{
    (void)state;
    const double before = in_use();
    errno = 0;
    assert_null(malloc(huge));
    assert_int_equal(errno, ENOMEM);
    assert_null(calloc(half, 4));
    assert_null(calloc(huge, 1));
    assert_null(memalign(BYTES, huge));
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, 3, BYTES), EINVAL);
    assert_null(block);
    const double after = in_use();
    assert_true(after == before);
}

static void test_errno_is_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        errno = EDOM;
        void *block = malloc(BYTES);
        assert_int_equal(errno, EDOM);
        block = realloc(block, 3 * BYTES);
        assert_int_equal(errno, EDOM);
        free(block);
        assert_int_equal(errno, EDOM);
    }
    free(NULL);
}

static void test_the_rest_of_the_allocator_goes_on(void **state)
{
    (void)state;
    void *block = malloc(BYTES);
    assert_true(malloc_usable_size(block) >= BYTES);
    free(block);
    void *none = malloc(0);
    assert_non_null(none); // as glibc has it
    free(none);
}

// ---- threads, forks

static pthread_key_t key;

static void allocate_last(void *block)
{
    free(block);
    free(malloc(BYTES)); // after the thread's function has returned
}

static void *allocate_first(void *arg)
{
    free(arg);
    pthread_setspecific(key, malloc(BYTES));
    return malloc(BYTES);
}

static void test_threads_free_for_each_other(void **state)
{
    (void)state;
    assert_int_equal(pthread_key_create(&key, allocate_last), 0);
    pthread_t thread;
    void *block = NULL;
    // What a thread itself takes stays with the C library, for the next one.
    assert_int_equal(pthread_create(&thread, NULL, allocate_first, malloc(BYTES)), 0);
    assert_int_equal(pthread_join(thread, &block), 0);
    free(block);
    const double before = in_use();
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(pthread_create(&thread, NULL, allocate_first, malloc(BYTES)), 0);
        assert_int_equal(pthread_join(thread, &block), 0);
        free(block);
    }
    const double after = in_use();
    assert_true(after == before);
    pthread_key_delete(key);
}

static atomic_bool over;

static void *hammer(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        free(realloc(malloc(BYTES), 2 * BYTES));
    }
    return NULL;
}

static void test_a_child_of_a_busy_process_goes_on(void **state)
{
    pthread_t threads[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    }
    void *inherited = malloc(BYTES);
    for (unsigned i = 0; i < COUNT; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const double before = in_use();
            void *block = malloc(BYTES);
            free(inherited);
            const bool ok = in_use() == before;
            free(block);
            _exit(ok ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    free(inherited);
}

static void test_the_profile_has_what_is_in_use(void **state)
{
    (void)state;
    uintptr_t caller;
    void *block = by_malloc(&caller);
    struct spy__profile *profile;
    assert_int_equal(spy__profile_heap(&profile, source), 0);
    assert_int_equal(profile->kind, SPY__PROFILE_HEAP);
    assert_int_equal(profile->period_bytes, 1);
    assert_string_equal(profile->note, "");
    bool found = false;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct spy__profile_sample *sample = &profile->samples[i];
        if (sample->stack == SPY__PROFILE_NONE) {
            continue;
        }
        const struct spy__profile_stack *stack = &profile->stacks[sample->stack];
        const uint32_t second = stack->count > 1 ? profile->entries[stack->first + 1] : 0;
        if (profile->locations[second].address == caller - 1 && sample->weight_ns == BYTES) {
            found = true;
            assert_int_equal(profile->heap[i].inuse_objects, 1);
            assert_int_equal(profile->heap[i].inuse_bytes, BYTES);
            assert_true(profile->heap[i].alloc_objects >= 1);
        }
    }
    assert_true(found);
    spy__profile_free(profile);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_to_allocate_is_seen),
        cmocka_unit_test(test_another_size_is_another_allocation),
        cmocka_unit_test(test_what_fails_is_not_counted),
        cmocka_unit_test(test_errno_is_kept),
        cmocka_unit_test(test_the_rest_of_the_allocator_goes_on),
        cmocka_unit_test(test_threads_free_for_each_other),
        cmocka_unit_test(test_a_child_of_a_busy_process_goes_on),
        cmocka_unit_test(test_the_profile_has_what_is_in_use),
    };
    return cmocka_run_group_tests(tests, find_source, NULL);
}
