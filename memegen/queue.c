// A ring of pointers under one mutex: memes take milliseconds to make, so that nothing finer pays.

#include "memegen/queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct queue {
    pthread_mutex_t mu;
    pthread_cond_t change; // a job came, or the queue was closed and drained
    size_t capacity;       // const after new
    // The rest is guarded by mu.
    size_t head, queued, reserved;
    bool closed;
    void *jobs[];
};

int queue_new(struct queue **ret, size_t capacity)
{
    struct queue *queue;

    if (capacity == 0 || capacity > QUEUE_CAPACITY_MAX) {
        return -EINVAL;
    }
    queue = calloc(1, sizeof(*queue) + capacity * sizeof(queue->jobs[0]));
    if (!queue) {
        return -ENOMEM;
    }
    pthread_mutex_init(&queue->mu, NULL);
    pthread_cond_init(&queue->change, NULL);
    queue->capacity = capacity;
    *ret = queue;
    return 0;
}

void queue_free(struct queue *queue)
{
    if (!queue) {
        return;
    }
    pthread_cond_destroy(&queue->change);
    pthread_mutex_destroy(&queue->mu);
    free(queue);
}

int queue_reserve(struct queue *queue)
{
    int error = 0;

    pthread_mutex_lock(&queue->mu);
    if (queue->closed) {
        error = -ESHUTDOWN;
    } else if (queue->queued + queue->reserved == queue->capacity) {
        error = -EAGAIN;
    } else {
        queue->reserved++;
    }
    pthread_mutex_unlock(&queue->mu);
    return error;
}

void queue_cancel(struct queue *queue)
{
    pthread_mutex_lock(&queue->mu);
    assert(queue->reserved > 0);
    queue->reserved--;
    if (queue->closed) {
        pthread_cond_broadcast(&queue->change);
    }
    pthread_mutex_unlock(&queue->mu);
}

void queue_push(struct queue *queue, void *job)
{
    pthread_mutex_lock(&queue->mu);
    assert(queue->reserved > 0);
    queue->reserved--;
    queue->jobs[(queue->head + queue->queued) % queue->capacity] = job;
    queue->queued++;
    if (queue->closed) {
        pthread_cond_broadcast(&queue->change);
    } else {
        pthread_cond_signal(&queue->change);
    }
    pthread_mutex_unlock(&queue->mu);
}

void *queue_pop(struct queue *queue)
{
    void *job = NULL;

    pthread_mutex_lock(&queue->mu);
    while (queue->queued == 0 && !(queue->closed && queue->reserved == 0)) {
        pthread_cond_wait(&queue->change, &queue->mu);
    }
    if (queue->queued > 0) {
        job = queue->jobs[queue->head];
        queue->head = (queue->head + 1) % queue->capacity;
        queue->queued--;
    }
    pthread_mutex_unlock(&queue->mu);
    return job;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->mu);
    queue->closed = true;
    pthread_cond_broadcast(&queue->change);
    pthread_mutex_unlock(&queue->mu);
}

size_t queue_depth(struct queue *queue)
{
    size_t depth;

    pthread_mutex_lock(&queue->mu);
    depth = queue->queued;
    pthread_mutex_unlock(&queue->mu);
    return depth;
}
