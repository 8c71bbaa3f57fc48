// What profiling costs a request, in CPU time: continuous profiling, that of one request, and
// `?profile=` where nobody asks for it. Beside each the interval of its median (paired.h); `nothing`
// is what the method sees where there is nothing to see.
//
// Continuous profiling is also told from below: what one sample costs, 101 times a second, and what
// operations cost while they are watched.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/stack.h"
#include "bench.h"
#include "paired.h"
#include "profile/sampler.h"
#include "profile/workers.h"
#include "profile_unused.h"
#include "signals/context.h"
#include "signals/work.h"
#include "spyglass/spyglass.h"

enum {
    OPERATIONS = 20, // inside a request
    DEPTH = 20,      // of the stack below them: 30 with what is around it; a meme's drawing has 21
    RATIOS = 800,    // of 64 requests of some 1.2 ms: a minute of CPU time
    RATIOS_OTHERS = 150 // of what has no goal of one percent
};

static struct spy_operation request = { .name = "request" }, step = { .name = "step" };

static double process_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// ---- a request

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Some 60 microseconds of what services do: allocate, format, sort.
static void work(unsigned seed)
{
    char *texts[400];
    for (unsigned i = 0; i < 400; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%u", (seed + i) * 2654435761u);
        texts[i] = strdup(text);
        if (!texts[i]) {
            abort();
        }
    }
    qsort(texts, 400, sizeof(texts[0]), compare);
    for (unsigned i = 0; i < 400; i++) {
        free(texts[i]);
    }
}

typedef void leaf(unsigned seed);

// A frame a step.
static __attribute__((noinline)) void descend(leaf *at_end, unsigned seed, unsigned depth)
{
    if (depth == 0) {
        at_end(seed);
    } else {
        descend(at_end, seed, depth - 1);
    }
    __asm__ volatile(""); // no tail call
}

static void serve(const struct spy__profile_ask *ask, leaf *at_end)
{
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    uint32_t profile = 0;
    if (ask && spy__profile_begin(&profile, ask) != 0) {
        abort();
    }
    struct spy_span span = spy_begin(&request);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct spy_span inner = spy_begin(&step);
        descend(at_end, i, DEPTH);
        spy_end(&inner, SPY_SUCCESS);
    }
    spy_end(&span, SPY_SUCCESS);
    if (ask) {
        spy__profile_cancel(profile);
    }
    spy_context_detach(scope);
}

// ---- the switch of continuous profiling

// The sampler runs all the time; where it is off, this thread's timer stands still and nobody
// watches its operations, as in a process without it. The timer goes on where it stood, so that all
// the time that is on is sampled at the full rate, however short the turns are.
static struct {
    bool on;
    const struct spy__watch *watch; // the sampler's
    struct itimerspec left;         // of the timer
} state;

static void watch(const struct spy__watch *sampler)
{
    state.watch = sampler;
    spy__context_watch(state.on ? sampler : NULL);
}

static void turn(void *arg, bool on)
{
    const struct itimerspec still = { 0 };
    const struct spy__worker *worker = spy__worker_here();
    struct itimerspec left;
    (void)arg;
    if (!worker || timer_gettime(worker->timer, &left) != 0) {
        abort();
    }
    if (left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0) {
        state.left = left;
    }
    (void)timer_settime(worker->timer, 0, on ? &state.left : &still, NULL);
    state.on = on;
    watch(state.watch);
}

static void turn_nothing(void *arg, bool on)
{
    (void)on;
    turn(arg, false);
}

static void run(void *arg, bool on)
{
    (void)arg, (void)on;
    serve(NULL, work);
}

static void run_profiled(void *arg, bool on)
{
    serve(on ? arg : NULL, work);
}

static void start(unsigned continuous_hz)
{
    state.on = true;
    if (spy__sampler_start(&(struct spy__sampler_options){ .continuous_hz = continuous_hz,
                                                           .work = spy__context_work,
                                                           .mark = spy__context_mark,
                                                           .watch = watch }) != 0) {
        abort();
    }
    serve(NULL, work); // the thread is a worker
}

