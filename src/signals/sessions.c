#include "signals/sessions.h"

#include <pthread.h>
#include <stddef.h>

static struct spy__sessions own;
static struct spy__sessions *into = &own; // atomic

static void become_child(void)
{
    into = &own; // the other is the parent's
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, become_child);
}

void spy__sessions_into(struct spy__sessions *counts)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    __atomic_store_n(&into, counts ? counts : &own, __ATOMIC_RELEASE);
}

void spy__sessions_count(bool errored)
{
    struct spy__sessions *counts = __atomic_load_n(&into, __ATOMIC_ACQUIRE);
    __atomic_fetch_add(errored ? &counts->errored : &counts->exited, 1, __ATOMIC_RELAXED);
}
