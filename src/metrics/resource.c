// The sampler, and the thread that runs it.
#include "metrics/resource.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PERIOD_MS 100
#define SETTLE_MS_MAX 20000 // of a machine that has much else to do

static const char *const names[SPY__RESOURCES] = { "cpu", "memory", "disk" };

int spy__resource_sampler_init(struct spy__resource_sampler *s, const char *proc, const char *disk)
{
    *s = (struct spy__resource_sampler){ .proc = proc, .disk = disk };
    int r = spy_gauge_register(&s->usage,
                               &(struct spy_metric){ .name = "resource_usage",
                                                     .help = "System resource usage",
                                                     .labels = SPY_LABELS("resource_type") });
    if (r != 0) {
        return r;
    }
    r = spy_counter_register(
        &s->errors, &(struct spy_metric){ .name = "spyglass_resource_errors_total",
                                          .help = "Values of resource_usage that could not be read",
                                          .labels = SPY_LABELS("resource_type") });
    for (int i = 0; r == 0 && i < SPY__RESOURCES; i++) {
        (void)spy_counter_with(s->errors, names[i]);
    }
    return r;
}

static bool read_proc(const struct spy__resource_sampler *s, const char *file, char *ret,
                      size_t cap)
{
    char path[256];
    int n = snprintf(path, sizeof(path), "%s/%s", s->proc, file);
    return n > 0 && (size_t)n < sizeof(path) && spy__procfs_read(path, ret, cap) > 0;
}

// Each writes the percentage, and *ret_known false where there is none yet; returns false where it
// cannot be read.
static bool sample_cpu(struct spy__resource_sampler *s, double *ret, bool *ret_known)
{
    char text[512]; // its first line is enough
    struct spy__cpu_ticks now;
    if (!read_proc(s, "stat", text, sizeof(text)) || !spy__parse_cpu(text, &now)) {
        return false;
    }
    *ret_known = s->have_ticks;
    if (s->have_ticks) {
        *ret = spy__cpu_percent(&s->ticks, &now);
    }
    s->ticks = now;
    s->have_ticks = true;
    return true;
}

static bool sample_memory(struct spy__resource_sampler *s, double *ret, bool *ret_known)
{
    char text[4096];
    *ret_known = true;
    return read_proc(s, "meminfo", text, sizeof(text)) && spy__parse_memory_percent(text, ret);
}

static bool sample_disk(struct spy__resource_sampler *s, double *ret, bool *ret_known)
{
    struct statvfs disk;
    *ret_known = true;
    if (statvfs(s->disk, &disk) != 0) {
        return false;
    }
    *ret = spy__disk_percent(disk.f_blocks, disk.f_bfree, disk.f_bavail);
    return true;
}

void spy__resource_sample(struct spy__resource_sampler *s)
{
    static bool (*const samples[SPY__RESOURCES])(struct spy__resource_sampler * s, double *ret,
                                                 bool *ret_known) = { sample_cpu, sample_memory,
                                                                      sample_disk };
    for (int i = 0; i < SPY__RESOURCES; i++) {
        double percent = 0;
        bool known = false;
        if (!samples[i](s, &percent, &known)) {
            spy_counter_inc(spy_counter_with(s->errors, names[i]));
        } else if (known) {
            spy_gauge_set(spy_gauge_with(s->usage, names[i]), percent);
        }
    }
}

// ---- The thread
// --------------------------------------------------------------------------------------------------

static struct {
    struct spy__resource_sampler sampler; // the thread's
    char *disk;                           // const while it runs
    unsigned period_s;                    // const while it runs
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed; // stop or settled, by the monotonic clock
    bool stop;              // guarded by mu
    bool settled;           // guarded by mu
    pid_t pid; // of the process whose thread it is, 0 for none; atomic: a forked child has no such
               // thread
} running;

static bool is_running(void)
{
    return __atomic_load_n(&running.pid, __ATOMIC_ACQUIRE) == getpid();
}

// Waits until *flag, for ms at most; returns it.
static bool wait_for(const bool *flag, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&running.mu);
    for (int r = 0; !*flag && r == 0;) {
        r = pthread_cond_timedwait(&running.changed, &running.mu, &until);
    }
    bool is_set = *flag;
    pthread_mutex_unlock(&running.mu);
    return is_set;
}

static void set_flag(bool *flag)
{
    pthread_mutex_lock(&running.mu);
    *flag = true;
    pthread_cond_broadcast(&running.changed);
    pthread_mutex_unlock(&running.mu);
}

static void *run(void *arg)
{
    (void)arg;
    (void)pthread_setname_np(pthread_self(), "spy-resource");
    spy__resource_sample(&running.sampler);
    bool stop = wait_for(&running.stop, FIRST_PERIOD_MS);
    while (!stop) {
        spy__resource_sample(&running.sampler);
        set_flag(&running.settled);
        stop = wait_for(&running.stop, (uint64_t)running.period_s * 1000);
    }
    return NULL;
}

// With all signals blocked: they are for the host's threads.
static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&running.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static int init_changed(void)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) {
        return -ENOMEM;
    }
    int r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    r = r ? r : pthread_cond_init(&running.changed, &attr);
    pthread_condattr_destroy(&attr);
    return -r;
}

int spy__resource_start(unsigned period_s, const char *disk)
{
    if (is_running()) {
        return -EALREADY;
    }
    free(running.disk); // a parent's, or that of a start that failed
    running.disk = strdup(disk);
    if (!running.disk) {
        return -ENOMEM;
    }
    running.period_s = period_s;
    running.stop = running.settled = false;
    pthread_mutex_init(&running.mu, NULL);
    int r = spy__resource_sampler_init(&running.sampler, "/proc", running.disk);
    r = r ? r : init_changed();
    if (r != 0) {
        return r;
    }
    r = start_thread();
    if (r != 0) {
        pthread_cond_destroy(&running.changed);
        return r;
    }
    __atomic_store_n(&running.pid, getpid(), __ATOMIC_RELEASE);
    return 0;
}

void spy__resource_stop(void)
{
    if (!is_running()) {
        return;
    }
    set_flag(&running.stop);
    pthread_join(running.thread, NULL);
    __atomic_store_n(&running.pid, 0, __ATOMIC_RELEASE);
    pthread_cond_destroy(&running.changed);
    free(running.disk);
    running.disk = NULL;
}

bool spy__resource_settled(void)
{
    return !is_running() || wait_for(&running.settled, 0);
}

void spy__resource_wait_settled(void)
{
    if (is_running()) {
        (void)wait_for(&running.settled, SETTLE_MS_MAX);
    }
}
