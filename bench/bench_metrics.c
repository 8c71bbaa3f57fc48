// What metrics cost their callers and a scrape, beside an atomic add, a memcpy and prometheus-cpp
// in the same run.
//
// Lines: name, median, unit, ratio to the reference: the atomic add for costs of a call (bench.h),
// a memcpy of the same bytes for the exposition. Goals: counter 0.5, with a look-up 8,
// histogram 3.2, the same with two threads; 100,000 counters in 3 ms, 100,000 histograms in 45 ms.
#include <spyglass/metrics.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "peer_prometheus_cpp.h"

#define OPS 4000000ul
#define VALUES 1024
#define SERIES 100000

static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
static const char *const routes[] = { "/", "/api/v1/memes", "/api/v1/memes/{id}", "/healthz" };
static double values[VALUES]; // spread over the buckets

static void check(int r)
{
    if (r != 0) {
        fprintf(stderr, "bench_metrics: a registration failed: %s\n", strerrordesc_np(-r));
        exit(1);
    }
}

// ---- Calls
// -------------------------------------------------------------------------------------------------------

static void count(void *arg, unsigned thread, unsigned long ops)
{
    struct spy_counter c = *(struct spy_counter *)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        spy_counter_inc(c);
    }
}

static void look_up(void *arg, unsigned thread, unsigned long ops)
{
    struct spy_counter family = *(struct spy_counter *)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        spy_counter_inc(spy_counter_with(family, methods[i % 4], routes[i / 4 % 4]));
    }
}

static void observe(void *arg, unsigned thread, unsigned long ops)
{
    struct spy_histogram h = *(struct spy_histogram *)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        spy_histogram_observe(h, values[i % VALUES]);
    }
}

static void set(void *arg, unsigned thread, unsigned long ops)
{
    struct spy_gauge g = *(struct spy_gauge *)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        spy_gauge_set(g, (double)i);
    }
}

static void bench_calls(void)
{
    struct spy_counter counter, family;
    struct spy_gauge gauge;
    struct spy_histogram histogram;
    check(spy_counter_register(&counter,
                               &(struct spy_metric){ .name = "calls_total", .help = "Calls" }));
    check(spy_gauge_register(&gauge, &(struct spy_metric){ .name = "level", .help = "A level" }));
    check(spy_counter_register(&family,
                               &(struct spy_metric){ .name = "labelled_total",
                                                     .help = "Calls with labels",
                                                     .labels = SPY_LABELS("method", "route") }));
    check(spy_histogram_register(
        &histogram,
        &(struct spy_metric){ .name = "calls_seconds",
                              .help = "Durations",
                              .buckets = SPY_BUCKETS(.1, .2, .3, .4, .5, .6, .7, .8, .9, 1) }));
    bench_print("reference.fetch_add", bench_reference_ns(), "ns", 1);
    bench_print_ns("counter.1_thread", count, &counter, 1, OPS * 4);
    bench_print_ns("counter.2_threads", count, &counter, 2, OPS * 4);
    bench_print_ns("counter_with_2_labels.1_thread", look_up, &family, 1, OPS);
    bench_print_ns("counter_with_2_labels.2_threads", look_up, &family, 2, OPS);
    bench_print_ns("histogram_10_buckets.1_thread", observe, &histogram, 1, OPS);
    bench_print_ns("histogram_10_buckets.2_threads", observe, &histogram, 2, OPS);
    bench_print_ns("gauge_set.1_thread", set, &gauge, 1, OPS);
}

// ---- Exposition
// --------------------------------------------------------------------------------------------------

// The whole scrape lies here, as a host's answer would; touched before it is measured.
static struct {
    char *bytes;
    size_t len, cap;
} page;

static int collect(void *arg, const char *bytes, size_t n)
{
    (void)arg;
    if (n > page.cap - page.len) {
        return 1;
    }
    memcpy(page.bytes + page.len, bytes, n);
    page.len += n;
    return 0;
}

static void scrape(void)
{
    page.len = 0;
    if (spy_metrics_write(NULL, NULL, collect, NULL) != 0) {
        fprintf(stderr, "bench_metrics: a scrape failed\n");
        exit(1);
    }
}

// Memory of our own, by the page tables: not the pages of libc that a first thread brings in.
static double private_bytes(void)
{
    char line[128];
    double kilobytes = -1;
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    while (f && kilobytes < 0 && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "Anonymous:", 10) == 0) {
            kilobytes = strtod(line + 10, NULL);
        }
    }
    if (kilobytes < 0) {
        fprintf(stderr, "bench_metrics: /proc/self/smaps_rollup cannot be read\n");
        exit(1);
    }
    fclose(f);
    return kilobytes * 1024;
}

static void label(char ret[32], int i)
{
    snprintf(ret, 32, "/api/v1/things/%06d", i);
}

