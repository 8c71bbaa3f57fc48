// The pool of connections and its gauges.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "alloc_fail.h"
#include "scrape.h"
#include "memegen/store/pool.h"
#include "memegen/telemetry.h"

#define SIZE 8
#define CALLERS 16

static int things[SIZE];
static struct pool *pool;
static sem_t taken, may_go;

static struct pool *open_pool(size_t size)
{
    void *connections[SIZE];
    struct pool *p;
    for (size_t i = 0; i < size; i++) {
        connections[i] = &things[i];
    }
    assert_int_equal(pool_open(&p, connections, size, telemetry_pool), 0);
    return p;
}

static void assert_gauges(double size, double available)
{
    assert_true(scrape_value("db_pool_size") == size);
    assert_true(scrape_value("db_pool_available_connections") == available);
}

static void test_takes_and_gives(void **state)
{
    struct pool *p = open_pool(2);
    void *a, *b, *c = NULL;
    (void)state;
    assert_gauges(2, 2);
    assert_int_equal(pool_take(p, 0, &a), 0);
    assert_gauges(2, 1);
    assert_int_equal(pool_take(p, 0, &b), 0);
    assert_ptr_not_equal(a, b);
    assert_gauges(2, 0);
    assert_int_equal(pool_take(p, 1, &c), -EBUSY);
    assert_null(c);
    pool_give(p, a);
    assert_gauges(2, 1);
    assert_int_equal(pool_take(p, 1999, &c), 0); // the one used last
    assert_ptr_equal(c, a);
    pool_give(p, b);
    pool_give(p, c);
    assert_gauges(2, 2);
    pool_close(p);
    assert_gauges(0, 0);
    pool_close(NULL);
}

static void *call(void *arg)
{
    void *connection;
    if (pool_take(pool, 60000, &connection) != 0) {
        return arg;
    }
    ++*(int *)connection; // one thread at a time, or ThreadSanitizer says so
    (void)sem_post(&taken);
    while (sem_wait(&may_go) != 0) {
    }
    pool_give(pool, connection);
    return NULL;
}

// Under 16 callers a scrape sees no free connection, and all of them afterwards.
static void test_gauges_under_callers(void **state)
{
    pthread_t threads[CALLERS];
    int uses = 0;
    (void)state;
    pool = open_pool(SIZE);
    (void)sem_init(&taken, 0, 0);
    (void)sem_init(&may_go, 0, 0);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call, &pool), 0);
    }
    for (int i = 0; i < SIZE; i++) {
        while (sem_wait(&taken) != 0) {
        }
    }
    assert_gauges(SIZE, 0);
    for (int i = 0; i < CALLERS; i++) {
        (void)sem_post(&may_go);
    }
    for (int i = 0; i < CALLERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_gauges(SIZE, SIZE);
    for (int i = 0; i < SIZE; i++) {
        uses += things[i];
    }
    assert_int_equal(uses, CALLERS);
    pool_close(pool);
}

static void test_no_memory(void **state)
{
    void *connections[1] = { things };
    struct pool *p = NULL;
    (void)state;
    alloc_fail_after(0);
    int rc = pool_open(&p, connections, 1, NULL);
    alloc_fail_never();
    assert_int_equal(rc, -ENOMEM);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_and_gives),
        cmocka_unit_test(test_gauges_under_callers),
        cmocka_unit_test(test_no_memory),
    };
    if (telemetry_register(NULL) != 0) {
        return 1;
    }
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
