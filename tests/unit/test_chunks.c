// Chunks of a trace's spans: what is kept for the next trace, and how much of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "record/recent/chunks.h"

static struct spy__chunks chunks;

static int tear_down(void **state)
{
    (void)state;
    alloc_fail_never();
    spy__chunks_done(&chunks);
    return 0;
}

// A chunk that is as new, and all of whose room can be written.
static struct spy__trace_chunk *take(size_t bytes)
{
    struct spy__trace_chunk *chunk = spy__chunk_take(&chunks, bytes);
    assert_non_null(chunk);
    assert_null(chunk->older);
    assert_int_equal(chunk->used, 0);
    assert_int_equal(chunk->bytes, bytes);
    memset(chunk->spans, 0xa5, bytes);
    chunk->used = bytes;
    return chunk;
}

static void test_a_size_comes_back_without_an_allocation(void **state)
{
    (void)state;
    for (size_t bytes = SPY__CHUNK_BYTES_MIN; bytes <= SPY__CHUNK_BYTES_MAX; bytes *= 2) {
        spy__chunk_give(&chunks, take(bytes));
    }
    alloc_fail_after(0);
    for (size_t bytes = SPY__CHUNK_BYTES_MIN; bytes <= SPY__CHUNK_BYTES_MAX; bytes *= 2) {
        struct spy__trace_chunk *chunk = take(bytes);
        assert_null(spy__chunk_take(&chunks, bytes)); // there was one of each
        spy__chunk_give(&chunks, chunk);
    }
}

static void test_another_size_is_not_kept(void **state)
{
    (void)state;
    const size_t others[] = { 1, SPY__CHUNK_BYTES_MIN - 8, SPY__CHUNK_BYTES_MIN + 8,
                              3 * SPY__CHUNK_BYTES_MIN, 2 * (size_t)SPY__CHUNK_BYTES_MAX };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        spy__chunk_give(&chunks, take(others[i]));
        alloc_fail_after(0);
        assert_null(spy__chunk_take(&chunks, others[i]));
        alloc_fail_never();
    }
    for (unsigned size = 0; size < SPY__CHUNK_SIZES; size++) {
        assert_null(chunks.spare[size]);
    }
}

static void test_no_more_are_kept_than_said(void **state)
{
    (void)state;
    enum { MANY = SPY__CHUNKS_SPARE + 3 };
    struct spy__trace_chunk *taken[MANY];
    for (int i = 0; i < MANY; i++) {
        taken[i] = take(SPY__CHUNK_BYTES_MIN);
    }
    for (int i = 0; i < MANY; i++) {
        spy__chunk_give(&chunks, taken[i]); // those past it are freed: a leak is told by ASan
    }
    assert_int_equal(chunks.count[0], SPY__CHUNKS_SPARE);
    alloc_fail_after(0);
    for (unsigned i = 0; i < SPY__CHUNKS_SPARE; i++) {
        taken[i] = take(SPY__CHUNK_BYTES_MIN);
    }
    assert_null(spy__chunk_take(&chunks, SPY__CHUNK_BYTES_MIN));
    assert_int_equal(chunks.count[0], 0);
    for (unsigned i = 0; i < SPY__CHUNKS_SPARE; i++) {
        spy__chunk_give(&chunks, taken[i]);
    }
}

static void test_without_memory_there_is_none(void **state)
{
    (void)state;
    alloc_fail_after(0);
    assert_null(spy__chunk_take(&chunks, SPY__CHUNK_BYTES_MIN));
    assert_null(spy__chunk_take(&chunks, 12345));
    alloc_fail_never();
    spy__chunk_give(&chunks, take(SPY__CHUNK_BYTES_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_size_comes_back_without_an_allocation, tear_down),
        cmocka_unit_test_teardown(test_another_size_is_not_kept, tear_down),
        cmocka_unit_test_teardown(test_no_more_are_kept_than_said, tear_down),
        cmocka_unit_test_teardown(test_without_memory_there_is_none, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
