// What is free is a stack: the connection used last is taken first, its pages and statements are
// the warmest.

#include "memegen/store/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pool {
    pthread_mutex_t mu;
    pthread_cond_t given;
    void (*changed)(size_t size, size_t available); // const after open, as the size
    size_t size;
    size_t available; // guarded by mu, as the stack
    void *free[];
};

static int init_sync(struct pool *pool)
{
    pthread_condattr_t monotonic; // a clock that is set must not end a wait
    int rc;
    if (pthread_condattr_init(&monotonic) != 0) {
        return -ENOMEM;
    }
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    rc = pthread_cond_init(&pool->given, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (rc != 0) {
        return -ENOMEM;
    }
    if (pthread_mutex_init(&pool->mu, NULL) != 0) {
        (void)pthread_cond_destroy(&pool->given);
        return -ENOMEM;
    }
    return 0;
}

static void tell(const struct pool *pool)
{
    if (pool->changed) {
        pool->changed(pool->size, pool->available);
    }
}

int pool_open(struct pool **ret, void *const things[], size_t count,
              void (*changed)(size_t size, size_t available))
{
    struct pool *pool = calloc(1, sizeof(*pool) + count * sizeof(pool->free[0]));
    if (!pool) {
        return -ENOMEM;
    }
    if (init_sync(pool) != 0) {
        free(pool);
        return -ENOMEM;
    }
    memcpy(pool->free, things, count * sizeof(pool->free[0]));
    pool->size = pool->available = count;
    pool->changed = changed;
    tell(pool);
    *ret = pool;
    return 0;
}

void pool_close(struct pool *pool)
{
    if (pool) {
        pool->size = pool->available = 0;
        tell(pool);
        (void)pthread_cond_destroy(&pool->given);
        (void)pthread_mutex_destroy(&pool->mu);
        free(pool);
    }
}

static struct timespec deadline_after(unsigned timeout_ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

int pool_take(struct pool *pool, unsigned timeout_ms, void **ret)
{
    const struct timespec deadline = deadline_after(timeout_ms);
    int rc = 0;
    (void)pthread_mutex_lock(&pool->mu);
    while (pool->available == 0 && rc == 0) {
        rc = pthread_cond_timedwait(&pool->given, &pool->mu, &deadline);
    }
    if (pool->available > 0) { // even where the time is over: it is here
        *ret = pool->free[--pool->available];
        tell(pool);
        rc = 0;
    }
    (void)pthread_mutex_unlock(&pool->mu);
    return rc == 0 ? 0 : -EBUSY;
}

void pool_give(struct pool *pool, void *thing)
{
    (void)pthread_mutex_lock(&pool->mu);
    pool->free[pool->available++] = thing;
    tell(pool);
    (void)pthread_cond_signal(&pool->given);
    (void)pthread_mutex_unlock(&pool->mu);
}
