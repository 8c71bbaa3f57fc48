// Each value is read by itself: nothing is kept between scrapes, so there is no lock that a fork
// could leave locked.
#include "metrics/process.h"

#include <dirent.h>
#include <errno.h>
#include <math.h> // NAN and INFINITY alone: the core does not link libm
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics/family.h"
#include "metrics/procfs.h"

// How often a value is read at most: counting descriptors takes a while where there are many.
#define PERIOD_MS 1000

static double seconds(const struct timespec *t)
{
    return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static double read_cpu(void *arg)
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

static double read_resident(void *arg)
{
    (void)arg;
    return read_memory(true);
}

static double read_virtual(void *arg)
{
    (void)arg;
    return read_memory(false);
}

static double read_open_fds(void *arg)
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

static double read_max_fds(void *arg)
{
    struct rlimit limit;
    (void)arg;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
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

static double read_threads(void *arg)
{
    struct spy__process_stat stat;
    (void)arg;
    return read_stat(&stat) ? (double)stat.threads : NAN;
}

// The process's start by the wall clock: it does not move when that clock is set later, hence is
// taken once.
static double start_time_seconds;

static double read_start_time(void *arg)
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

static const struct {
    enum spy__kind kind;
    const char *name, *help;
    double (*read)(void *arg);
} values[] = {
    { SPY__COUNTER, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds",
      read_cpu },
    { SPY__GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes", read_resident },
    { SPY__GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes", read_virtual },
    { SPY__GAUGE, "process_open_fds", "Number of open file descriptors", read_open_fds },
    { SPY__GAUGE, "process_max_fds", "Maximum number of open file descriptors", read_max_fds },
    { SPY__GAUGE, "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds", read_start_time },
    { SPY__GAUGE, "process_threads", "Number of OS threads in the process", read_threads },
};

int spy__process_register(void)
{
    static unsigned registered; // guarded by the registry's lock
    int r = 0;
    spy__registry_lock();
    r = spy__registry_init();
    if (registered == 0) {
        start_time_seconds = find_start_time();
    }
    while (r == 0 && registered < sizeof(values) / sizeof(values[0])) {
        struct spy__family *f;
        r = spy__family_add(&f, values[registered].kind,
                            &(struct spy_metric){ .name = values[registered].name,
                                                  .help = values[registered].help },
                            &(struct spy__source){ .read = values[registered].read,
                                                   .period_ms = PERIOD_MS,
                                                   .optional = true });
        r = r == -EEXIST ? 0 : r; // the host's own
        registered += r == 0;
    }
    spy__registry_unlock();
    return r;
}
