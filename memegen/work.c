#include "memegen/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <spyglass/spyglass.h>

#include "memegen/queue.h"
#include "memegen/telemetry.h"
#include "memegen/timeline.h"

struct job {
    struct meme meme;
    struct spy_context *context; // of the request
    struct spy_trace *trace;
    char root_id[SPY_SPAN_ID_LEN + 1]; // the request's span
    void *arg;
    struct job *previous, *next; // guarded by live_mu
};

struct work {
    struct work_options options; // const after start
    struct queue *queue;
    size_t started; // threads; const after start
    pthread_t *threads;
    atomic_bool abandoned; // relaxed: a worker may look a job too late
    pthread_mutex_t live_mu;
    struct job *live; // guarded by live_mu: submitted, and not let go
    pthread_mutex_t mu;
    pthread_cond_t left; // on CLOCK_MONOTONIC
    size_t running;      // guarded by mu
};

// Reads and tells under one lock: the last to tell has looked after every change before it, so that
// an idle queue never stays shown as one that waits.
static void show_depth(struct work *work)
{
    pthread_mutex_lock(&work->mu);
    telemetry_queue(queue_depth(work->queue), work->options.queue);
    pthread_mutex_unlock(&work->mu);
}

static void fail_meme(struct meme *meme, const char *message)
{
    meme->status = MEME_ERROR;
    meme->error_type = "internal";
    snprintf(meme->error_message, sizeof(meme->error_message), "%s", message);
}

static void enlist(struct work *work, struct job *job)
{
    pthread_mutex_lock(&work->live_mu);
    job->next = work->live;
    if (job->next) {
        job->next->previous = job;
    }
    work->live = job;
    pthread_mutex_unlock(&work->live_mu);
}

static void let_go(struct work *work, struct job *job)
{
    pthread_mutex_lock(&work->live_mu);
    *(job->previous ? &job->previous->next : &work->live) = job->next;
    if (job->next) {
        job->next->previous = job->previous;
    }
    pthread_mutex_unlock(&work->live_mu);
}

json_t *work_timeline(struct work *work, const char *id)
{
    struct spy_trace *trace = NULL;
    char root_id[SPY_SPAN_ID_LEN + 1];
    json_t *timeline;

    pthread_mutex_lock(&work->live_mu);
    for (const struct job *job = work->live; job && !trace; job = job->next) {
        if (strcmp(job->meme.id, id) == 0) {
            trace = spy_trace_hold(job->trace);
            memcpy(root_id, job->root_id, sizeof(root_id));
        }
    }
    pthread_mutex_unlock(&work->live_mu);
    timeline = trace ? timeline_json(trace, root_id) : NULL;
    spy_trace_release(trace);
    return timeline;
}

// Commits the meme and publishes it; one that cannot be kept was not made.
static void commit(struct work *work, struct job *job)
{
    struct meme *meme = &job->meme;
    struct events_note note = { NULL };
    bool made = meme->status == MEME_SUCCESS;
    int error;

    meme->timeline = timeline_text(job->trace, job->root_id);
    if (made) {
        note = events_note_meme(work->options.events, meme->id);
    }
    error = store_put_meme(work->options.store, meme);
    if (!error && made) {
        events_meme(work->options.events, note, meme);
    }
    if (error) {
        events_forget(note);
        spy_error("meme_not_stored", strerror(-error), spy_str("meme_id", meme->id));
        fail_meme(meme, "The meme could not be stored.");
    }
}

static struct spy_outcome outcome_of(const struct meme *meme)
{
    return meme->status == MEME_SUCCESS ? SPY_SUCCESS
                                        : spy_failure(meme->error_type, meme->error_message);
}

static void make(struct work *work, struct meme *meme)
{
    struct spy_span span = spy_begin(&telemetry_meme, NULL, NULL);

    pipeline_run(work->options.pipeline, meme);
    spy_span_label(&span, "status", meme_status_name(meme->status));
    spy_span_label(&span, "template_type", meme->template_type);
    spy_end(&span, outcome_of(meme));
}

// Outside of the request's context: what it takes to keep a timeline is no part of it.
static void keep_timeline(struct work *work, struct job *job)
{
    char *text = timeline_text(job->trace, job->root_id);
    int error = text ? store_put_timeline(work->options.store, job->meme.id, text) : -ENOMEM;

    if (error) {
        spy_warn("timeline_not_stored", spy_str("meme_id", job->meme.id),
                 spy_str("error_message", strerror(-error)));
    }
    free(text);
}

static void do_job(struct work *work, struct job *job)
{
    struct meme *meme = &job->meme;

    telemetry_worker_busy(1);
    if (atomic_load_explicit(&work->abandoned, memory_order_relaxed)) {
        // It never entered the pipeline: no attempt, so none is counted.
        fail_meme(meme, "memegen was stopped before this meme was made.");
        commit(work, job);
    } else {
        make(work, meme);
        commit(work, job);
        telemetry_generation(meme);
    }
    telemetry_worker_busy(-1);
    work->options.ended(work->options.arg, meme, job->arg);
}