static void *touch_counters(void *arg)
{
    struct spy_counter family = *(struct spy_counter *)arg;
    char route[32];
    for (int i = 0; i < SERIES; i++) {
        label(route, i);
        spy_counter_add(spy_counter_with(family, "GET", route), (uint64_t)i);
    }
    return NULL;
}

static void *touch_histograms(void *arg)
{
    struct spy_histogram family = *(struct spy_histogram *)arg;
    char route[32];
    for (int i = 0; i < SERIES; i++) {
        label(route, i);
        spy_histogram_observe(spy_histogram_with(family, "GET", route), values[i % VALUES]);
    }
    return NULL;
}

static void *touch_nothing(void *arg)
{
    return arg;
}

static void run_thread(void *(*work)(void *arg), void *arg)
{
    pthread_t id;
    check(pthread_create(&id, NULL, work, arg));
    pthread_join(id, NULL);
}

// Series are made and touched by this thread, then touched by a second one, whose stack is there
// already.
static void print_memory(const char *kind, void *(*touch)(void *arg), void *family)
{
    char name[64];
    run_thread(touch_nothing, NULL);
    double before = private_bytes();
    touch(family);
    double first = private_bytes();
    run_thread(touch, family);
    double second = private_bytes();
    snprintf(name, sizeof(name), "memory.%s", kind);
    bench_print(name, (first - before) / SERIES, "bytes a series", -1);
    snprintf(name, sizeof(name), "memory.%s.further_thread", kind);
    bench_print(name, (second - first) / SERIES, "bytes a series", -1);
}

static void print_exposition(const char *kind)
{
    char name[64];
    double ms[BENCH_ROUNDS], copy_ms[BENCH_ROUNDS], ratios[BENCH_ROUNDS];
    scrape();
    double megabytes = (double)page.len / 1e6;
    char *copy = malloc(page.len);
    if (!copy) {
        exit(1);
    }
    memset(copy, 0, page.len);
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        double start = bench_cpu_ns();
        scrape();
        double scraped = bench_cpu_ns();
        memcpy(copy, page.bytes, page.len);
        __asm__ volatile("" : : "r"(copy) : "memory");
        copy_ms[i] = (bench_cpu_ns() - scraped) / 1e6;
        ms[i] = (scraped - start) / 1e6;
        ratios[i] = ms[i] / copy_ms[i];
    }
    free(copy);
    double median = bench_median(ms, BENCH_ROUNDS);
    snprintf(name, sizeof(name), "exposition.%s", kind);
    bench_print(name, median, "ms", bench_median(ratios, BENCH_ROUNDS));
    snprintf(name, sizeof(name), "exposition.%s.speed", kind);
    bench_print(name, megabytes / median * 1e3, "MB/s", -1);
    snprintf(name, sizeof(name), "exposition.%s.size", kind);
    bench_print(name, megabytes, "MB", -1);
    snprintf(name, sizeof(name), "reference.memcpy.%s", kind);
    bench_print(name, bench_median(copy_ms, BENCH_ROUNDS), "ms", 1);
}

static const struct spy_metric things = {
    .help = "Requests by method and route",
    .labels = SPY_LABELS("method", "route"),
    .buckets = SPY_BUCKETS(.1, .2, .3, .4, .5, .6, .7, .8, .9, 1),
    .series_max = SERIES,
};

static void open_page(void)
{
    page.cap = 160u * 1000 * 1000;
    page.bytes = malloc(page.cap);
    if (!page.bytes) {
        exit(1);
    }
    memset(page.bytes, 0, page.cap);
}

static void bench_counters(void)
{
    struct spy_counter family;
    struct spy_metric metric = things;
    metric.name = "things_total";
    check(spy_counter_register(&family, &metric));
    open_page();
    print_memory("100k_counters", touch_counters, &family);
    print_exposition("100k_counters");
}

static void bench_histograms(void)
{
    struct spy_histogram family;
    struct spy_metric metric = things;
    metric.name = "things_seconds";
    check(spy_histogram_register(&family, &metric));
    open_page();
    print_memory("100k_histograms", touch_histograms, &family);
    print_exposition("100k_histograms");
}

static void bench_peer(void)
{
    peer_prometheus_cpp(values, VALUES, SERIES);
}

// Each part in a process of its own, so that it begins with an empty registry and heap.
static void run(void (*part)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        part();
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "bench_metrics: a part failed\n");
        exit(1);
    }
}

int main(void)
{
    for (int i = 0; i < VALUES; i++) {
        values[i] = (double)(i * 389 % VALUES) / VALUES * 1.1;
    }
    run(bench_calls);
    run(bench_counters);
    run(bench_histograms);
    run(bench_peer);
    return 0;
}
