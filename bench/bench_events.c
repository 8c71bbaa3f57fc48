// Product events, from the caller to the event store: what a call costs, how many a second one process
// brings into the store, and what an outage costs in memory.
//
// Lines: name, value, unit, ratio. The caller's cost is CPU time, the median of bursts that its ring has
// room for, its ratio to an atomic add (bench.h).
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

// Events a second from the first call until the store has taken the last.
static void throughput(const char *url, const char *dir)
{
    start(url, dir, "throughput");
    publish(0); // the schema is there once the first has come
    for (int i = 0; i < WAIT_S * 100 && metric(SENT) < 1; i++) {
        pause_ms(10);
    }
    double before = metric(SENT);
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
static void outage(const char *dir)
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
    caller_cost(dir);
    outage(dir);
    if (url) {
        throughput(url, dir);
    } else {
        fprintf(stderr, "bench_events: there is no event store: events_per_second is left out\n");
    }
    stop_store();
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
