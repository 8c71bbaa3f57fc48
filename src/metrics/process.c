// Each value is read by itself: nothing is kept between scrapes, so there is no lock that a fork
// could leave locked.
#include "metrics/process.h"

#include <dirent.h>
#include <malloc.h>
#include <math.h> // NAN and INFINITY alone: the core does not link libm
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics/collector.h"
#include "metrics/family.h"
#include "metrics/procfs.h"

static double seconds(const struct timespec *t)
{
    return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static double read_cpu(const void *arg)
{
    struct timespec t;
    (void)arg;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? seconds(&t) : NAN;
}

// Bytes of virtual memory, or of resident memory.
static double read_memory(bool resident)
{
    char text[256];
    uint64_t pages[2];
    if (spy__procfs_read("/proc/self/statm", text, sizeof(text)) < 0 ||
        !spy__parse_process_memory(text, &pages[0], &pages[1])) {
        return NAN;
    }
    return (double)pages[resident] * (double)sysconf(_SC_PAGESIZE);
}

static double read_resident(const void *arg)
{
    (void)arg;
    return read_memory(true);
}

static double read_virtual(const void *arg)
{
    (void)arg;
    return read_memory(false);
}

static double read_open_fds(const void *arg)
{
    (void)arg;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) {
        return NAN;
    }
    double n = -1; // the directory's own descriptor
    for (struct dirent *entry; (entry = readdir(dir));) {
        n += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return n;
}

// arg: a resource of getrlimit(2).
static double read_limit(const void *arg)
{
    struct rlimit limit;
    if (getrlimit(*(const __rlimit_resource_t *)arg, &limit) != 0) {
        return NAN;
    }
    return limit.rlim_cur == RLIM_INFINITY ? INFINITY : (double)limit.rlim_cur;
}

static bool read_stat(struct spy__process_stat *ret)
{
    char text[1024];
    return spy__procfs_read("/proc/self/stat", text, sizeof(text)) > 0 &&
           spy__parse_process_stat(text, ret);
}

static double read_threads(const void *arg)
{
    struct spy__process_stat stat;
    (void)arg;
    return read_stat(&stat) ? (double)stat.threads : NAN;
}

// The process's start by the wall clock: it does not move when that clock is set later, hence is
// taken once.
static double start_time_seconds;

static double read_start_time(const void *arg)
{
    (void)arg;
    return start_time_seconds;
}

static double find_start_time(void)
{
    struct spy__process_stat stat;
    struct timespec now, since_boot;
    if (!read_stat(&stat) || clock_gettime(CLOCK_REALTIME, &now) != 0 ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
        return NAN;
    }
    double hz = (double)sysconf(_SC_CLK_TCK);
    double start = seconds(&now) - (seconds(&since_boot) - (double)stat.start_ticks / hz);
    return (double)(uint64_t)(start * hz + 0.5) / hz; // a whole number of ticks
}

// What the kernel counts for all threads of the process, the ended ones too.
enum usage { FAULTS_MINOR, FAULTS_MAJOR, SWITCHES_VOLUNTARY, SWITCHES_INVOLUNTARY };

static double read_usage(const void *arg)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return NAN;
    }
    const long values[] = { [FAULTS_MINOR] = usage.ru_minflt,
                            [FAULTS_MAJOR] = usage.ru_majflt,
                            [SWITCHES_VOLUNTARY] = usage.ru_nvcsw,
                            [SWITCHES_INVOLUNTARY] = usage.ru_nivcsw };
    return (double)values[*(const enum usage *)arg];
}

// arg: the line's name in /proc/self/io, which may be closed to the process itself.
static double read_io(const void *arg)
{
    char text[512];
    uint64_t bytes;
    return spy__procfs_read("/proc/self/io", text, sizeof(text)) > 0 &&
                   spy__parse_named(text, arg, &bytes)
               ? (double)bytes
               : NAN;
}

// ---- malloc, of glibc (mallinfo(3))

enum heap { HEAP_ARENAS, HEAP_MMAPPED, HEAP_ALLOCATED, HEAP_FREE, HEAP_USED };

