// What log lines cost their callers and the pump, beside write(2) and spdlog in the same run.
//
// The same machine makes the same calls without a logger beside it: reference.timer_… of an empty
// one, reference.copy_… of a bare copy of 200 bytes and a release store.
//
// alone.log_… is of those calls that had their core to themselves (paced.h), alone_share how many
// those were; reference.work_p50_ns is a fixed piece of arithmetic beside the calls, its ratio to the
// best it did.
//
// Ring size and pump period are at their defaults, the rings in a file of a state directory. Goals:
// log_p50_ns 40, log_p99_ns 250, log_p999_ns 500, timer included; log_line_in_file_p99_ms 20;
// encode_lines_per_second_devnull 3,500,000; file_vs_write2 0.7; and 2.5 times spdlog's lines a
// second. Figures are medians of ROUNDS runs, the peer's run beside each. Ratios: of nanoseconds to
// an atomic add, of lines a second to spdlog's.
//
// Lines a second are by the clock on the wall, of a caller and the pump at once: on a machine that
// does other things beside, they say more about those. pump_cpu_ns_per_line is processor time.
#include <spyglass/spyglass.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "log_line.h"
#include "paced.h"
#include "peer_spdlog.h"

#define ROUNDS 7
#define LINES 1000000ul
#define FILE_BYTES 1000000000ul

static char folder[128], state_dir[160], log_path[160];
static size_t line_bytes;

