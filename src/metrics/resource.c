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

#include "base/clock.h"
#include "metrics/system.h"

#define FIRST_PERIOD_MS 100
#define SETTLE_MS_MAX 20000 // of a machine that has much else to do

static const char *const names[SPY__RESOURCES] = { "cpu", "memory", "disk" };

static const struct {
    const char *name, *help;
} files[SPY__FILESYSTEM_VALUES] = {
    [SPY__FILESYSTEM_SIZE] = { "filesystem_size_bytes", "Size of the file system" },
    [SPY__FILESYSTEM_FREE] = { "filesystem_free_bytes", "Free bytes, those kept for root too" },
    [SPY__FILESYSTEM_AVAILABLE] = { "filesystem_avail_bytes",
                                    "Bytes that an ordinary user may still use" },
    [SPY__FILESYSTEM_INODES] = { "filesystem_files", "File nodes that the file system may hold" },
    [SPY__FILESYSTEM_INODES_FREE] = { "filesystem_files_free", "File nodes that are free" },
};

static int register_usage(struct spy__resource_sampler *s)
{
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

int spy__resource_sampler_init(struct spy__resource_sampler *s, const char *proc, const char *root,
                               const char *disk)
{
    *s = (struct spy__resource_sampler){ .proc = proc, .disk = disk };
    spy__cgroup_find(&s->cgroup, proc, root);
    int r = register_usage(s);
    for (int i = 0; r == 0 && i < SPY__FILESYSTEM_VALUES; i++) {
        r = spy_gauge_register(&s->files[i], &(struct spy_metric){ .name = files[i].name,
                                                                   .help = files[i].help,
                                                                   .labels = SPY_LABELS("path") });
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
static bool sample_machine_cpu(struct spy__resource_sampler *s, double *ret, bool *ret_known)
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

// A group with a quota: how much of that it has used.
static bool sample_cpu(struct spy__resource_sampler *s, double *ret, bool *ret_known)
{
    double cpus;
    uint64_t ns;
    if (!spy__cgroup_cpus(&s->cgroup, &cpus)) {
        s->have_group_ns = false;
        return sample_machine_cpu(s, ret, ret_known);
    }
    if (!spy__cgroup_cpu_ns(&s->cgroup, &ns)) {
        return false;
    }
    uint64_t now = spy__monotonic_ns();
    *ret_known = s->have_group_ns && now > s->group_at_ns;
    if (*ret_known) {
        double used = ns > s->group_ns ? (double)(ns - s->group_ns) : 0;
        double percent = used / ((double)(now - s->group_at_ns) * cpus) * 100;
        *ret = percent > 100 ? 100 : percent;
    }
    s->group_ns = ns;
    s->group_at_ns = now;
    s->have_group_ns = true;
    return true;
}

static bool sample_memory(struct spy__resource_sampler *s, double *ret, bool *ret_known)
{
    char text[4096];
    uint64_t limit, used, kib;
    *ret_known = true;
    if (!read_proc(s, "meminfo", text, sizeof(text))) {
        return false;
    }
    if (spy__cgroup_memory(&s->cgroup, &limit, &used) &&
        spy__parse_named(text, "MemTotal:", &kib) && limit / 1024 < kib) {
        *ret = used < limit ? (double)used / (double)limit * 100 : 100;
        return true;
    }
    return spy__parse_memory_percent(text, ret);
}

static bool sample_disk(struct spy__resource_sampler *s, double *ret, bool *ret_known)
{
    struct statvfs disk;
    *ret_known = true;
    if (statvfs(s->disk, &disk) != 0) {
        return false;
    }
    *ret = spy__disk_percent(disk.f_blocks, disk.f_bfree, disk.f_bavail);
    const double unit = (double)disk.f_frsize;
    const double now[SPY__FILESYSTEM_VALUES] = {
        [SPY__FILESYSTEM_SIZE] = (double)disk.f_blocks * unit,
        [SPY__FILESYSTEM_FREE] = (double)disk.f_bfree * unit,
        [SPY__FILESYSTEM_AVAILABLE] = (double)disk.f_bavail * unit,
        [SPY__FILESYSTEM_INODES] = (double)disk.f_files,
        [SPY__FILESYSTEM_INODES_FREE] = (double)disk.f_ffree,
    };
    for (int i = 0; i < SPY__FILESYSTEM_VALUES; i++) {
        spy_gauge_set(spy_gauge_with(s->files[i], s->disk), now[i]);
    }
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

// One start's. The thread's, once it is abandoned: it frees it.
struct sampling {
    struct spy__resource_sampler sampler; // the thread's
    unsigned period_s;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;               // stop, settled or ended, by the monotonic clock
    bool stop, settled, ended, abandoned; // guarded by mu
    char disk[];
};

static struct sampling *running; // a forked child's is its parent's
static pid_t running_pid;        // of the process whose thread it is, 0 for none; atomic

static bool is_running(void)
{
    return __atomic_load_n(&running_pid, __ATOMIC_ACQUIRE) == getpid();
}

// Waits until *flag, for ms at most; returns it.
static bool wait_for(struct sampling *s, const bool *flag, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&s->mu);
    for (int r = 0; !*flag && r == 0;) {
        r = pthread_cond_timedwait(&s->changed, &s->mu, &until);
    }
    bool is_set = *flag;
    pthread_mutex_unlock(&s->mu);
    return is_set;
}

static void set_flag(struct sampling *s, bool *flag)
{
    pthread_mutex_lock(&s->mu);
    *flag = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mu);
}

static void free_sampling(struct sampling *s)
{
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mu);
    free(s);
}

static void *run(void *arg)
{
    struct sampling *s = arg;
    (void)pthread_setname_np(pthread_self(), "spy-resource");
    spy__resource_sample(&s->sampler);
    bool stop = wait_for(s, &s->stop, FIRST_PERIOD_MS);
    while (!stop) {
        spy__resource_sample(&s->sampler);
        set_flag(s, &s->settled);
        stop = wait_for(s, &s->stop, (uint64_t)s->period_s * 1000);
    }
    pthread_mutex_lock(&s->mu);
    s->ended = true;
    pthread_cond_broadcast(&s->changed);
    const bool is_ours = s->abandoned;
    pthread_mutex_unlock(&s->mu);
    if (is_ours) {
        free_sampling(s);
    }
    return NULL;
}

// With all signals blocked: they are for the host's threads.
static int start_thread(struct sampling *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static int init_changed(struct sampling *s)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) {
        return -ENOMEM;
    }
    int r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    r = r ? r : pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    return -r;
}

