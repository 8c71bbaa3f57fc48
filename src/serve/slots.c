#include "serve/slots.h"

#include <time.h>

#include "base/clock.h"

#define NS_PER_S UINT64_C(1000000000)

void spy__slots_init(struct spy__slots *slots, unsigned count)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&slots->freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&slots->mu, NULL);
    slots->free = count;
    slots->closed = false;
}

void spy__slots_done(struct spy__slots *slots)
{
    pthread_cond_destroy(&slots->freed);
    pthread_mutex_destroy(&slots->mu);
}

bool spy__slots_take(struct spy__slots *slots, uint64_t timeout_ns)
{
    uint64_t end_ns = spy__monotonic_ns() + timeout_ns;
    struct timespec end = { (time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S) };
    int rc = 0;
    pthread_mutex_lock(&slots->mu);
    while (slots->free == 0 && !slots->closed && rc == 0) {
        rc = pthread_cond_timedwait(&slots->freed, &slots->mu, &end);
    }
    bool taken = slots->free > 0 && !slots->closed;
    if (taken) {
        slots->free--;
    }
    pthread_mutex_unlock(&slots->mu);
    return taken;
}

void spy__slots_give(struct spy__slots *slots)
{
    pthread_mutex_lock(&slots->mu);
    slots->free++;
    pthread_cond_signal(&slots->freed);
    pthread_mutex_unlock(&slots->mu);
}

void spy__slots_close(struct spy__slots *slots)
{
    pthread_mutex_lock(&slots->mu);
    slots->closed = true;
    pthread_cond_broadcast(&slots->freed);
    pthread_mutex_unlock(&slots->mu);
}
