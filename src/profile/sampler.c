// The collector and what is asked of it.
//
// Everything that is collected is guarded by `mu`: profiles under way, the history, slow requests. It
// is held for a copy and never for names, which are found afterwards.

#include "profile/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "metrics/dropped.h"
#include "profile/history.h"
#include "profile/names.h"
#include "profile/sessions.h"
#include "profile/watch.h"
#include "profile/workers.h"
#include "spyglass/metrics.h"

// How often rings are emptied: before the deepest stacks at the rate in force fill half of one.
#define COLLECT_MS 50
#define COLLECT_CONTINUOUS_MS 250

static struct {
    pthread_mutex_t mu;
    struct spy__sampler_options options; // guarded by mu, as is all that follows
    bool started;
    bool collecting; // the thread is there
    bool stop;
    pthread_t thread;
    pthread_cond_t changed; // by the monotonic clock; made with the thread
    struct spy__history *history;
} all = { .mu = PTHREAD_MUTEX_INITIALIZER };

static struct spy_counter cpu_samples, waited_samples, cost_seconds; // const after registration

int spy__sampler_register(void)
{
    struct spy_counter family;
    int err = spy_counter_register(
        &family, &(struct spy_metric){ .name = "spyglass_profile_samples_total",
                                       .help = "Samples that profiles took: of CPU time, and of "
                                               "time that operations waited",
                                       .labels = SPY_LABELS("kind") });
    if (err == 0) {
        cpu_samples = spy_counter_with(family, "cpu");
        waited_samples = spy_counter_with(family, "waited");
        err = spy_counter_register(
            &cost_seconds, &(struct spy_metric){ .name = "spyglass_profile_seconds_total",
                                                 .help = "Time that the host's threads spent on "
                                                         "being sampled, in seconds" });
    }
    return err;
}

// ---- rates

// CPU timers are looked at by the kernel's tick, which this clock tells.
static unsigned highest_hz(void)
{
    struct timespec tick = { 0 };
    (void)clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    unsigned hz = tick.tv_nsec > 0 ? 1000000000u / (unsigned)tick.tv_nsec : SPY__SAMPLER_HZ_MAX;
    return hz < SPY__SAMPLER_HZ_MAX ? hz : SPY__SAMPLER_HZ_MAX;
}

static unsigned rate_in_force(unsigned rate_hz)
{
    unsigned highest = highest_hz();
    return rate_hz == 0 || rate_hz > highest ? highest : rate_hz;
}

// At the highest rate a quarter of a tick, so that a signal tells the time since the last one to a
// quarter: how often the timer ran out meanwhile comes with it.
static uint64_t period_of(unsigned rate_hz)
{
    return rate_hz == 0              ? 0
           : rate_hz >= highest_hz() ? UINT64_C(250000000) / rate_hz
                                     : UINT64_C(1000000000) / rate_hz;
}

// Sets the timers to what is wanted now, and tells the host's threads whether anything is.
static void set_rate(uint64_t now_ns)
{
    unsigned rate_hz = spy__sessions_rate(now_ns);
    rate_hz = rate_hz > all.options.continuous_hz ? rate_hz : all.options.continuous_hz;
    if (rate_hz > 0) {
        all.options.watch(&spy__sampler_watch);
    }
    spy__workers_set_period(period_of(rate_hz));
    if (rate_hz == 0) {
        all.options.watch(NULL);
    }
}

// ---- collecting

struct collecting {
    uint64_t offset_ns; // since 1970 = monotonic + offset
    uint64_t cpu, waited, lost, cost_ns;
};

static void take(const struct collecting *now, const struct spy__sample *sample,
                 const struct spy__worker *worker)
{
    (void)spy__sessions_take(sample, worker->tid, worker->name);
    bool is_long = sample->kind == SPY__SAMPLE_WAITED && sample->weight_ns >= SPY__WAITS_LONG_NS;
    if (all.history && (sample->kind == SPY__SAMPLE_CPU || is_long) &&
        !spy__history_add(all.history, sample, worker->tid, worker->name,
                          sample->time_ns + now->offset_ns)) {
        spy__dropped(SPY__SIGNAL_PROFILE, SPY__DROP_MEMORY, 1);
    }
}

static void empty_ring(void *arg, struct spy__worker *worker)
{
    struct collecting *now = arg;
    struct spy__sample sample;
    while (spy__samples_pop(&worker->samples, &sample)) {
        now->cpu += sample.kind == SPY__SAMPLE_CPU;
        now->waited += sample.kind == SPY__SAMPLE_WAITED;
        now->cost_ns += sample.cost_ns;
        take(now, &sample, worker);
    }
    now->lost += spy__samples_lost(&worker->samples);
}

