// Product events, from the caller to the event store: what a call costs, how many a second one process
// brings into the store, and what an outage costs in memory and in a call's time.
//
// Lines: name, value, unit, ratio. The caller's cost is CPU time, the median of bursts that its ring has
// room for, its ratio to an atomic add (bench.h). A call's p99 is of a hundred thousand calls, one every
// 10 us (paced.h), with the store there and with nobody there, its ratio of the one to the other. CPU
// time of an event is that of this process, callers and all, and of the store until the last is taken.
// The store is the one of CLICKHOUSE_URL, else a spyglass-events of our own, where its engine is
// there; else what needs one is left out. Goals: spy_event 60 ns, 100,000 events a second, 64 MiB.

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

#include "bench.h"
#include "paced.h"

#define EVENTS 1000000u
#define BURST 500
#define BURSTS 200
#define WAIT_S 300
#define STOP_MS 60000u

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void publish(uint64_t number)
{
    spy_event("meme_generated", spy_uint("number", number), spy_str("template_id", "drake"),
              spy_double("quality_score", 0.875), spy_str("user_id", "user-12345"),
              spy_double("generation_time", 1.25));
}

// ---- the store

static pid_t store;

// Starts spyglass-events with its data in `dir`. Its address, or NULL where it cannot be had.
static const char *start_store(const char *dir)
{
    static char url[128];
    char data[128], line[256] = "";
    int out[2];
    (void)snprintf(data, sizeof(data), "%s/data", dir);
    if (pipe(out) != 0) {
        return NULL;
    }
    store = fork();
    if (store == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        execl(EVENTS_PROGRAM, EVENTS_PROGRAM, "--data", data, "--listen", "127.0.0.1:0", NULL);
        _exit(127);
    }
    (void)close(out[1]);
    FILE *file = fdopen(out[0], "r");
    const char *at = file && fgets(line, sizeof(line), file) ? strstr(line, "http://") : NULL;
    (void)snprintf(url, sizeof(url), "%.*s", at ? (int)strcspn(at, " \n") : 0, at ? at : "");
    return at ? url : NULL; // the pipe stays open: it may say more
}

static void stop_store(void)
{
    if (store > 0) {
        (void)kill(store, SIGTERM);
        (void)waitpid(store, NULL, 0);
    }
}

// CPU seconds of the store so far; 0 where it is not ours.
static double store_cpu_s(void)
{
    char path[64], line[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)store);
    FILE *file = store > 0 ? fopen(path, "re") : NULL;
    if (!file) {
        return 0;
    }
    char *at = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    (void)fclose(file);
    for (int field = 2; at && field < 14; field++) { // user is the 14th, system the next (proc(5))
        at = strchr(at + 1, ' ');
    }
    unsigned long user = at ? strtoul(at, &at, 10) : 0, system = at ? strtoul(at, NULL, 10) : 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// ---- metrics

// The value of a series, looked for in a scrape that is kept whole.
static int keep(void *arg, const char *bytes, size_t n)
{
    FILE *file = arg;
    return fwrite(bytes, 1, n, file) == n ? 0 : -EIO;
}

static double metric(const char *series)
{
    char *text = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&text, &n);
    double value = -1;
    if (file && spy_metrics_write(NULL, NULL, keep, file) == 0 && fflush(file) == 0) {
        const char *at = strstr(text, series);
        value = at ? strtod(at + strlen(series), NULL) : -1;
    }
    if (file) {
        (void)fclose(file);
    }
    free(text);
    return value;
}

static void start(const char *url, const char *dir, const char *name)
{
    char state[128];
    (void)snprintf(state, sizeof(state), "%s/%s", dir, name);
    if (spy_start(&(struct spy_options){ .service = "bench",
                                         .state_dir = state,
                                         .clickhouse_url = url,
                                         .journal_max_bytes = UINT64_C(2) << 30,
                                         .full_wait_ms = 10000,
                                         .log_level = SPY_LEVEL_WARN }) != 0) {
        fprintf(stderr, "bench_events: %s\n", spy_start_error());
        exit(1);
    }
}

#define SENT "\nspyglass_delivery_sent_total{backend=\"clickhouse\"} "

// ---- what is measured

static void call(void *arg, unsigned long i)
{
    (void)arg;
    publish(i);
}

static void await_sent(double events)
{
    for (int i = 0; i < WAIT_S * 100 && metric(SENT) < events; i++) {
        pause_ms(10);
    }
}

