// Many threads reserve, cancel, push and pop while the queue is closed under them: what went in
// comes out, once.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "memegen/queue.h"

#define PRODUCERS 4
#define CONSUMERS 4
#define CAPACITY 16
#define ROUNDS 5
#define ACCEPTED_MAX 4000 // of a round; then it is closed

static struct queue *queue;
static atomic_ulong accepted, pushed, popped;

static void *produce(void *arg)
{
    uintptr_t job = (uintptr_t)arg + 1;

    for (;;) {
        int error = queue_reserve(queue);
        if (error == 0) {
            if (job % 7 == 0) {
                queue_cancel(queue);
            } else {
                atomic_fetch_add(&pushed, job);
                queue_push(queue, (void *)job);
                if (atomic_fetch_add(&accepted, 1) == ACCEPTED_MAX) {
                    queue_close(queue);
                }
            }
            job += PRODUCERS;
        } else if (queue_depth(queue) == 0 && atomic_load(&accepted) > ACCEPTED_MAX) {
            return NULL;
        } else {
            sched_yield();
        }
    }
}

static void *consume(void *arg)
{
    void *job;

    while ((job = queue_pop(queue)) != NULL) {
        atomic_fetch_add(&popped, (uintptr_t)job);
    }
    return arg;
}

int main(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[PRODUCERS + CONSUMERS];
        accepted = pushed = popped = 0;
        if (queue_new(&queue, CAPACITY) != 0) {
            return 1;
        }
        for (size_t i = 0; i < PRODUCERS + CONSUMERS; i++) {
            if (pthread_create(&threads[i], NULL, i < PRODUCERS ? produce : consume, (void *)i) !=
                0) {
                return 1;
            }
        }
        for (size_t i = 0; i < PRODUCERS + CONSUMERS; i++) {
            pthread_join(threads[i], NULL);
        }
        queue_free(queue);
        if (pushed != popped) {
            fprintf(stderr, "pushed %lu, popped %lu\n", (unsigned long)pushed,
                    (unsigned long)popped);
            return 1;
        }
    }
    return 0;
}
