// Cells: threads that come and go, fork(), and no memory for a block.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics/cells.h"
#include "metrics/dropped.h"
#include "spyglass/metrics.h"
#include "tsan.h"

#define THREADS 12800
#define THREADS_AT_ONCE 8
#define THREADS_STAYING 40 // more than ever were at once

static bool no_memory; // mmap() fails; set while one thread runs

// The name that mmap() has where off_t has 64 bits.
void *__real_mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    if (no_memory) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap64(addr, length, prot, flags, fd, offset);
}

static struct spy_counter counter;
static struct spy_histogram histogram;

static int set_up(void **state)
{
    (void)state;
    return spy_counter_register(&counter, &(struct spy_metric){ .name = "cells_total" }) ||
           spy_histogram_register(&histogram, &(struct spy_metric){ .name = "cells_seconds" });
}

// Runs work in a thread of its own, to its end.
static void in_thread(void *(*work)(void *arg), void *arg)
{
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, work, arg), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
}

static void *count_a_few(void *arg)
{
    for (int i = 0; i < 3; i++) {
        spy_counter_inc(counter);
        spy_counter_add_double(counter, .5);
    }
    spy_histogram_observe(histogram, .5);
    return arg;
}

static void short_threads_count_exactly(void **state)
{
    (void)state;
    pthread_t ids[THREADS_AT_ONCE];
    double before = spy_counter_value(counter);
    uint64_t observed = spy_histogram_count(histogram);
    for (int i = 0; i < THREADS / THREADS_AT_ONCE; i++) {
        for (int j = 0; j < THREADS_AT_ONCE; j++) {
            assert_int_equal(pthread_create(&ids[j], NULL, count_a_few, NULL), 0);
        }
        for (int j = 0; j < THREADS_AT_ONCE; j++) {
            assert_int_equal(pthread_join(ids[j], NULL), 0);
        }
    }
    assert_true(spy_counter_value(counter) == before + THREADS * 4.5);
    assert_int_equal(spy_histogram_count(histogram), observed + THREADS);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY), 0);
}

static void *table_of_thread(void *arg)
{
    spy_counter_inc(counter);
    *(uint64_t ***)arg = spy__blocks;
    return NULL;
}

static void a_table_goes_to_the_next_thread(void **state)
{
    (void)state;
    uint64_t **first, **second;
    in_thread(table_of_thread, &first);
    in_thread(table_of_thread, &second);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, spy__blocks);
}

// A destructor that runs after the library's may still count.
static pthread_key_t late_key;

static void count_late(void *arg)
{
    spy_counter_inc(counter);
    if (arg == (void *)1) { // and again in the next round
        pthread_setspecific(late_key, (void *)2);
    }
}

static void *end_late(void *arg)
{
    (void)arg;
    pthread_setspecific(late_key, (void *)1);
    spy_counter_inc(counter);
    return NULL;
}

static void counts_in_destructors(void **state)
{
    (void)state;
    double before = spy_counter_value(counter);
    assert_int_equal(pthread_key_create(&late_key, count_late), 0);
    in_thread(end_late, NULL);
    in_thread(end_late, NULL);
    pthread_key_delete(late_key);
    assert_true(spy_counter_value(counter) == before + 6);
}

static int status_of(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static pthread_barrier_t meet;

static void *stay(void *arg)
{
    spy_counter_inc(counter);
    pthread_barrier_wait(&meet); // has counted
    pthread_barrier_wait(&meet); // the fork is over
    return arg;
}

// In a child the counts of all threads are there, and the tables of those that are not go to its
// own.
static void a_child_counts_on(void **state)
{
    (void)state;
    if (UNDER_TSAN) {
        return; // cmocka 1.1.5 calls a skipped test "not ok"
    }
    pthread_t id;
    pthread_barrier_init(&meet, NULL, 2);
    assert_int_equal(pthread_create(&id, NULL, stay, NULL), 0);
    pthread_barrier_wait(&meet);
    double before = spy_counter_value(counter);
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t **other;
        pthread_t child_id;
        spy_counter_inc(counter);
        uint64_t **table = spy__blocks;
        bool good = pthread_create(&child_id, NULL, table_of_thread, &other) == 0 &&
                    pthread_join(child_id, NULL) == 0 && spy_counter_value(counter) == before + 2 &&
                    spy__blocks == table && other != table;
        _exit(good ? 0 : 1);
    }
    pthread_barrier_wait(&meet);
    assert_int_equal(pthread_join(id, NULL), 0);
    pthread_barrier_destroy(&meet);
    assert_int_equal(status_of(pid), 0);
    assert_true(spy_counter_value(counter) == before);
}