static void print_latency(const struct paced *up, const struct paced *down)
{
    if (up->all.p99_ns > 0) {
        bench_print("call_p50_store_up", up->all.p50_ns, "ns", -1);
        bench_print("call_p99_store_up", up->all.p99_ns, "ns", -1);
    }
    bench_print("call_p50_store_down", down->all.p50_ns, "ns",
                up->all.p50_ns > 0 ? down->all.p50_ns / up->all.p50_ns : -1);
    bench_print("call_p99_store_down", down->all.p99_ns, "ns",
                up->all.p99_ns > 0 ? down->all.p99_ns / up->all.p99_ns : -1);
}

// Events a second from the first call until the store has taken the last.
static void throughput(const char *url, const char *dir, struct paced *ret_latency)
{
    start(url, dir, "throughput");
    publish(0); // the schema is there once the first has come
    await_sent(1);
    paced_run(ret_latency, call, NULL, NULL);
    await_sent(1 + PACED_CALLS);
    double before = metric(SENT), own_s = own_cpu_s(), store_s = store_cpu_s();
    uint64_t begun_ns = monotonic_ns(), end_ns = begun_ns + WAIT_S * UINT64_C(1000000000);
    for (uint64_t i = 0; i < EVENTS; i++) {
        publish(i);
    }
    double called_s = (double)(monotonic_ns() - begun_ns) / 1e9;
    while (metric(SENT) < before + EVENTS && monotonic_ns() < end_ns) {
        pause_ms(10);
    }
    double s = (double)(monotonic_ns() - begun_ns) / 1e9;
    bench_print("events_per_second", (metric(SENT) - before) / s, "events/s", -1);
    bench_print("calls_per_second", EVENTS / called_s, "events/s", -1);
    bench_print("own_cpu_per_event", (own_cpu_s() - own_s) * 1e9 / EVENTS, "ns", -1);
    if (store > 0) {
        bench_print("store_cpu_per_event", (store_cpu_s() - store_s) * 1e9 / EVENTS, "ns", -1);
    }
    (void)spy_stop(STOP_MS);
}

static void caller_cost(const char *dir)
{
    start("http://127.0.0.1:9", dir, "caller"); // the discard port: nobody is there
    double ns[BURSTS], reference_ns = bench_reference_ns();
    for (int i = 0; i < BURSTS; i++) {
        double begun_ns = bench_cpu_ns();
        for (uint64_t k = 0; k < BURST; k++) {
            publish(k);
        }
        ns[i] = (bench_cpu_ns() - begun_ns) / BURST;
        pause_ms(20);
    }
    double median_ns = bench_median(ns, BURSTS);
    bench_print("spy_event", median_ns, "ns", median_ns / reference_ns);
    (void)spy_stop(STOP_MS);
}

// The heap's growth while nobody takes what a hundred thousand events a second bring.
static void outage(const char *dir, struct paced *ret_latency)
{
    struct mallinfo2 before = mallinfo2();
    double most = 0;
    start("http://127.0.0.1:9", dir, "outage");
    for (uint64_t i = 0; i < EVENTS; i++) {
        publish(i);
        if (i % 1000 == 0) {
            struct mallinfo2 now = mallinfo2();
            double bytes =
                (double)(now.uordblks + now.hblkhd) - (double)(before.uordblks + before.hblkhd);
            most = bytes > most ? bytes : most;
        }
    }
    pause_ms(3000); // until it has looked at what waits
    bench_print("outage_heap_peak", most / (1 << 20), "MiB", -1);
    bench_print("outage_waiting",
                metric("\nspyglass_delivery_waiting_records{backend=\"clickhouse\"} "), "events",
                -1);
    paced_run(ret_latency, call, NULL, NULL);
    (void)spy_stop(0);
}

int main(void)
{
    char dir[] = "/tmp/bench_events.XXXXXX", command[64];
    if (!mkdtemp(dir)) {
        perror("bench_events");
        return 1;
    }
    const char *given = getenv("CLICKHOUSE_URL");
    const char *url = given && given[0] ? given : start_store(dir);
    struct paced up = { 0 }, down;
    caller_cost(dir);
    outage(dir, &down);
    if (url) {
        throughput(url, dir, &up);
    } else {
        fprintf(stderr, "bench_events: there is no event store: events_per_second is left out\n");
    }
    print_latency(&up, &down);
    stop_store();
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