int spy__resource_start(unsigned period_s, const char *disk)
{
    if (is_running()) {
        return -EALREADY;
    }
    free(running); // a parent's
    running = NULL;
    const size_t disk_bytes = strlen(disk) + 1;
    struct sampling *s = calloc(1, sizeof(*s) + disk_bytes);
    if (!s) {
        return -ENOMEM;
    }
    memcpy(s->disk, disk, disk_bytes);
    s->period_s = period_s;
    int r = spy__resource_sampler_init(&s->sampler, "/proc", "", s->disk);
    r = r ? r : spy__system_register("/proc", "");
    r = r ? r : init_changed(s);
    if (r != 0) {
        free(s);
        return r;
    }
    pthread_mutex_init(&s->mu, NULL);
    r = start_thread(s);
    if (r != 0) {
        free_sampling(s);
        return r;
    }
    running = s;
    __atomic_store_n(&running_pid, getpid(), __ATOMIC_RELEASE);
    return 0;
}

void spy__resource_stop(unsigned timeout_ms)
{
    if (!is_running()) {
        return;
    }
    struct sampling *s = running;
    __atomic_store_n(&running_pid, 0, __ATOMIC_RELEASE);
    running = NULL;
    set_flag(s, &s->stop);
    (void)wait_for(s, &s->ended, timeout_ms);
    pthread_mutex_lock(&s->mu);
    const pthread_t thread = s->thread;
    const bool ended = s->ended;
    s->abandoned = !ended;
    pthread_mutex_unlock(&s->mu);
    if (ended) {
        pthread_join(thread, NULL);
        free_sampling(s);
    } else {
        pthread_detach(thread);
    }
}

bool spy__resource_settled(void)
{
    return !is_running() || wait_for(running, &running->settled, 0);
}

void spy__resource_wait_settled(void)
{
    if (is_running()) {
        (void)wait_for(running, &running->settled, SETTLE_MS_MAX);
    }
}
