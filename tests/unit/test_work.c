// The workers: what becomes of a job, with a pipeline and a store that do as the test says.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <spyglass/spyglass.h>

#include "alloc_fail.h"
#include "memegen/telemetry.h"
#include "memegen/timeline.h"
#include "memegen/work.h"

static struct {
    sem_t begun, go; // of pipeline_run(), where `held` is set
    bool held;
    sem_t ended;     // posted by ended()
    bool slow_gauge; // see __wrap_telemetry_queue()
    sem_t told;
    atomic_size_t depth; // what the gauge was told last
    int put_errors[8];   // what store_put_meme() answers, call by call
    enum meme_status put[8];
    int puts;
    int timelines;                // calls of store_put_timeline()
    bool committed_with_timeline; // the last meme that was put had one
    char timeline[4096];          // the last one that was kept
    bool in_context;              // while it was
    struct spy_http *http;        // answered by ended(), where there is one
    struct meme last;             // what ended() was given
    void *last_arg;
    char correlation_id[129];
    bool before;
} fake;

void pipeline_run(struct pipeline *pipeline, struct meme *meme)
{
    (void)pipeline;
    if (fake.held) {
        sem_post(&fake.begun);
        sem_wait(&fake.go);
    }
    meme->status = MEME_SUCCESS;
    meme->png = malloc(3);
    meme->png_len = 3;
}

int store_put_meme(struct store *store, const struct meme *meme)
{
    (void)store;
    fake.put[fake.puts] = meme->status;
    fake.committed_with_timeline = meme->timeline != NULL;
    return fake.put_errors[fake.puts++];
}

int store_put_timeline(struct store *store, const char *id, const char *timeline)
{
    (void)store;
    (void)id;
    fake.timelines++;
    fake.in_context = spy_correlation_id()[0] != '\0';
    snprintf(fake.timeline, sizeof(fake.timeline), "%s", timeline);
    return 0;
}

// Holds the call that tells of one waiting job until the worker has told of none, or could not.
// For what a start publishes again: no work does.
int store_get_meme(struct store *store, const char *id, struct meme *ret)
{
    (void)store, (void)id, (void)ret;
    return -ENOENT;
}

int store_get_interaction(struct store *store, const char *id, struct store_interaction *ret)
{
    (void)store, (void)id, (void)ret;
    return -ENOENT;
}

void __real_telemetry_queue(size_t depth, size_t capacity);
void __wrap_telemetry_queue(size_t depth, size_t capacity);
void __wrap_telemetry_queue(size_t depth, size_t capacity)
{
    if (fake.slow_gauge && depth == 1) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        sem_post(&fake.go);
        sem_timedwait(&fake.told, &until);
    }
    __real_telemetry_queue(depth, capacity);
    fake.depth = depth;
    if (fake.slow_gauge && depth == 0) {
        sem_post(&fake.told);
    }
}

static void ended(void *arg, const struct meme *meme, void *job_arg)
{
    assert_ptr_equal(arg, &fake);
    fake.last = *meme;
    fake.last_arg = job_arg;
    spy_http_answered(fake.http, 201, 0);
    strncpy(fake.correlation_id, spy_correlation_id(), sizeof(fake.correlation_id) - 1);
    sem_post(&fake.ended);
}

static void before(void *job_arg)
{
    (void)job_arg;
    fake.before = true;
}

static struct work *start(size_t queue)
{
    struct work *work;

    memset(&fake, 0, sizeof(fake));
    sem_init(&fake.begun, 0, 0);
    sem_init(&fake.go, 0, 0);
    sem_init(&fake.ended, 0, 0);
    sem_init(&fake.told, 0, 0);
    assert_int_equal(work_start(&work,
                                &(struct work_options){
                                    .queue = queue, .workers = 1, .ended = ended, .arg = &fake }),
                     0);
    return work;
}

static void stop(struct work *work)
{
    work_close(work);
    assert_int_equal(work_wait(work, 10000), 0);
    work_free(work);
}

static const struct meme asked = { .id = "an id", .request = { .topic = "a topic" } };

static uint64_t attempts(void)
{
    struct spy_counter total;
    const struct spy_metric metric = { .name = "meme_generation_total",
                                       .help = "Total number of meme generation attempts",
                                       .labels = SPY_LABELS("status") };

    assert_int_equal(spy_counter_register(&total, &metric), 0);
    return (uint64_t)(spy_counter_value(spy_counter_with(total, "success")) +
                      spy_counter_value(spy_counter_with(total, "error")));
}

static void a_job_is_stored_made_stored_and_ended(void **state)
{
    struct work *work = start(1);
    struct spy_context_scope scope = spy_context_begin("c-1", NULL);
    uint64_t before_us = attempts();
    int arg;

    (void)state;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, before, &fake, &arg), 0);
    sem_wait(&fake.ended);
    spy_context_detach(scope);
    assert_true(fake.before);
    assert_int_equal(fake.puts, 2);
    assert_int_equal(fake.put[0], MEME_PENDING);
    assert_int_equal(fake.put[1], MEME_SUCCESS);
    assert_string_equal(fake.last.id, "an id");
    assert_string_equal(fake.last.correlation_id, "c-1");
    assert_int_equal(strlen(fake.last.trace_id), 32);
    assert_ptr_equal(fake.last_arg, &arg);
    assert_string_equal(fake.correlation_id, "c-1"); // the worker was in the request's context
    assert_int_equal(attempts(), before_us + 1);
    stop(work);
}

