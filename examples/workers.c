// A queue of jobs and two worker threads: each job's records carry the id of the request that asked
// for it.

#include <pthread.h>
#include <spyglass/spyglass.h>
#include <stdio.h>

enum { JOBS = 6, WORKERS = 2 };

struct job {
    struct spy_context *context; // who asked for it
    int number;
};

static struct job jobs[JOBS];
static int next_job; // atomic

static struct spy_operation square = {
    .name = "square",
    .labels = SPY_LABELS("parity"),
    .seconds = { .name = "square_seconds",
                 .help = "Time spent squaring",
                 .buckets = SPY_BUCKETS(0.001, 0.01, 0.1) },
    .success = { .name = "square_success_total", .help = "Squares found" },
    .failures = { .name = "square_failures_total", .help = "Squares not found" },
};

static void run(const struct job *job)
{
    struct spy_span span = spy_begin(&square, job->number % 2 ? "odd" : "even");
    spy_info("squared", spy_int("number", job->number),
             spy_int("square", job->number * job->number));
    spy_end(&span,
            job->number == 5 ? spy_failure("rejected", "five is out of stock") : SPY_SUCCESS);
}

static void *worker(void *arg)
{
    (void)arg;
    for (int i; (i = __atomic_fetch_add(&next_job, 1, __ATOMIC_RELAXED)) < JOBS;) {
        struct spy_context_scope scope = spy_context_attach(jobs[i].context);
        run(&jobs[i]);
        spy_context_detach(scope);
        spy_context_release(jobs[i].context);
    }
    return NULL;
}

// One request makes three jobs: each takes along the context that it was made in.
static void ask(const char *correlation_id, int first)
{
    struct spy_context_scope scope = spy_context_begin(correlation_id, NULL);
    spy_bind(spy_str("user_id", "u1"));
    for (int i = first; i < first + JOBS / 2; i++) {
        jobs[i] = (struct job){ spy_context_capture(), i };
    }
    spy_context_detach(scope);
}

int main(void)
{
    pthread_t threads[WORKERS];
    if (spy_start(&(struct spy_options){ .service = "workers" }) != 0) {
        fprintf(stderr, "workers: %s\n", spy_start_error());
        return 1;
    }
    ask("request-a", 0);
    ask("request-b", JOBS / 2);
    for (int i = 0; i < WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, worker, NULL) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    return spy_stop(1000) == 0 ? 0 : 1;
}