static void collect(void)
{
    struct collecting now = { .offset_ns = spy__realtime_ns() - spy__monotonic_ns() };
    spy__workers_each(empty_ring, &now);
    spy_counter_add(cpu_samples, now.cpu);
    spy_counter_add(waited_samples, now.waited);
    spy_counter_add_double(cost_seconds, (double)now.cost_ns / 1e9);
    if (now.lost > 0) {
        spy__dropped(SPY__SIGNAL_PROFILE, SPY__DROP_FULL, now.lost);
        spy__sessions_lost(now.lost);
    }
}

static void wait_a_while(void)
{
    struct timespec until;
    if (spy__sessions_open() == 0 && !all.history) {
        pthread_cond_wait(&all.changed, &all.mu);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (spy__sessions_open() > 0 ? COLLECT_MS : COLLECT_CONTINUOUS_MS) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&all.changed, &all.mu, &until);
}

static void *run(void *arg)
{
    (void)arg;
    (void)pthread_setname_np(pthread_self(), "spy-profile");
    pthread_mutex_lock(&all.mu);
    while (!all.stop) {
        collect();
        set_rate(spy__monotonic_ns());
        wait_a_while();
    }
    pthread_mutex_unlock(&all.mu);
    return NULL;
}

static int start_thread(void)
{
    pthread_condattr_t attr;
    sigset_t every, before;
    if (all.collecting) {
        return 0;
    }
    int err = pthread_condattr_init(&attr);
    if (err != 0) {
        return -err;
    }
    err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    err = err ? err : pthread_cond_init(&all.changed, &attr);
    pthread_condattr_destroy(&attr);
    if (err != 0) {
        return -err;
    }
    all.stop = false;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    err = pthread_create(&all.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        pthread_cond_destroy(&all.changed);
    }
    all.collecting = err == 0;
    return -err;
}

static void stop_thread(void)
{
    pthread_mutex_lock(&all.mu);
    bool joins = all.collecting;
    all.stop = true;
    if (joins) {
        pthread_cond_signal(&all.changed);
    }
    pthread_mutex_unlock(&all.mu);
    if (joins) {
        pthread_join(all.thread, NULL);
        pthread_mutex_lock(&all.mu);
        pthread_cond_destroy(&all.changed);
        all.collecting = false;
        pthread_mutex_unlock(&all.mu);
    }
}

// ---- start and stop

static int start_history(void)
{
    if (all.options.continuous_hz == 0) {
        return 0;
    }
    all.options.continuous_hz = rate_in_force(all.options.continuous_hz);
    int err = spy__workers_open(spy__watch_take, true);
    if (err != 0) {
        return err;
    }
    all.history = spy__history_new();
    return all.history ? 0 : -ENOMEM;
}

static void end_all(void)
{
    if (!all.started) {
        return;
    }
    all.options.watch(NULL);
    spy__watch_options(all.options.work, false);
    spy__workers_rest();
    spy__sessions_cancel();
    spy__history_free(all.history);
    all.history = NULL;
    all.options = (struct spy__sampler_options){ 0 };
    all.started = false;
}

int spy__sampler_start(const struct spy__sampler_options *options)
{
    pthread_mutex_lock(&all.mu);
    all.options = *options;
    int err = start_history();
    spy__watch_options(options->work, all.history != NULL);
    all.started = true;
    if (err == 0 && all.history) {
        err = start_thread();
        set_rate(spy__monotonic_ns());
    }
    if (err != 0) {
        end_all();
    }
    pthread_mutex_unlock(&all.mu);
    return err;
}

void spy__sampler_stop(void)
{
    stop_thread();
    pthread_mutex_lock(&all.mu);
    end_all();
    pthread_mutex_unlock(&all.mu);
}

// Whoever held the lock, and the collector, are not in the child. What they had is left where it is.
static void become_child(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    all.mu = unlocked;
    if (all.started) {
        all.options.watch(NULL);
    }
    spy__watch_options(all.options.work, false);
    spy__workers_forget();
    spy__sessions_forget();
    all.history = NULL;
    all.started = all.collecting = false;
}

static void watch_forks(void)
{
    // Without memory for the handler, a child's profiles fail; there is nobody to tell.
    (void)pthread_atfork(NULL, NULL, become_child);
}

void spy__sampler_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
}

// ---- profiles of requests and of the process

static int check_ask(const struct spy__profile_ask *ask, const struct spy__work *work)
{
    if (!all.started) {
        return -ENOTSUP;
    }
    if (!ask->whole_process && !work->correlation_id) {
        return -ENOENT;
    }
    return !ask->whole_process && spy__session_is_open(work->profile) ? -EALREADY : 0;
}

