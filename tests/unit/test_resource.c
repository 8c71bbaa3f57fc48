// The collectors: text of /proc to numbers, the sampler on a made-up /proc, and what a process says
// of itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "metrics/process.h"
#include "metrics/procfs.h"
#include "metrics/resource.h"
#include "scrape.h"
#include "tsan.h"

#if UNDER_TSAN || defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

static void cpu_ticks(void **state)
{
    (void)state;
    struct spy__cpu_ticks t = { 0 };
    // user nice system idle iowait irq softirq steal guest guest_nice
    assert_true(spy__parse_cpu("cpu  10 20 30 400 50 6 7 8 9 1\ncpu0 1 2 3 4\n", &t));
    assert_int_equal(t.total, 531);
    assert_int_equal(t.busy, 81);
    assert_true(spy__parse_cpu("cpu 1 2 3 4", &t)); // an old kernel
    assert_int_equal(t.total, 10);
    static const char *const bad[] = { "",
                                       "cpu",
                                       "cpu0 1 2 3 4",
                                       "cpu  1 2 3",
                                       "cpu x",
                                       "cpu -1 2",
                                       "cpu  99999999999999999999 1 1 1" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(spy__parse_cpu(bad[i], &t));
    }
    assert_int_equal(t.total, 10); // left as it was
}

static void cpu_percent(void **state)
{
    (void)state;
    const struct spy__cpu_ticks before = { 100, 1000 };
    assert_true(spy__cpu_percent(&before, &(struct spy__cpu_ticks){ 125, 1100 }) == 25);
    assert_true(spy__cpu_percent(&before, &(struct spy__cpu_ticks){ 200, 1100 }) == 100);
    assert_true(spy__cpu_percent(&before, &(struct spy__cpu_ticks){ 201, 1100 }) == 100);
    assert_true(spy__cpu_percent(&before, &(struct spy__cpu_ticks){ 99, 1100 }) == 0);
    assert_true(spy__cpu_percent(&before, &before) == 0);
    assert_true(spy__cpu_percent(&before, &(struct spy__cpu_ticks){ 90, 900 }) == 0);
}

static void memory_and_disk(void **state)
{
    (void)state;
    double percent = -1;
    assert_true(spy__parse_memory_percent(
        "MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:\t500 kB\n", &percent));
    assert_true(percent == 75);
    static const char *const bad[] = { "",
                                       "MemTotal: 2000 kB\n",
                                       "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
                                       "MemTotal: 1 kB\nMemAvailable: 2 kB\n",
                                       "xMemTotal: 2 kB\nMemAvailable: 1 kB\n",
                                       "MemTotal:\nMemAvailable:\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(spy__parse_memory_percent(bad[i], &percent));
    }
    // Ten of a hundred blocks are kept for root.
    assert_true(spy__disk_percent(100, 55, 45) == 50);
    assert_true(spy__disk_percent(100, 0, 0) == 100);
    assert_true(spy__disk_percent(0, 0, 0) == 0);
}

static void process_stat(void **state)
{
    (void)state;
    struct spy__process_stat s = { 0 };
    assert_true(spy__parse_process_stat(
        "1 (a) b) ((c) S 1 1 1 0 -1 4194560 1 1 1 1 5 6 0 0 20 0 13 0 777 1 1\n", &s));
    assert_int_equal(s.threads, 13);
    assert_int_equal(s.start_ticks, 777);
    static const char *const bad[] = { "", "1 a S 1", "1 (a)",
                                       "1 (a) S 1 1 1 0 -1 4194560 1 1 1 1 5 6 0 0 20 0 13",
                                       "1 (a) S 1 1 1 0 -1 4194560 1 1 1 1 5 6 0 0 20 0 x 0 777" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(spy__parse_process_stat(bad[i], &s));
    }
    uint64_t virtual = 0, resident = 0;
    assert_true(spy__parse_process_memory("100 20 3 4 0 5 0\n", &virtual, &resident));
    assert_true(virtual == 100 && resident == 20);
    assert_false(spy__parse_process_memory("100", &virtual, &resident));
}

// A made-up /proc in a directory of its own.
static char proc[] = "/tmp/spyglass-proc-XXXXXX";

static void path_of(char ret[64], const char *file)
{
    snprintf(ret, 64, "%s/%s", proc, file);
}

