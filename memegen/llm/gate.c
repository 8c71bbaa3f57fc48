#include "memegen/llm/gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct gate {
    pthread_mutex_t mu; // guards all below
    pthread_cond_t changed;
    size_t free_places;
    bool shut;
};

struct gate *gate_new(size_t places)
{
    struct gate *gate = calloc(1, sizeof(*gate));
    pthread_condattr_t attr;
    if (!gate) {
        return NULL;
    }
    pthread_mutex_init(&gate->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&gate->changed, &attr);
    pthread_condattr_destroy(&attr);
    gate->free_places = places;
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate) {
        pthread_cond_destroy(&gate->changed);
        pthread_mutex_destroy(&gate->mu);
        free(gate);
    }
}

// One wait for a change; mu is held. False once the time is over.
static bool wait_until(struct gate *gate, int64_t until_ms)
{
    const struct timespec until = { .tv_sec = until_ms / 1000,
                                    .tv_nsec = (until_ms % 1000) * 1000000 };
    return pthread_cond_timedwait(&gate->changed, &gate->mu, &until) != ETIMEDOUT;
}

int gate_enter(struct gate *gate, int64_t until_ms)
{
    bool in_time = true;
    int r = 0;
    pthread_mutex_lock(&gate->mu);
    while (!gate->shut && gate->free_places == 0 && in_time) {
        in_time = wait_until(gate, until_ms);
    }
    if (gate->shut) {
        r = -ECANCELED;
    } else if (gate->free_places == 0) {
        r = -ETIMEDOUT;
    } else {
        gate->free_places--;
    }
    pthread_mutex_unlock(&gate->mu);
    return r;
}

void gate_leave(struct gate *gate)
{
    pthread_mutex_lock(&gate->mu);
    gate->free_places++;
    // All: those that wait for the end of a time share the condition with those that want a place.
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mu);
}

int gate_wait(struct gate *gate, int64_t until_ms)
{
    bool in_time = true;
    pthread_mutex_lock(&gate->mu);
    while (!gate->shut && in_time) {
        in_time = wait_until(gate, until_ms);
    }
    int r = gate->shut ? -ECANCELED : 0;
    pthread_mutex_unlock(&gate->mu);
    return r;
}

void gate_shut(struct gate *gate)
{
    pthread_mutex_lock(&gate->mu);
    gate->shut = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mu);
}

int64_t gate_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