// Under the lock.
static int begin_session(uint32_t *ret, const struct spy__profile_ask *ask)
{
    struct spy__session_start start = { .ask = *ask,
                                        .now_ns = spy__monotonic_ns(),
                                        .realtime_ns = spy__realtime_ns() };
    if (all.started) {
        all.options.work(&start.work);
    }
    int err = check_ask(ask, &start.work);
    if (err == 0) {
        err = spy__workers_open(spy__watch_take, false);
        err = err == -EBUSY ? -EPERM : err;
    }
    err = err ? err : start_thread();
    if (err != 0) {
        return err;
    }
    unsigned seconds = ask->seconds_max ? ask->seconds_max : SPY__PROFILE_SECONDS_DEFAULT;
    start.ask.seconds_max = seconds < SPY__PROFILE_SECONDS_MAX ? seconds : SPY__PROFILE_SECONDS_MAX;
    start.ask.rate_hz = rate_in_force(ask->rate_hz);
    if (spy__sessions_open() == SPY__PROFILES_MAX) {
        return -EBUSY;
    }
    *ret = spy__sessions_begin(&start);
    if (*ret == 0) {
        return -ENOMEM;
    }
    set_rate(start.now_ns);
    pthread_cond_signal(&all.changed);
    return 0;
}

int spy__profile_begin(uint32_t *ret, const struct spy__profile_ask *ask)
{
    uint32_t profile;
    pthread_mutex_lock(&all.mu);
    int err = begin_session(&profile, ask);
    bool (*mark)(uint32_t) = all.options.mark;
    pthread_mutex_unlock(&all.mu);
    if (err != 0) {
        return err;
    }
    if (!ask->whole_process && !mark(profile)) {
        spy__profile_cancel(profile);
        return -ENOMEM;
    }
    if (!ask->whole_process) {
        spy__watch_marked(profile, (uintptr_t)__builtin_return_address(0));
    }
    *ret = profile;
    return 0;
}

static struct spy__profile *end_session(uint32_t profile)
{
    pthread_mutex_lock(&all.mu);
    const uint64_t now_ns = spy__monotonic_ns();
    collect();
    struct spy__profile *ended = spy__sessions_end(profile, now_ns);
    if (ended) {
        set_rate(now_ns);
    }
    pthread_mutex_unlock(&all.mu);
    return ended;
}

struct spy__profile *spy__profile_end(uint32_t profile)
{
    if (spy__session_is_open(profile)) {
        spy__watch_ending(profile);
    }
    struct spy__profile *ended = end_session(profile);
    if (ended) {
        spy__profile_name(ended);
    }
    return ended;
}

void spy__profile_cancel(uint32_t profile)
{
    spy__profile_free(end_session(profile));
}

// ---- the history

bool spy__profile_covered(uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    pthread_mutex_lock(&all.mu);
    bool covered = all.history != NULL;
    if (covered && !spy__history_covers(all.history, ret_from_ns, ret_to_ns)) {
        *ret_from_ns = *ret_to_ns = spy__realtime_ns(); // nothing yet
    }
    pthread_mutex_unlock(&all.mu);
    return covered;
}

// A profile for what the history has; NULL where there is none, or no memory. Under the lock, with
// all that was sampled collected.
static struct spy__profile *new_of_history(void)
{
    struct spy__profile *profile = all.history ? spy__profile_new() : NULL;
    if (profile) {
        profile->kind = SPY__PROFILE_WALL;
        profile->rate_hz = all.options.continuous_hz;
        collect();
    }
    return profile;
}

struct spy__profile *spy__profile_window(uint64_t from_ns, uint64_t to_ns)
{
    pthread_mutex_lock(&all.mu);
    struct spy__profile *profile = new_of_history();
    if (profile) {
        spy__history_window(all.history, from_ns, to_ns, profile);
    }
    pthread_mutex_unlock(&all.mu);
    if (profile) {
        spy__profile_name(profile);
    }
    return profile;
}

struct spy__profile *spy__profile_of_request(const struct spy__slow_request *request)
{
    pthread_mutex_lock(&all.mu);
    struct spy__profile *profile = new_of_history();
    if (profile) {
        spy__history_single(all.history, request, profile);
    }
    pthread_mutex_unlock(&all.mu);
    if (profile) {
        spy__profile_name(profile);
    }
    return profile;
}

void spy__profile_keep_slow(const struct spy__slow_request *request)
{
    pthread_mutex_lock(&all.mu);
    if (all.history) {
        collect();
        (void)spy__history_keep(all.history, request);
    }
    pthread_mutex_unlock(&all.mu);
}

size_t spy__profile_list_slow(struct spy__slow_request *ret, size_t max)
{
    pthread_mutex_lock(&all.mu);
    size_t n = all.history ? spy__history_kept(all.history, ret, max) : 0;
    pthread_mutex_unlock(&all.mu);
    return n;
}

struct spy__profile *spy__profile_of_slow(const char *id)
{
    pthread_mutex_lock(&all.mu);
    struct spy__profile *profile = new_of_history();
    bool found = profile && spy__history_slow(all.history, id, profile);
    pthread_mutex_unlock(&all.mu);
    if (!found) {
        spy__profile_free(profile);
        return NULL;
    }
    spy__profile_name(profile);
    return profile;
}
