// Threads for the verifiers: see verifiers.h.
//
// A waiting task lies on its caller's stack, linked into the queue. Invariant: a task is in the
// queue exactly as long as nobody has taken it; *left counts those of its caller that are not done.
// All is guarded by mu.

#include "memegen/pipeline/verifiers.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct verifiers {
    pthread_mutex_t mu;
    pthread_cond_t wanted; // a task was queued, or it is time to end
    pthread_cond_t done;   // a task that a thread had taken is done
    struct verifiers_task *head, **tail;
    bool ending;
    size_t count;
    pthread_t threads[];
};

// Takes the queue's first task; mu is held.
static struct verifiers_task *take(struct verifiers *verifiers)
{
    struct verifiers_task *task = verifiers->head;
    if (task) {
        verifiers->head = task->next;
        verifiers->tail = verifiers->head ? verifiers->tail : &verifiers->head;
        task->taken = 1;
    }
    return task;
}

// Takes this very task out of the queue; mu is held. The queue holds few: two for each caller.
static void take_own(struct verifiers *verifiers, struct verifiers_task *task)
{
    struct verifiers_task **at = &verifiers->head;
    while (*at != task) {
        at = &(*at)->next;
    }
    *at = task->next;
    if (!task->next) {
        verifiers->tail = at;
    }
    task->taken = 1;
}

static void *work(void *arg)
{
    struct verifiers *verifiers = arg;
    pthread_mutex_lock(&verifiers->mu);
    while (!verifiers->ending) {
        struct verifiers_task *task = take(verifiers);
        if (!task) {
            pthread_cond_wait(&verifiers->wanted, &verifiers->mu);
            continue;
        }
        pthread_mutex_unlock(&verifiers->mu);
        task->run(task->arg);
        pthread_mutex_lock(&verifiers->mu);
        // The task is its caller's again the moment *left is down.
        --*task->left;
        pthread_cond_broadcast(&verifiers->done);
    }
    pthread_mutex_unlock(&verifiers->mu);
    return NULL;
}

struct verifiers *verifiers_new(size_t threads)
{
    struct verifiers *verifiers = calloc(1, sizeof(*verifiers) + threads * sizeof(pthread_t));
    sigset_t all, before;
    if (!verifiers) {
        return NULL;
    }
    pthread_mutex_init(&verifiers->mu, NULL);
    pthread_cond_init(&verifiers->wanted, NULL);
    pthread_cond_init(&verifiers->done, NULL);
    verifiers->tail = &verifiers->head;
    // The host's signals are the host's, but for the profiler's: a thread inherits the mask that it
    // is made under.
    sigfillset(&all);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (verifiers->count < threads &&
           pthread_create(&verifiers->threads[verifiers->count], NULL, work, verifiers) == 0) {
        verifiers->count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return verifiers;
}

void verifiers_free(struct verifiers *verifiers)
{
    if (!verifiers) {
        return;
    }
    pthread_mutex_lock(&verifiers->mu);
    verifiers->ending = true;
    pthread_cond_broadcast(&verifiers->wanted);
    pthread_mutex_unlock(&verifiers->mu);
    for (size_t i = 0; i < verifiers->count; i++) {
        pthread_join(verifiers->threads[i], NULL);
    }
    pthread_cond_destroy(&verifiers->done);
    pthread_cond_destroy(&verifiers->wanted);
    pthread_mutex_destroy(&verifiers->mu);
    free(verifiers);
}

void verifiers_run(struct verifiers *verifiers, struct verifiers_task tasks[], size_t n)
{
    size_t left = n - 1;
    pthread_mutex_lock(&verifiers->mu);
    for (size_t i = 0; i + 1 < n; i++) {
        tasks[i].next = NULL;
        tasks[i].left = &left;
        tasks[i].taken = 0;
        *verifiers->tail = &tasks[i];
        verifiers->tail = &tasks[i].next;
        pthread_cond_signal(&verifiers->wanted);
    }
    pthread_mutex_unlock(&verifiers->mu);
    tasks[n - 1].run(tasks[n - 1].arg);
    pthread_mutex_lock(&verifiers->mu);
    for (size_t i = 0; i + 1 < n; i++) {
        if (tasks[i].taken) {
            continue;
        }
        take_own(verifiers, &tasks[i]);
        pthread_mutex_unlock(&verifiers->mu);
        tasks[i].run(tasks[i].arg);
        pthread_mutex_lock(&verifiers->mu);
        left--;
    }
    while (left > 0) {
        pthread_cond_wait(&verifiers->done, &verifiers->mu);
    }
    pthread_mutex_unlock(&verifiers->mu);
}
