// What a span costs its caller while Spyglass runs: with nothing but its ids, with its metrics, and as a
// record on its way to the pump, in bursts that fit into a ring, so that no call waits. And what it costs all
// threads: the pump puts traces together, keeps one of ten, and makes a transaction of it, which a
// Sentry that does not answer leaves in the journal.
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "paced.h"
#include "signals/span.h"
#include "spyglass/spyglass.h"

enum { BURST = 256, BURSTS = 301 };

static struct spy_operation bare = { .name = "bare", .labels = SPY_LABELS("agent_name") };
static struct spy_operation counted = {
    .name = "counted",
    .labels = SPY_LABELS("agent_name"),
    .seconds = { "bench_span_seconds", "Time of a span" },
    .success = { "bench_span_success_total", "Good spans" },
    .failures = { "bench_span_failures_total", "Bad spans" },
};

// Nanoseconds of CPU time a span, the median of all bursts. Not nested, each is its trace's outermost.
static double measure(struct spy_operation *operation, bool nested)
{
    static double each[BURSTS];
    for (int i = 0; i < BURSTS; i++) {
        struct spy_context_scope scope =
            spy_context_begin("6f1c2b8e-6a0e-4c57-9d0e-0f4f0a3f1c11", NULL);
        struct spy_span root;
        if (nested) {
            root = spy_begin(&bare, "root");
        }
        double begin = bench_cpu_ns();
        for (int j = 0; j < BURST; j++) {
            struct spy_span span = spy_begin(operation, "router");
            spy_end(&span, SPY_SUCCESS);
        }
        each[i] = (bench_cpu_ns() - begin) / BURST;
        if (nested) {
            spy_end(&root, SPY_SUCCESS);
        }
        spy_context_detach(scope);
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL); // the pump drains the ring
    }
    return bench_median(each, BURSTS);
}

static double process_cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// CPU time a span: the median of all rounds, and of those that had a core of their own (paced.h).
struct all_threads {
    double ns, alone_ns;
    double alone_share; // of the rounds
};

enum { SPANS = 32, TRACES = 8, BURSTS_OF_ROUND = 40, ROUNDS = 45 };

static void request(void)
{
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    struct spy_span root = spy_begin(&bare, "root");
    for (int i = 1; i < SPANS; i++) {
        struct spy_span span = spy_begin(&bare, "router");
        spy_end(&span, SPY_SUCCESS);
    }
    spy_end(&root, SPY_SUCCESS);
    spy_context_detach(scope);
}

// One round; *ret_work is how long the arithmetic of paced.h took in it.
static double measure_round(double *ret_work)
{
    double works[BURSTS_OF_ROUND], begin = process_cpu_ns();
    for (int i = 0; i < BURSTS_OF_ROUND; i++) {
        for (int j = 0; j < TRACES; j++) {
            request();
        }
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
        works[i] = (double)paced_time_work();
    }
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL); // the pump is done with them
    *ret_work = bench_median(works, BURSTS_OF_ROUND);
    return (process_cpu_ns() - begin) / (SPANS * TRACES * BURSTS_OF_ROUND);
}

// Requests of some thirty spans, as a service has them. What the loop costs by itself is in it: see
// main().
static struct all_threads measure_all_threads(void)
{
    static double each[ROUNDS], works[ROUNDS], alone[ROUNDS];
    double best = 0;
    int n = 0;
    for (int i = 0; i < ROUNDS; i++) {
        each[i] = measure_round(&works[i]);
        best = i == 0 || works[i] < best ? works[i] : best;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (works[i] <= best * PACED_ALONE) {
            alone[n++] = each[i];
        }
    }
    return (struct all_threads){ .alone_ns = bench_median(alone, n),
                                 .alone_share = (double)n / ROUNDS,
                                 .ns = bench_median(each, ROUNDS) };
}

static void print(const char *name, double ns)
{
    bench_print(name, ns, "ns", ns / bench_reference_ns());
}

int main(void)
{
    char folder[] = "/tmp/bench_trace.XXXXXX", command[64];
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0 || !mkdtemp(folder)) {
        return 1;
    }
    double loop = measure(&bare, true);
    struct all_threads loops = measure_all_threads();
    if (spy_start(&(struct spy_options){
            .state_dir = folder,
            .log_fd = null,
            .admin = "127.0.0.1:0",
            .sentry_dsn = "http://key@127.0.0.1:9/1", // the discard port: nobody is there
            .traces_sample_rate = 0.1 }) != 0) {
        fprintf(stderr, "bench_trace: %s\n", spy_start_error());
        return 1;
    }
    double recorded = measure(&bare, true), outermost = measure(&bare, false);
    spy__spans_want(false);
    double unwanted = measure(&bare, true);
    print("span_ns", unwanted);
    print("span_with_metrics_ns", measure(&counted, true));
    spy__spans_want(true);
    print("span_recorded_ns", recorded);
    print("span_record_ns", recorded - unwanted);
    print("span_outermost_recorded_ns", outermost);
    struct all_threads all = measure_all_threads();
    print("span_all_threads_ns", all.ns - (loops.ns - loop));
    print("alone.span_all_threads_ns", all.alone_ns - (loops.alone_ns - loop));
    bench_print("alone_share", all.alone_share, "of the rounds", -1);
    int err = spy_stop(1000);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command) == 0 && err == 0 ? 0 : 1;
}