static void hand_over(void *http)
{
    spy_http_leave(http);
}

static void a_job_has_a_timeline(void **state)
{
    struct work *work = start(1);
    struct spy_span early;

    (void)state;
    fake.held = true;
    fake.http = spy_http_begin(&(struct spy_http_request){ .method = "POST", .path = "/" });
    early = spy_begin(&telemetry_db, "select", "memes"); // before it was submitted: none of it
    spy_end(&early, SPY_SUCCESS);
    assert_null(work_timeline(work, "an id"));
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, hand_over, fake.http, NULL), 0);
    sem_wait(&fake.begun);
    json_t *live = work_timeline(work, "an id");
    assert_non_null(live);
    assert_false(timeline_has_root(live));
    json_decref(live);
    assert_null(work_timeline(work, "another"));
    spy_http_enter(fake.http); // as the worker's answer does
    sem_post(&fake.go);
    stop(work);
    assert_true(fake.committed_with_timeline);
    assert_int_equal(fake.timelines, 1);
    assert_false(fake.in_context); // keeping it is no part of it
    json_t *kept = timeline_read(fake.timeline);
    assert_non_null(kept);
    assert_true(timeline_has_root(kept));
    assert_int_equal(json_array_size(json_object_get(kept, "spans")), 3); // job and generation, too
    json_decref(kept);
    spy_http_end(fake.http);
}

static void what_cannot_be_stored_was_never_accepted(void **state)
{
    struct work *work = start(1);

    (void)state;
    fake.put_errors[0] = -ENOSPC;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, before, &fake, NULL), -ENOSPC);
    assert_false(fake.before);
    assert_int_equal(work_reserve(work), 0); // its place is free again
    alloc_fail_after(0);
    assert_int_equal(work_submit(work, &asked, before, &fake, NULL), -ENOMEM);
    alloc_fail_never();
    assert_int_equal(work_reserve(work), 0);
    work_cancel(work);
    stop(work);
    assert_int_equal(sem_trywait(&fake.ended), -1);
}

static void what_cannot_be_committed_was_not_made(void **state)
{
    struct work *work = start(1);

    (void)state;
    fake.put_errors[1] = -EIO;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    sem_wait(&fake.ended);
    assert_int_equal(fake.last.status, MEME_ERROR);
    assert_string_equal(fake.last.error_type, "internal");
    stop(work);
}

static void a_full_queue_and_a_closed_one_take_nothing(void **state)
{
    struct work *work = start(1);

    (void)state;
    fake.held = true;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    sem_wait(&fake.begun); // the worker holds the first
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    assert_int_equal(work_reserve(work), -EAGAIN);
    work_close(work);
    assert_int_equal(work_reserve(work), -ESHUTDOWN);
    assert_int_equal(work_wait(work, 1), -ETIMEDOUT);
    sem_post(&fake.go);
    sem_post(&fake.go);
    stop(work);
    assert_int_equal(sem_trywait(&fake.ended), 0);
    assert_int_equal(sem_trywait(&fake.ended), 0);
}

static void the_gauge_of_the_queue_ends_true(void **state)
{
    struct work *work = start(1);

    (void)state;
    fake.held = true;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    sem_wait(&fake.begun); // the worker holds the first
    fake.slow_gauge = true;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    sem_post(&fake.go);
    stop(work);
    assert_int_equal(fake.depth, 0);
}

static void what_is_abandoned_ends_as_an_error_and_is_no_attempt(void **state)
{
    struct work *work = start(2);
    uint64_t before_it;

    (void)state;
    fake.held = true;
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    sem_wait(&fake.begun);
    assert_int_equal(work_reserve(work), 0);
    assert_int_equal(work_submit(work, &asked, NULL, NULL, NULL), 0);
    work_close(work);
    work_abandon(work);
    before_it = attempts();
    sem_post(&fake.go);
    stop(work);
    assert_int_equal(attempts(), before_it + 1); // the one that was under way
    assert_int_equal(fake.puts, 4);
    assert_int_equal(fake.put[2], MEME_SUCCESS);
    assert_int_equal(fake.put[3], MEME_ERROR);
    assert_int_equal(fake.last.status, MEME_ERROR);
}

static void a_start_without_memory_leaves_nothing(void **state)
{
    const struct work_options options = { .queue = 1, .workers = 2, .ended = ended };
    struct work *work = NULL;

    (void)state;
    for (long n = 0; n < 3; n++) {
        alloc_fail_after(n);
        assert_int_equal(work_start(&work, &options), -ENOMEM);
        alloc_fail_never();
        assert_null(work);
    }
    work_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_stored_made_stored_and_ended),
        cmocka_unit_test(a_job_has_a_timeline),
        cmocka_unit_test(what_cannot_be_stored_was_never_accepted),
        cmocka_unit_test(what_cannot_be_committed_was_not_made),
        cmocka_unit_test(a_full_queue_and_a_closed_one_take_nothing),
        cmocka_unit_test(the_gauge_of_the_queue_ends_true),
        cmocka_unit_test(what_is_abandoned_ends_as_an_error_and_is_no_attempt),
        cmocka_unit_test(a_start_without_memory_leaves_nothing),
    };

    if (telemetry_register((const char *const[]){ "none", NULL }) != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