static void check(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench_log: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

// ---- the two loggers

static void open_ours(const char *path)
{
    int err = spy_start(&(struct spy_options){ .service = LOG_SERVICE,
                                               .state_dir = state_dir,
                                               .log_file = path,
                                               .log_format = SPY_LOG_JSON,
                                               .full_wait_ms = 60000,
                                               .log_repeats_max = SPY_REPEATS_UNLIMITED });
    errno = -err;
    check(err == 0, spy_start_error());
}

static void enter_request(void)
{
    (void)spy_context_begin(LOG_CORRELATION_ID, "00-" LOG_TRACE_ID "-" LOG_SPAN_ID "-01");
}

static void write_ours(unsigned long i)
{
    spy_info("request_served", spy_int("status_code", 200), spy_bool("cached", false),
             spy_double("duration_ms", log_duration(i)), spy_str("authorization", "Bearer 9d2c60"),
             spy_str("user_agent", LOG_AGENT));
}

static void close_ours(void)
{
    check(spy_stop(60000) == 0, "the pump did not end");
}

struct logger {
    void (*open)(const char *path);
    void (*line)(unsigned long i);
    void (*close)(void);
};
static const struct logger ours = { open_ours, write_ours, close_ours };
#ifdef HAVE_SPDLOG
static const struct logger spdlog = { peer_spdlog_open, peer_spdlog_line, peer_spdlog_close };
#endif

// ---- one call at a time

// Sizes of the log file over time, as another thread saw them.
struct watch {
    int fd;
    unsigned long count;
    bool over; // atomic
    struct {
        uint64_t ns;
        off_t size;
    } seen[20000];
};

static void *watch_file(void *arg)
{
    struct watch *w = arg;
    struct timespec period = { .tv_nsec = 1000000 };
    struct stat st;
    while (!__atomic_load_n(&w->over, __ATOMIC_ACQUIRE) && w->count < 20000) {
        if (fstat(w->fd, &st) == 0) {
            w->seen[w->count].ns = spy__realtime_ns();
            w->seen[w->count++].size = st.st_size;
        }
        nanosleep(&period, NULL);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The 99th percentile of the time from a call to the first look at the file that found its line
// there. Lines lie in the file in the order of their calls, behind `before` bytes of others.
static double late_p99_ms(const struct watch *w, const uint64_t *made, const char *path,
                          size_t before)
{
    static double late[PACED_CALLS];
    static char text[1 << 16];
    size_t at = before, number = 0, seen = 0, n;
    FILE *file = fopen(path, "re");
    check(file && fseek(file, (long)before, SEEK_SET) == 0, path);
    while (number < PACED_CALLS && fgets(text, sizeof(text), file)) {
        n = strlen(text);
        at += n;
        while (seen < w->count && w->seen[seen].size < (off_t)at) {
            seen++;
        }
        check(seen < w->count, "a line came after the last look at its file");
        late[number] =
            w->seen[seen].ns < made[number] ? 0 : (double)(w->seen[seen].ns - made[number]) / 1e6;
        number++;
    }
    (void)fclose(file);
    check(number == PACED_CALLS, "lines are missing");
    qsort(late, PACED_CALLS, sizeof(late[0]), compare);
    return late[PACED_CALLS / 100 * 99];
}

static void call_line(void *arg, unsigned long i)
{
    ((const struct logger *)arg)->line(i);
}

static size_t file_size(const char *path)
{
    struct stat st;
    check(stat(path, &st) == 0, path);
    return (size_t)st.st_size;
}

static void run_paced(const struct logger *logger, struct paced *ret, double *ret_late_ms)
{
    static uint64_t made[PACED_CALLS];
    static struct watch w;
    pthread_t thread;
    logger->open(log_path);
    for (unsigned long i = 0; i < 1000; i++) { // warm up
        logger->line(i);
    }
    struct timespec while_it_settles = { .tv_nsec = 300000000 };
    nanosleep(&while_it_settles, NULL);
    size_t before = file_size(log_path);
    w = (struct watch){ .fd = open(log_path, O_RDONLY | O_CLOEXEC) };
    check(w.fd >= 0, log_path);
    check(pthread_create(&thread, NULL, watch_file, &w) == 0, "no thread");
    paced_run(ret, call_line, (void *)(uintptr_t)logger, made);
    nanosleep(&while_it_settles, NULL);
    __atomic_store_n(&w.over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    if (ret_late_ms) {
        *ret_late_ms = late_p99_ms(&w, made, log_path, before);
    }
    close(w.fd);
    logger->close();
    line_bytes = file_size(log_path) / (PACED_CALLS + 1000);
    (void)unlink(log_path);
}

static void print_percentiles(const char *prefix, const struct paced_percentiles of[ROUNDS], int n,
                              double reference_ns)
{
    double p50[ROUNDS], p99[ROUNDS], p999[ROUNDS];
    char name[64];
    for (int i = 0; i < n; i++) {
        p50[i] = of[i].p50_ns;
        p99[i] = of[i].p99_ns;
        p999[i] = of[i].p999_ns;
    }
    const struct {
        const char *name;
        double *values;
    } all[] = { { "p50_ns", p50 }, { "p99_ns", p99 }, { "p999_ns", p999 } };
    for (size_t i = 0; i < 3 && n > 0; i++) {
        double ns = bench_median(all[i].values, n);
        (void)snprintf(name, sizeof(name), "%s%s", prefix, all[i].name);
        bench_print(name, ns, "ns", ns / reference_ns);
    }
}

static void print_paced(const char *prefix, const struct paced runs[ROUNDS], double reference_ns)
{
    struct paced_percentiles all[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        all[i] = runs[i].all;
    }
    print_percentiles(prefix, all, ROUNDS, reference_ns);
}

// Of those calls that had the core to themselves; `runs` are compared with the empty call's.
static void print_alone(const char *prefix, const struct paced runs[ROUNDS],
                        const struct paced timer_runs[ROUNDS], double reference_ns)
{
    struct paced_percentiles alone[ROUNDS];
    double share = 0, work[ROUNDS];
    int n = 0;
    for (int i = 0; i < ROUNDS; i++) {
        work[i] = runs[i].work_p50_ns;
        if (paced_was_alone(&runs[i], runs, ROUNDS) &&
            paced_was_alone(&runs[i], timer_runs, ROUNDS)) {
            alone[n++] = runs[i].alone;
            share += runs[i].alone_share / ROUNDS;
        }
    }
    print_percentiles(prefix, alone, n, reference_ns);
    bench_print("alone_share", share, "of the calls", -1);
    double best = timer_runs[0].work_best_ns;
    for (int i = 1; i < ROUNDS; i++) {
        best = timer_runs[i].work_best_ns < best ? timer_runs[i].work_best_ns : best;
    }
    double ns = bench_median(work, ROUNDS);
    bench_print("reference.work_p50_ns", ns, "ns", ns / best);
}

static void nothing(void *arg, unsigned long i)
{
    (void)arg;
    (void)i;
}

// What no logger is quicker than: so many bytes, copied and published. Nobody reads them.
#define COPY_BYTES 200

static void copy(void *arg, unsigned long i)
{
    static unsigned char from[COPY_BYTES], ring[256u << 10];
    static uint64_t head;
    const size_t at = i * 256 % sizeof(ring);
    (void)arg;
    memcpy(ring + at, from, COPY_BYTES);
    __atomic_store_n(&head, i, __ATOMIC_RELEASE);
}

static void bench_paced(void)
{
    struct paced our_runs[ROUNDS], timer_runs[ROUNDS], copy_runs[ROUNDS];
    double late[ROUNDS], reference_ns = bench_reference_ns();
#ifdef HAVE_SPDLOG
    struct paced their_runs[ROUNDS];
#endif
    for (int i = 0; i < ROUNDS; i++) {
        paced_run(&timer_runs[i], nothing, NULL, NULL);
        paced_run(&copy_runs[i], copy, NULL, NULL);
        run_paced(&ours, &our_runs[i], &late[i]);
#ifdef HAVE_SPDLOG
        run_paced(&spdlog, &their_runs[i], NULL);
#endif
    }
    print_paced("reference.timer_", timer_runs, reference_ns);
    print_paced("reference.copy_", copy_runs, reference_ns);
    print_paced("log_", our_runs, reference_ns);
    print_alone("alone.log_", our_runs, timer_runs, reference_ns);
    bench_print("log_line_in_file_p99_ms", bench_median(late, ROUNDS), "ms", -1);
    bench_print("log_line_bytes", (double)line_bytes, "bytes", -1);
#ifdef HAVE_SPDLOG
    print_paced("spdlog_sync.log_", their_runs, reference_ns);
#endif
}

// ---- as many as there can be

struct job {
    const struct logger *logger;
    unsigned long lines;
    double cpu_ns; // that it took
};

static void *write_lines(void *arg)
{
    struct job *job = arg;
    double before = bench_cpu_ns();
    enter_request();
    for (unsigned long i = 0; i < job->lines; i++) {
        job->logger->line(i);
    }
    job->cpu_ns = bench_cpu_ns() - before;
    return NULL;
}

static double process_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct rate {
    double lines_per_second; // until all of them are in the file
    double other_cpu_ns;     // a line's, of all threads but those that log
};

static struct rate rate_of(const struct logger *logger, const char *path, int threads,
                           unsigned long lines)
{
    pthread_t ids[2];
    struct job jobs[2];
    logger->open(path);
    const uint64_t start_ns = spy__monotonic_ns();
    double cpu_ns = process_cpu_ns();
    for (int i = 0; i < threads; i++) {
        jobs[i] = (struct job){ logger, lines / (unsigned long)threads, 0 };
        check(pthread_create(&ids[i], NULL, write_lines, &jobs[i]) == 0, "no thread");
    }
    double callers_ns = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        callers_ns += jobs[i].cpu_ns;
    }
    logger->close();
    double seconds = (double)(spy__monotonic_ns() - start_ns) / 1e9;
    cpu_ns = process_cpu_ns() - cpu_ns - callers_ns;
    (void)unlink(log_path);
    return (struct rate){ (double)lines / seconds, cpu_ns / (double)lines };
}

static void bench_lines(const char *name, const char *path, int threads)
{
    double rates[ROUNDS], cpu_ns[ROUNDS];
#ifdef HAVE_SPDLOG
    double theirs[ROUNDS], ratios[ROUNDS];
    char their_name[64];
#endif
    for (int i = 0; i < ROUNDS; i++) {
        struct rate rate = rate_of(&ours, path, threads, LINES);
        rates[i] = rate.lines_per_second;
        cpu_ns[i] = rate.other_cpu_ns;
#ifdef HAVE_SPDLOG
        theirs[i] = rate_of(&spdlog, path, threads, LINES).lines_per_second;
        ratios[i] = rates[i] / theirs[i];
#endif
    }
#ifdef HAVE_SPDLOG
    bench_print(name, bench_median(rates, ROUNDS), "lines/s", bench_median(ratios, ROUNDS));
    (void)snprintf(their_name, sizeof(their_name), "spdlog_sync.%s", name);
    bench_print(their_name, bench_median(theirs, ROUNDS), "lines/s", 1);
#else
    bench_print(name, bench_median(rates, ROUNDS), "lines/s", -1);
#endif
    if (strcmp(path, "/dev/null") == 0) {
        bench_print("pump_cpu_ns_per_line", bench_median(cpu_ns, ROUNDS), "ns", -1);
    }
}

// What write(2) makes of so many bytes of such lines, in pieces as the pump's.
static double write_bytes_per_second(unsigned long bytes)
{
    static char piece[256u << 10];
    memset(piece, 'x', sizeof(piece));
    int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    check(fd >= 0, log_path);
    uint64_t start_ns = spy__monotonic_ns();
    for (unsigned long done = 0; done < bytes;) {
        ssize_t n = write(fd, piece, sizeof(piece));
        check(n > 0, "write");
        done += (unsigned long)n;
    }
    double seconds = (double)(spy__monotonic_ns() - start_ns) / 1e9;
    close(fd);
    (void)unlink(log_path);
    return (double)bytes / seconds;
}

static void bench_file(void)
{
    double ratios[ROUNDS], speeds[ROUNDS];
    unsigned long lines = FILE_BYTES / line_bytes;
    for (int i = 0; i < ROUNDS; i++) {
        double written = write_bytes_per_second(FILE_BYTES);
        speeds[i] = rate_of(&ours, log_path, 1, lines).lines_per_second * (double)line_bytes;
        ratios[i] = speeds[i] / written;
    }
    bench_print("log_megabytes_per_second_file", bench_median(speeds, ROUNDS) / 1e6, "MB/s", -1);
    bench_print("file_vs_write2", bench_median(ratios, ROUNDS), "of write(2)", -1);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%.100s/bench_log.XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    check(mkdtemp(folder) != NULL, folder);
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", folder);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    enter_request();
    bench_print("reference.fetch_add", bench_reference_ns(), "ns", 1);
    bench_paced();
    bench_lines("encode_lines_per_second_devnull", "/dev/null", 1);
    bench_lines("log_lines_per_second_1t", log_path, 1);
    bench_lines("log_lines_per_second_2t", log_path, 2);
    bench_file();
    char command[200];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