static void write_file(const char *file, const char *text)
{
    char path[64];
    path_of(path, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_file(const char *file)
{
    char path[64];
    path_of(path, file);
    unlink(path);
}

static double usage(const char *type)
{
    char series[64];
    snprintf(series, sizeof(series), "resource_usage{resource_type=\"%s\"}", type);
    return scrape_value(series);
}

static double errors(const char *type)
{
    char series[64];
    snprintf(series, sizeof(series), "spyglass_resource_errors_total{resource_type=\"%s\"}", type);
    return scrape_value(series);
}

static void sampler(void **state)
{
    (void)state;
    struct spy__resource_sampler s;
    assert_non_null(mkdtemp(proc));
    write_file("stat", "cpu  100 0 0 900 0 0 0 0 0 0\n");
    write_file("meminfo", "MemTotal: 1000 kB\nMemAvailable: 750 kB\n");
    assert_int_equal(spy__resource_sampler_init(&s, proc, "", proc), 0);
    assert_true(errors("cpu") == 0 && errors("memory") == 0 && errors("disk") == 0);
    spy__resource_sample(&s);
    assert_true(isnan(usage("cpu"))); // not one sample, not a made-up zero
    assert_true(usage("memory") == 25);
    assert_true(usage("disk") > 0 && usage("disk") <= 100);
    write_file("stat", "cpu  130 0 0 970 0 0 0 0 0 0\n");
    spy__resource_sample(&s);
    assert_true(usage("cpu") == 30);
    // It goes on when something cannot be read.
    write_file("stat", "nonsense");
    remove_file("meminfo");
    s.disk = "/nonexistent";
    spy__resource_sample(&s);
    assert_true(errors("cpu") == 1 && errors("memory") == 1 && errors("disk") == 1);
    assert_true(usage("cpu") == 30 && usage("memory") == 25);
    write_file("stat", "cpu  180 0 0 1020 0 0 0 0 0 0\n");
    write_file("meminfo", "MemTotal: 1000 kB\nMemAvailable: 100 kB\n");
    spy__resource_sample(&s);
    assert_true(usage("cpu") == 50 && usage("memory") == 90);
    remove_file("stat");
    remove_file("meminfo");
    rmdir(proc);
}

static void the_thread(void **state)
{
    (void)state;
    assert_true(spy__resource_settled()); // there is none
    spy__resource_stop(60000);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(spy__resource_start(3600, "/"), 0);
        assert_int_equal(spy__resource_start(3600, "/"), -EALREADY);
        spy__resource_wait_settled();
        assert_true(spy__resource_settled());
        spy__resource_stop(60000);
    }
    assert_true(usage("cpu") >= 0 && usage("memory") > 0 && usage("disk") > 0);
    assert_int_equal(spy__resource_start(3600, "/"), 0);
    spy__resource_stop(60000); // before it has settled
}

static sem_t inside, go_on;
static bool file_system_is_mute; // atomic

int __real_statvfs64(const char *path, struct statvfs64 *ret);
int __wrap_statvfs64(const char *path, struct statvfs64 *ret);
int __wrap_statvfs64(const char *path, struct statvfs64 *ret)
{
    if (__atomic_exchange_n(&file_system_is_mute, false, __ATOMIC_SEQ_CST)) {
        sem_post(&inside);
        while (sem_wait(&go_on) != 0) {
        }
    }
    return __real_statvfs64(path, ret);
}

// A stop waits no longer than it is told to, and the next start has a thread that works.
static void a_file_system_that_does_not_answer(void **state)
{
    (void)state;
    sem_init(&inside, 0, 0);
    sem_init(&go_on, 0, 0);
    __atomic_store_n(&file_system_is_mute, true, __ATOMIC_SEQ_CST);
    assert_int_equal(spy__resource_start(3600, "/"), 0);
    assert_int_equal(sem_wait(&inside), 0);
    assert_false(spy__resource_settled());
    spy__resource_stop(1);
    assert_true(spy__resource_settled()); // there is none
    assert_int_equal(spy__resource_start(3600, "/"), 0);
    spy__resource_wait_settled();
    assert_true(spy__resource_settled());
    sem_post(&go_on);
    spy__resource_stop(60000);
}

// A forked child has no such thread, and may start its own.
static void the_thread_of_a_parent(void **state)
{
    (void)state;
    assert_int_equal(spy__resource_start(3600, "/"), 0);
    pid_t pid = fork();
    if (pid == 0) {
        spy__resource_wait_settled();
        bool settled = spy__resource_settled();
        spy__resource_stop(60000);
        _exit(settled ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    spy__resource_stop(60000);
}

static void the_process(void **state)
{
    (void)state;
    assert_int_equal(spy__process_register(), 0);
    assert_int_equal(spy__process_register(), 0);
    assert_true(scrape_value("process_cpu_seconds_total") > 0);
    double resident = scrape_value("process_resident_memory_bytes");
    assert_true(resident > 1e5 && resident <= scrape_value("process_virtual_memory_bytes"));
    assert_true(scrape_value("process_open_fds") >= 3);
    assert_true(scrape_value("process_open_fds") <= scrape_value("process_max_fds"));
    assert_true(scrape_value("process_threads") >= 1);
    double now = (double)time(NULL), start = scrape_value("process_start_time_seconds");
    assert_true(start > now - 3600 && start <= now + 1);
    assert_true(scrape_value("process_virtual_memory_max_bytes") > 0);
    assert_true(scrape_value("process_minor_page_faults_total") > 0);
    assert_true(scrape_value("process_major_page_faults_total") >= 0);
    assert_true(scrape_value("process_involuntary_context_switches_total") >= 0);
    char *text = scrape();
    assert_non_null(strstr(text, "# TYPE process_cpu_seconds_total counter\n"));
    assert_non_null(strstr(text, "# TYPE process_threads gauge\n"));
    free(text);
}

// Values move by what was done meanwhile. A sanitizer's malloc is not the one that is looked at.
static void they_move(void **state)
{
    enum { BYTES = 4 << 20 };
    struct spy__fake_clock clock = { .monotonic_ns = spy__monotonic_ns(), .realtime_ns = 1 };
    (void)state;
    assert_int_equal(spy__process_register(), 0);
    spy__clock_fake(&clock);
    clock.monotonic_ns += 1000000000; // a value is read once a second at most
    double faults = scrape_value("process_minor_page_faults_total");
    double switches = scrape_value("process_voluntary_context_switches_total");
    double heap = scrape_value("process_heap_bytes"), arenas = scrape_value("malloc_arenas");
    char *block = malloc(BYTES);
    assert_non_null(block);
    memset(block, 1, BYTES);
    assert_int_equal(nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL), 0);
    clock.monotonic_ns += 1000000000;
    assert_true(scrape_value("process_minor_page_faults_total") > faults);
    assert_true(scrape_value("process_voluntary_context_switches_total") > switches);
#if !UNDER_SANITIZER
    assert_true(scrape_value("process_heap_bytes") >= heap + BYTES);
    assert_true(scrape_value("malloc_mmapped_bytes") >= BYTES);
    assert_true(arenas >= 1);
    assert_true(scrape_value("malloc_arena_bytes") >= scrape_value("malloc_allocated_bytes"));
#else
    (void)heap;
    (void)arenas;
#endif
    free(block);
    spy__clock_fake(NULL);
}

// In a child, for it comes before any other registration.
static void a_metric_that_the_host_has_is_left_to_it(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct spy_gauge own;
        int r = spy_gauge_register(&own, &(struct spy_metric){ .name = "process_open_fds" });
        spy_gauge_set(own, 12345);
        r = r ? r : spy__process_register();
        r = r ? r : spy__process_register();
        _exit(r != 0 || scrape_value("process_open_fds") != 12345 ||
              !(scrape_value("process_cpu_seconds_total") > 0) ||
              !(scrape_value("process_threads") >= 1));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_ticks),
        cmocka_unit_test(cpu_percent),
        cmocka_unit_test(memory_and_disk),
        cmocka_unit_test(process_stat),
        cmocka_unit_test(sampler),
        cmocka_unit_test(the_thread),
        cmocka_unit_test(a_file_system_that_does_not_answer),
        cmocka_unit_test(the_thread_of_a_parent),
        cmocka_unit_test(a_metric_that_the_host_has_is_left_to_it),
        cmocka_unit_test(the_process),
        cmocka_unit_test(they_move),
    };
    return cmocka_run_group_tests_name("resource", tests, NULL, NULL);
}