// In a thread that has not counted: forks, and the child counts in a table that was another
// thread's.
static void *fork_and_take_a_table(void *arg)
{
    pid_t *ret = arg;
    *ret = fork();
    if (*ret == 0) {
        spy_counter_inc(counter);
        const struct spy__thread_table *table = spy__thread_table();
        bool clean = table != NULL;
        for (size_t i = 0; clean && i < SPY__LOOKUP_SETS; i++) {
            clean = !table->lookups[i][0].family && !table->lookups[i][1].family;
        }
        _exit(clean ? 0 : 1);
    }
    return NULL;
}

// A fork may come while another thread writes down a look-up: half of one must not be found.
static void a_child_forgets_the_look_ups_of_others(void **state)
{
    (void)state;
    pid_t pid = 0;
    struct spy_counter family;
    assert_int_equal(
        spy_counter_register(
            &family, &(struct spy_metric){ .name = "looked_up_total", .labels = SPY_LABELS("a") }),
        0);
    spy_counter_inc(counter); // this thread's table is the oldest, so the one that the child takes
    spy_counter_inc(spy_counter_with(family, "x"));
    in_thread(fork_and_take_a_table, &pid);
    assert_int_equal(status_of(pid), 0);
}

static uint64_t lost(void)
{
    return spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY);
}

static void no_memory_for_a_block(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        // What is left of a slab is used up first, by cells that are nobody's.
        struct spy_counter far = counter;
        spy_counter_inc(counter);
        double before = spy_counter_value(counter);
        no_memory = true;
        while (lost() == 0 && far.cell < 1000 * SPY__BLOCK_CELLS) {
            far.cell += SPY__BLOCK_CELLS;
            spy_counter_inc(far);
        }
        spy_counter_inc(far);
        spy_counter_inc(counter); // its block is there
        no_memory = false;
        _exit(lost() == 2 && spy__cells_sum(far.cell) == 0 &&
                      spy_counter_value(counter) == before + 1
                  ? 0
                  : 1);
    }
    assert_int_equal(status_of(pid), 0);
}

static void no_memory_for_a_table(void **state)
{
    (void)state;
    if (UNDER_TSAN) {
        return; // cmocka 1.1.5 calls a skipped test "not ok"
    }
    pid_t pid = fork();
    if (pid == 0) {
        // Threads that hold all tables there are, and one more.
        pthread_t ids[THREADS_STAYING], last;
        pthread_barrier_init(&meet, NULL, THREADS_STAYING + 1);
        for (int i = 0; i < THREADS_STAYING; i++) {
            if (pthread_create(&ids[i], NULL, stay, NULL) != 0) {
                _exit(2);
            }
        }
        pthread_barrier_wait(&meet);
        double value = spy_counter_value(counter);
        // The thread's own stack comes from libc's mmap(), which does not pass here.
        no_memory = true;
        bool ran =
            pthread_create(&last, NULL, count_a_few, NULL) == 0 && pthread_join(last, NULL) == 0;
        no_memory = false;
        // Three whole counts, three fractions, one observation.
        _exit(ran && lost() == 7 && spy_counter_value(counter) == value ? 0 : 1);
    }
    assert_int_equal(status_of(pid), 0);
}

static void runs_lie_in_one_block(void **state)
{
    (void)state;
    uint32_t end = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t n = 2 + (uint32_t)i * 7 % 42;
        uint32_t first = spy__cells_take(n);
        assert_true(first >= end && first > 1);
        assert_int_equal(first / SPY__BLOCK_CELLS, (first + n - 1) / SPY__BLOCK_CELLS);
        end = first + n;
    }
}

// Last: it uses up what all others would need.
static void cells_come_to_an_end(void **state)
{
    (void)state;
    struct spy_counter c = { 0 };
    uint32_t taken = 0;
    while (spy__cells_take(SPY__BLOCK_CELLS)) {
        taken++;
    }
    assert_in_range(taken, SPY__BLOCKS_MAX - 100, SPY__BLOCKS_MAX);
    while (spy__cells_take(2)) {
    }
    assert_int_equal(spy_counter_register(&c, &(struct spy_metric){ .name = "too_many_total" }),
                     -ENOMEM);
    assert_null(c.family);
    spy_counter_inc(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_threads_count_exactly),
        cmocka_unit_test(a_table_goes_to_the_next_thread),
        cmocka_unit_test(counts_in_destructors),
        cmocka_unit_test(a_child_counts_on),
        cmocka_unit_test(a_child_forgets_the_look_ups_of_others),
        cmocka_unit_test(no_memory_for_a_block),
        cmocka_unit_test(no_memory_for_a_table),
        cmocka_unit_test(runs_lie_in_one_block),
        cmocka_unit_test(cells_come_to_an_end),
    };
    return cmocka_run_group_tests_name("cells", tests, set_up, NULL);
}
