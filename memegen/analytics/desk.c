#include "memegen/analytics/desk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <spyglass/spyglass.h>

#include "memegen/queue.h"

#define WAITING_MAX 64u
#define WAIT_MS 5000
#define KEEP_MS 10000
#define KEEP_FAILURE_MS 2000
#define KEPT_MAX 32u // a page asks for a handful

struct job {
    struct analytics_question question;
    int64_t asked_ms;
    void *arg;
};

struct kept {
    struct analytics_question question;
    int64_t until_ms; // 0: nothing is kept here
    char *text;       // NULL: it failed
    char error[CLICKHOUSE_ERROR_BYTES];
};

struct desk {
    struct desk_options options; // const after open, as the next two
    struct clickhouse *clickhouse;
    struct queue *queue;
    pthread_t thread;
    struct kept kept[KEPT_MAX]; // of the thread alone
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// What is known of the question, or the place for it: the one that was kept for the longest.
static struct kept *look_up(struct desk *desk, const struct analytics_question *question)
{
    struct kept *oldest = &desk->kept[0];

    for (size_t i = 0; i < KEPT_MAX; i++) {
        struct kept *kept = &desk->kept[i];
        if (kept->until_ms && memcmp(&kept->question, question, sizeof(*question)) == 0) {
            return kept;
        }
        oldest = kept->until_ms < oldest->until_ms ? kept : oldest;
    }
    oldest->until_ms = 0;
    return oldest;
}

static void ask(struct desk *desk, struct kept *kept, const struct analytics_question *question)
{
    json_t *answer = NULL;
    int code = analytics_ask(desk->clickhouse, question, &answer, kept->error);

    free(kept->text);
    kept->text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    if (!code && !kept->text) {
        snprintf(kept->error, sizeof(kept->error), "There is no memory for the answer.");
    }
    if (!kept->text) {
        spy_warn("analytics_failed", spy_str("question", analytics_name(question->kind)),
                 spy_str("error_message", kept->error));
    }
    kept->question = *question;
    kept->until_ms = now_ms() + (kept->text ? KEEP_MS : KEEP_FAILURE_MS);
}

static void serve(struct desk *desk, struct job *job)
{
    struct kept *kept = look_up(desk, &job->question);
    int64_t now = now_ms();

    desk->options.begin(job->arg);
    if (kept->until_ms <= now && now - job->asked_ms > WAIT_MS) {
        desk->options.ended(job->arg, NULL, "Too many questions wait for ClickHouse.");
        return;
    }
    if (kept->until_ms <= now) {
        ask(desk, kept, &job->question);
    }
    desk->options.ended(job->arg, kept->text, kept->error);
}

static void *desk_thread(void *arg)
{
    struct desk *desk = arg;
    struct job *job;

    while ((job = queue_pop(desk->queue)) != NULL) {
        serve(desk, job);
        free(job);
    }
    return NULL;
}

// It takes no signals but the profiler's: those belong to main's.
static int start_thread(struct desk *desk)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = -pthread_create(&desk->thread, NULL, desk_thread, desk);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void desk_free(struct desk *desk)
{
    for (size_t i = 0; i < KEPT_MAX; i++) {
        free(desk->kept[i].text);
    }
    queue_free(desk->queue);
    clickhouse_close(desk->clickhouse);
    free(desk);
}

int desk_open(struct desk **ret, const struct desk_options *options)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    int error;

    if (!desk) {
        return -ENOMEM;
    }
    desk->options = *options;
    error = clickhouse_open(&desk->clickhouse, &options->server);
    if (!error) {
        error = queue_new(&desk->queue, WAITING_MAX);
    }
    if (!error) {
        error = start_thread(desk);
    }
    if (error) {
        desk_free(desk);
        return error;
    }
    *ret = desk;
    return 0;
}

int desk_ask(struct desk *desk, const struct analytics_question *question,
             void (*before)(void *job_arg), void *job_arg)
{
    int error = queue_reserve(desk->queue);
    struct job *job = error ? NULL : malloc(sizeof(*job));

    if (error) {
        return error;
    }
    if (!job) {
        queue_cancel(desk->queue);
        return -ENOMEM;
    }
    *job = (struct job){ *question, now_ms(), job_arg };
    before(job_arg);
    queue_push(desk->queue, job);
    return 0;
}

void desk_stop(struct desk *desk)
{
    if (desk) {
        queue_close(desk->queue);
        clickhouse_stop(desk->clickhouse);
    }
}

void desk_close(struct desk *desk)
{
    if (!desk) {
        return;
    }
    desk_stop(desk);
    pthread_join(desk->thread, NULL);
    desk_free(desk);
}