// Nobody waits for it: its request was answered with 202, and has ended or is about to. Its spans are a
// transaction of their own, with the attributes that Sentry shows of queues
// (https://docs.sentry.io/platforms/python/tracing/instrumentation/custom-instrumentation/queues-module/).
static void do_task(struct work *work, struct job *job)
{
    struct spy_context_scope scope = spy_context_attach_task(job->context);
    struct spy_span span = spy_begin(&telemetry_job);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t waited_us =
        (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - job->meme.created_us;
    const struct spy_field attributes[] = {
        spy_str("messaging.destination.name", "memes"),
        spy_str("messaging.message.id", job->meme.id),
        spy_int("messaging.message.receive.latency", waited_us > 0 ? waited_us / 1000 : 0), // ms
    };

    spy_span_attributes(&span, attributes, sizeof(attributes) / sizeof(attributes[0]));
    do_job(work, job);
    spy_end(&span, outcome_of(&job->meme));
    spy_context_detach(scope);
}

static void do_request(struct work *work, struct job *job)
{
    struct spy_context_scope scope = spy_context_attach(job->context);

    do_job(work, job);
    spy_context_detach(scope);
}

static void run_job(struct work *work, struct job *job)
{
    if (job->arg) {
        do_request(work, job);
    } else {
        do_task(work, job);
    }
    keep_timeline(work, job);
    let_go(work, job);
}

static void free_job(struct job *job)
{
    spy_context_release(job->context);
    spy_trace_release(job->trace);
    meme_done(&job->meme);
    free(job);
}

static void *work_thread(void *arg)
{
    struct work *work = arg;
    struct job *job;

    while ((job = queue_pop(work->queue)) != NULL) {
        show_depth(work);
        run_job(work, job);
        free_job(job);
    }
    pthread_mutex_lock(&work->mu);
    work->running--;
    pthread_cond_broadcast(&work->left);
    pthread_mutex_unlock(&work->mu);
    return NULL;
}

// Helper threads take no signals but the profiler's: those belong to main's.
static int start_threads(struct work *work)
{
    sigset_t all, before;
    int error = 0;

    sigfillset(&all);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (work->started < work->options.workers && !error) {
        pthread_mutex_lock(&work->mu);
        work->running++;
        pthread_mutex_unlock(&work->mu);
        error = -pthread_create(&work->threads[work->started], NULL, work_thread, work);
        if (error) {
            pthread_mutex_lock(&work->mu);
            work->running--;
            pthread_mutex_unlock(&work->mu);
        } else {
            work->started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int work_start(struct work **ret, const struct work_options *options)
{
    struct work *work = calloc(1, sizeof(*work));
    pthread_condattr_t attr;
    int error;

    if (!work) {
        return -ENOMEM;
    }
    work->options = *options;
    pthread_mutex_init(&work->mu, NULL);
    pthread_mutex_init(&work->live_mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&work->left, &attr);
    pthread_condattr_destroy(&attr);
    work->threads = calloc(options->workers, sizeof(work->threads[0]));
    error = work->threads ? queue_new(&work->queue, options->queue) : -ENOMEM;
    if (!error) {
        telemetry_workers(options->workers);
        show_depth(work);
        error = start_threads(work);
    }
    if (error) {
        if (work->queue) {
            queue_close(work->queue);
        }
        work_free(work);
        return error;
    }
    *ret = work;
    return 0;
}

void work_free(struct work *work)
{
    if (!work) {
        return;
    }
    for (size_t i = 0; i < work->started; i++) {
        pthread_join(work->threads[i], NULL);
    }
    queue_free(work->queue);
    free(work->threads);
    pthread_cond_destroy(&work->left);
    pthread_mutex_destroy(&work->mu);
    pthread_mutex_destroy(&work->live_mu);
    free(work);
}

int work_reserve(struct work *work)
{
    return queue_reserve(work->queue);
}

void work_cancel(struct work *work)
{
    queue_cancel(work->queue);
}

int work_submit(struct work *work, const struct meme *meme, void (*before)(void *before_arg),
                void *before_arg, void *job_arg)
{
    struct job *job = malloc(sizeof(*job));
    int error = job ? 0 : -ENOMEM;

    if (job) {
        job->meme = *meme;
        job->meme.status = MEME_PENDING;
        snprintf(job->meme.template_type, sizeof(job->meme.template_type), "none");
        snprintf(job->meme.correlation_id, sizeof(job->meme.correlation_id), "%s",
                 spy_correlation_id());
        spy_trace_id(job->meme.trace_id);
        spy_span_id(job->root_id);
        job->trace = spy_trace_gather();
        job->context = spy_context_capture();
        job->arg = job_arg;
        job->previous = job->next = NULL;
        error = store_put_meme(work->options.store, &job->meme);
    }
    if (error) {
        queue_cancel(work->queue);
        if (job) {
            free_job(job);
        }
        return error;
    }
    enlist(work, job);
    if (before) {
        before(before_arg);
    }
    queue_push(work->queue, job);
    show_depth(work);
    return 0;
}

void work_close(struct work *work)
{
    queue_close(work->queue);
}

int work_wait(struct work *work, unsigned timeout_ms)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&work->mu);
    while (work->running > 0 && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&work->left, &work->mu, &until);
    }
    error = work->running > 0 ? -ETIMEDOUT : 0;
    pthread_mutex_unlock(&work->mu);
    return error;
}

void work_abandon(struct work *work)
{
    atomic_store_explicit(&work->abandoned, true, memory_order_relaxed);
}