// What the collector's thread uses, of each second of the thread that it samples. All of it is told
// of the time that is on, though it looks for samples in the other as well.
static double of_collector(double process_ns, double thread_ns, double on_s)
{
    const double share = (process_ns - thread_ns) / 1e9 / on_s;
    (void)fprintf(stderr, "# the collector's thread: %.3f %%, in what follows\n", 100 * share);
    return share;
}

static double continuous(void)
{
    const struct paired_work nothing = { turn_nothing, run, bench_cpu_ns, NULL };
    const struct paired_work sampled = { turn, run, bench_cpu_ns, NULL };
    struct paired result;
    start(SPY__SAMPLER_HZ);
    paired_run(&result, &nothing, RATIOS_OTHERS);
    bench_print("request_cpu_us", result.off_ns / 1e3, "us", -1);
    paired_print("nothing_cost", &result, 0);
    const double process_ns = process_cpu_ns(), thread_ns = bench_cpu_ns();
    paired_run(&result, &sampled, RATIOS);
    paired_print(
        "continuous_cost", &result,
        of_collector(process_cpu_ns() - process_ns, bench_cpu_ns() - thread_ns, result.on_s));
    spy__sampler_stop();
    return result.off_ns;
}

static void of_one_request(void)
{
    struct spy__profile_ask ask = { 0 };
    const struct paired_work profiled = { NULL, run_profiled, bench_cpu_ns, &ask };
    struct paired result;
    start(0);
    paired_run(&result, &profiled, RATIOS_OTHERS);
    paired_print("request_cost", &result, 0);
    spy__sampler_stop();
}

// ---- from below

static struct {
    double ns;
    unsigned long count;
} samples;

// One in some 10 ms of work, so that it finds its code and tables as cold as a real one does. The
// signal is the timer's but for its sender: that call of the kernel is in it, a timer's end is not.
static void work_sampled(unsigned seed)
{
    static unsigned long calls;
    work(seed);
    if (++calls % 149 == 0) {
        const double from_ns = bench_cpu_ns();
        (void)pthread_sigqueue(pthread_self(), SIGPROF,
                               (union sigval){ .sival_ptr = spy__workers_token() });
        samples.ns += bench_cpu_ns() - from_ns;
        samples.count++;
    }
}

static double sample_ns(void)
{
    samples.ns = 0;
    samples.count = 0;
    while (samples.count < 200) {
        serve(NULL, work_sampled);
    }
    return samples.ns / (double)samples.count;
}

static void operate(void *arg, bool on)
{
    (void)arg, (void)on;
    for (unsigned i = 0; i < 1000; i++) {
        struct spy_span span = spy_begin(&step);
        spy_end(&span, SPY_SUCCESS);
    }
}

// `request_ns`: what a request takes.
static void from_below(double request_ns)
{
    const struct paired_work operations = { turn, operate, bench_cpu_ns, NULL };
    struct paired result;
    start(SPY__SAMPLER_HZ);
    const double sample = sample_ns();
    paired_run(&result, &operations, 20);
    const double operation = result.cost * result.off_ns / 1000;
    spy__sampler_stop();
    const double samples_cost = sample * SPY__SAMPLER_HZ / 1e9;
    const double operations_cost = operation * (OPERATIONS + 1) / request_ns;
    bench_print("sample", sample, "ns", -1);
    bench_print("operation_watched", operation, "ns", -1);
    bench_print("continuous_samples", 100 * samples_cost, "percent", 1 + samples_cost);
    bench_print("continuous_operations", 100 * operations_cost, "percent", 1 + operations_cost);
}

int main(void)
{
    spy__stack_warm_up();
    from_below(continuous());
    of_one_request();
#ifdef HAVE_MHD_ADAPTOR
    profile_unused();
#endif
    return 0;
}
