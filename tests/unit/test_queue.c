// The queue between accepting and making.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>

#include "alloc_fail.h"
#include "memegen/queue.h"

static int jobs[8];

static void first_in_is_first_out(void **state)
{
    struct queue *queue;

    (void)state;
    assert_int_equal(queue_new(&queue, 3), 0);
    for (int round = 0; round < 5; round++) { // the ring goes round
        for (int i = 0; i < 3; i++) {
            assert_int_equal(queue_reserve(queue), 0);
            queue_push(queue, &jobs[i]);
        }
        assert_int_equal(queue_depth(queue), 3);
        assert_int_equal(queue_reserve(queue), -EAGAIN);
        for (int i = 0; i < 3; i++) {
            assert_ptr_equal(queue_pop(queue), &jobs[i]);
        }
    }
    queue_free(queue);
}

static void a_reserved_place_counts(void **state)
{
    struct queue *queue;

    (void)state;
    assert_int_equal(queue_new(&queue, 1), 0);
    assert_int_equal(queue_reserve(queue), 0);
    assert_int_equal(queue_depth(queue), 0);
    assert_int_equal(queue_reserve(queue), -EAGAIN);
    queue_cancel(queue);
    assert_int_equal(queue_reserve(queue), 0);
    queue_push(queue, &jobs[0]);
    assert_ptr_equal(queue_pop(queue), &jobs[0]);
    queue_free(queue);
}

static void a_closed_queue_is_emptied(void **state)
{
    struct queue *queue;

    (void)state;
    assert_int_equal(queue_new(&queue, 4), 0);
    assert_int_equal(queue_reserve(queue), 0);
    assert_int_equal(queue_reserve(queue), 0);
    assert_int_equal(queue_reserve(queue), 0);
    queue_push(queue, &jobs[0]);
    queue_close(queue);
    assert_int_equal(queue_reserve(queue), -ESHUTDOWN);
    queue_push(queue, &jobs[1]); // reserved before: it is kept
    queue_cancel(queue);
    assert_ptr_equal(queue_pop(queue), &jobs[0]);
    assert_ptr_equal(queue_pop(queue), &jobs[1]);
    assert_null(queue_pop(queue));
    assert_null(queue_pop(queue));
    queue_free(queue);
}

static void *pop(void *queue)
{
    return queue_pop(queue);
}

static void those_who_wait_are_woken(void **state)
{
    struct queue *queue;
    pthread_t first, second;
    void *got[2];

    (void)state;
    assert_int_equal(queue_new(&queue, 2), 0);
    assert_int_equal(pthread_create(&first, NULL, pop, queue), 0);
    assert_int_equal(queue_reserve(queue), 0);
    queue_push(queue, &jobs[0]);
    pthread_join(first, &got[0]);
    assert_ptr_equal(got[0], &jobs[0]);

    assert_int_equal(queue_reserve(queue), 0);
    assert_int_equal(pthread_create(&first, NULL, pop, queue), 0);
    assert_int_equal(pthread_create(&second, NULL, pop, queue), 0);
    queue_close(queue);
    queue_push(queue, &jobs[1]);
    pthread_join(first, &got[0]);
    pthread_join(second, &got[1]);
    assert_true((got[0] == &jobs[1] && !got[1]) || (got[1] == &jobs[1] && !got[0]));
    queue_free(queue);
}

static void limits_are_kept(void **state)
{
    struct queue *queue = NULL;

    (void)state;
    assert_int_equal(queue_new(&queue, 0), -EINVAL);
    assert_int_equal(queue_new(&queue, QUEUE_CAPACITY_MAX + 1), -EINVAL);
    alloc_fail_after(0);
    assert_int_equal(queue_new(&queue, 1), -ENOMEM);
    alloc_fail_never();
    assert_null(queue);
    queue_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),     cmocka_unit_test(a_reserved_place_counts),
        cmocka_unit_test(a_closed_queue_is_emptied), cmocka_unit_test(those_who_wait_are_woken),
        cmocka_unit_test(limits_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