static double read_heap(const void *arg)
{
#ifdef __GLIBC__
    const struct mallinfo2 info = mallinfo2();
    const size_t values[] = { [HEAP_ARENAS] = info.arena,
                              [HEAP_MMAPPED] = info.hblkhd,
                              [HEAP_ALLOCATED] = info.uordblks,
                              [HEAP_FREE] = info.fordblks,
                              [HEAP_USED] = info.uordblks + info.hblkhd };
    return info.arena + info.hblkhd > 0 ? (double)values[*(const enum heap *)arg] : NAN;
#else
    (void)arg;
    return NAN;
#endif
}

// malloc_info(3) writes an element "heap" for each arena.
static double read_arenas(const void *arg)
{
    double n = NAN;
    (void)arg;
#ifdef __GLIBC__
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) {
        return NAN;
    }
    int r = malloc_info(0, stream);
    if (fclose(stream) == 0 && r == 0) {
        n = 0;
        for (const char *at = text; (at = strstr(at, "<heap ")); at++) {
            n++;
        }
    }
    free(text);
#endif
    return n > 0 ? n : NAN;
}

static const struct spy__collector values[] = {
    { SPY__COUNTER, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds",
      read_cpu, NULL },
    { SPY__GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes", read_resident,
      NULL },
    { SPY__GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes", read_virtual,
      NULL },
    { SPY__GAUGE, "process_virtual_memory_max_bytes",
      "Maximum amount of virtual memory available in bytes", read_limit,
      &(const __rlimit_resource_t){ RLIMIT_AS } },
    { SPY__GAUGE, "process_heap_bytes", "Process heap size in bytes", read_heap,
      &(const enum heap){ HEAP_USED } },
    { SPY__GAUGE, "process_open_fds", "Number of open file descriptors", read_open_fds, NULL },
    { SPY__GAUGE, "process_max_fds", "Maximum number of open file descriptors", read_limit,
      &(const __rlimit_resource_t){ RLIMIT_NOFILE } },
    { SPY__GAUGE, "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds", read_start_time, NULL },
    { SPY__GAUGE, "process_threads", "Number of OS threads in the process", read_threads, NULL },
    { SPY__COUNTER, "process_minor_page_faults_total", "Page faults that needed no I/O", read_usage,
      &(const enum usage){ FAULTS_MINOR } },
    { SPY__COUNTER, "process_major_page_faults_total", "Page faults that needed I/O", read_usage,
      &(const enum usage){ FAULTS_MAJOR } },
    { SPY__COUNTER, "process_voluntary_context_switches_total",
      "Times that a thread gave its processor up to wait", read_usage,
      &(const enum usage){ SWITCHES_VOLUNTARY } },
    { SPY__COUNTER, "process_involuntary_context_switches_total",
      "Times that a thread's processor was taken from it", read_usage,
      &(const enum usage){ SWITCHES_INVOLUNTARY } },
    { SPY__COUNTER, "process_disk_read_bytes_total", "Bytes fetched from storage", read_io,
      "read_bytes: " },
    { SPY__COUNTER, "process_disk_written_bytes_total", "Bytes sent to storage", read_io,
      "write_bytes: " },
    { SPY__GAUGE, "malloc_arenas", "Arenas of malloc", read_arenas, NULL },
    { SPY__GAUGE, "malloc_arena_bytes", "Memory that malloc's arenas hold, used or free", read_heap,
      &(const enum heap){ HEAP_ARENAS } },
    { SPY__GAUGE, "malloc_mmapped_bytes", "Memory of malloc's blocks outside its arenas", read_heap,
      &(const enum heap){ HEAP_MMAPPED } },
    { SPY__GAUGE, "malloc_allocated_bytes", "Memory in malloc's arenas that is in use", read_heap,
      &(const enum heap){ HEAP_ALLOCATED } },
    { SPY__GAUGE, "malloc_free_bytes", "Memory in malloc's arenas that is free", read_heap,
      &(const enum heap){ HEAP_FREE } },
};

int spy__process_register(void)
{
    static unsigned registered; // guarded by the registry's lock
    spy__registry_lock();
    int r = spy__registry_init();
    if (registered == 0) {
        start_time_seconds = find_start_time();
    }
    r = r ? r : spy__collectors_add(values, sizeof(values) / sizeof(values[0]), &registered);
    spy__registry_unlock();
    return r;
}
