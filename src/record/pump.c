// The thread, its rounds, and what fork() makes of them.
//
// Invariant: whatever a round has put into its batch and not yet accounted for is not given back to
// its ring, so that what is in the rings is what is not settled. All of the pump's state is used
// with mu held, and let go of for write(2), for waiting, and for opening files: so a fork finds the
// state of masks, encoders and whoever keeps records whole. Lock order: mu, then the rings' own.

#include "record/pump.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "record/recover.h"
#include "record/rings.h"
#include "record/round.h"

// Between two rounds, as little as to empty a busy ring before it is half full, as much as a line
// may be late when all is quiet.
#define PERIOD_MIN_MS 1u
#define PERIOD_MAX_MS 10u
// How much of a ring the fullest one should hold when a round comes, in eighths: the more, the fewer
// rounds, each of which costs a wake and a sleep, however little it finds; at half, callers wake the
// pump themselves.
#define WANTED_EIGHTHS 3u
// So many periods without a record, and the pump sleeps until a caller wakes it: an idle host has
// no timer running.
#define IDLE_PERIODS_MAX 25u
// A start waits so long for the replay of what a dead process left.
#define REPLAY_WAIT_MS 10000u

static struct {
    pthread_mutex_t mu;
    pthread_cond_t moved; // something was settled, the replay is over, the thread ends

    // Atomic, only rises: runs up to this number must stop writing.
    unsigned abandoned;
    bool reopen; // atomic: asked for by spy__pump_reopen()

    // All below is guarded by mu.
    struct spy__pump_options options;
    char *state_dir;      // NULL: nothing outlives the process
    struct spy__run *run; // NULL: nothing runs
    unsigned number;
    pthread_t thread;
    uint64_t asked, settled; // flushes: asked for, done
    bool stopping, stalled, replayed, ended;
    bool child; // after fork(): no thread, callers write themselves
} pump = { .mu = PTHREAD_MUTEX_INITIALIZER };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_condition(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pump.moved, &attr);
    pthread_condattr_destroy(&attr);
}

// CLOCK_MONOTONIC, the system's own: a test's fake clock must not hold a thread for ever.
static struct timespec deadline_in(clockid_t clock, unsigned ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

static bool run_abandoned(void *arg)
{
    const struct spy__run *run = arg;
    return __atomic_load_n(&pump.abandoned, __ATOMIC_RELAXED) >= run->number;
}

// ---- the thread

// By what the last period brought; at most twice as long.
static unsigned next_period(unsigned period_ms, size_t most)
{
    const size_t set = pump.options.ring_bytes, ring_bytes = set ? set : SPY__RING_BYTES_DEFAULT;
    const size_t wanted = ring_bytes / 8 * WANTED_EIGHTHS;
    size_t next_ms = 2 * period_ms;
    if (most > wanted / 2) {
        next_ms = period_ms * wanted / most;
    }
    return next_ms < PERIOD_MIN_MS   ? PERIOD_MIN_MS
           : next_ms > PERIOD_MAX_MS ? PERIOD_MAX_MS
                                     : (unsigned)next_ms;
}

// Lets go of mu for a while.
static void wait_for_work(unsigned period_ms, unsigned idle_periods, unsigned rest_ms)
{
    unsigned wait_ms = idle_periods >= IDLE_PERIODS_MAX ? rest_ms : period_ms;
    pthread_mutex_unlock(&pump.mu);
    spy__rings_wait(wait_ms);
    pthread_mutex_lock(&pump.mu);
}

static void reopen_if_asked(struct spy__run *run)
{
    if (__atomic_exchange_n(&pump.reopen, false, __ATOMIC_RELAXED)) {
        pthread_mutex_unlock(&pump.mu);
        spy__sink_reopen(&run->writer.sink);
        pthread_mutex_lock(&pump.mu);
    }
}

// A destination that takes something again is stuck no more.
static void note_moves(struct spy__run *run)
{
    if (run->moved) {
        pump.stalled = run->moved = false;
    }
}

// Rounds until the end, or until the run is abandoned.
static void go_round(struct spy__run *run)
{
    unsigned period_ms = PERIOD_MAX_MS, idle_periods = 0;
    while (!run_abandoned(run)) {
        uint64_t asked = pump.asked;
        bool last = pump.stopping;
        size_t most;
        reopen_if_asked(run);
        if (run_abandoned(run) || !spy__round(run, &most)) {
            return;
        }
        note_moves(run);
        if (pump.settled < asked) {
            pump.settled = asked;
            pthread_cond_broadcast(&pump.moved);
        }
        unsigned rest_ms = pump.options.tend ? pump.options.tend(most == 0 && last) : UINT_MAX;
        if (most == 0 && last) {
            (void)spy__round_last(run);
            return;
        }
        period_ms = next_period(period_ms, most);
        idle_periods = most > 0 || spy__repeats_waiting(run->repeats) ? 0 : idle_periods + 1;
        if (pump.asked == pump.settled && !pump.stopping) {
            wait_for_work(period_ms, idle_periods, rest_ms);
        }
    }
}

static void free_run(struct spy__run *run)
{
    spy__drain_done(&run->drain);
    spy__round_done(run);
    free(run);
}

static void *pump_thread(void *arg)
{
    struct spy__run *run = arg;
    pthread_mutex_lock(&pump.mu);
    if (!pump.state_dir || spy__round_replay(run, pump.state_dir)) {
        pump.replayed = true;
        pthread_cond_broadcast(&pump.moved);
        go_round(run);
    }
    if (!run_abandoned(run)) {
        pump.ended = true;
        pump.run = NULL; // it is freed below: a child that is forked now must not look at it
        pthread_cond_broadcast(&pump.moved);
    }
    pthread_mutex_unlock(&pump.mu);
    spy__writer_close(&run->writer);
    free_run(run);
    return NULL;
}

// ---- fork

static void lock_before_fork(void)
{
    pthread_mutex_lock(&pump.mu);
}

static void unlock_in_parent(void)
{
    pthread_mutex_unlock(&pump.mu);
}

// The child has one thread, this one, which holds the lock; nobody waits on the condition any more,
// whatever it says. What is in the rings belongs to the parent, and the batch with it.
static void become_child(void)
{
    init_condition();
    if (pump.run) {
        pump.child = true;
        pump.stalled = false;
        spy__writer_forget(&pump.run->writer);
        if (pump.run->writer.sink.kind >= SPY__SINK_SYSLOG) {
            pump.run->writer.sink.syslog.zone_fixed = true;
        }
    }
    pthread_mutex_unlock(&pump.mu);
}

// Before anybody has taken mu: a child must not find it taken.
static void init_once(void)
{
    init_condition();
    spy__rings_hold_over_fork(); // mu is taken before their locks
    (void)pthread_atfork(lock_before_fork, unlock_in_parent, become_child);
}

struct direct {
    struct spy__writer *writer;
    uint64_t deadline_ns;
    unsigned reached;
    uint64_t written[SPY__LEVELS];
};

static bool past(void *arg)
{
    const struct direct *d = arg;
    return spy__monotonic_ns() >= d->deadline_ns;
}

static void write_guarded(void *arg)
{
    struct direct *d = arg;
    d->reached = spy__writer_write(d->writer, past, d, d->written);
}

bool spy__pump_write_direct(const struct spy__record *record)
{
    pthread_mutex_lock(&pump.mu);
    struct spy__run *run = pump.child ? pump.run : NULL;
    if (run && record->kind != SPY__KIND_LOG) {
        pump.options.lost(SPY__LOSS_STOPPED, record->kind, 1); // the journal is the parent's
    } else if (run) {
        unsigned wait_ms = pump.stalled ? 0 : pump.options.full_wait_ms;
        struct direct d = {
            &run->writer, spy__monotonic_ns() + (uint64_t)wait_ms * 1000000u, 0, { 0 }
        };
        struct spy__record now = *record;
        now.time_ns = now.time_ns ? now.time_ns : spy__realtime_ns();
        (void)spy__mask_record(run->masker, &now);
        spy__writer_add(&run->writer, &now);
        spy__stream_guard(write_guarded, &d);
        pump.stalled = d.reached < run->writer.batch.count;
        spy__writer_account(&run->writer, d.reached, d.written);
    }
    pthread_mutex_unlock(&pump.mu);
    return run != NULL;
}

// ---- start

// A thread of ours never runs a signal handler of the host.
static int start_thread(struct spy__run *run)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&pump.thread, NULL, pump_thread, run);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err == 0) {
        (void)pthread_setname_np(pump.thread, "spyglass-pump");
    }
    return -err;
}

static int open_rings(const struct spy__pump_options *options, int *ret_why)
{
    struct spy__rings_options rings = {
        .state_dir = options->state_dir,
        .slots = options->slots,
        .ring_bytes = options->ring_bytes,
        .full_wait_ms = options->full_wait_ms,
        .lost = options->lost,
    };
    int why = 0, err = options->state_dir ? spy__recover_set_aside(options->state_dir) : 0;
    if (err != 0) {
        rings.state_dir = NULL; // what lies there must not be written over
    }
    *ret_why = err;
    err = spy__rings_open(&rings, &why);
    *ret_why = *ret_why ? *ret_why : why;
    return err;
}

// Makes all of a run but its thread.
static int make_run(struct spy__run **ret, const struct spy__pump_options *options, int *ret_why)
{
    struct spy__run *run = malloc(sizeof(*run));
    if (!run) {
        return -ENOMEM;
    }
    run->mu = &pump.mu;
    run->options = &pump.options;
    run->abandoned = run_abandoned;
    run->moved = false;
    run->drain = (struct spy__drain){ 0 };
    int err = spy__round_init(run);
    err = err ? err : spy__writer_open(&run->writer, &pump.options);
    if (err != 0) {
        free_run(run);
        return err;
    }
    err = open_rings(options, ret_why);
    if (err == 0) {
        err = spy__drain_init(&run->drain, (unsigned)spy__rings_count(),
                              spy__masker_keys(run->masker));
        if (err == 0) {
            *ret = run;
            return 0;
        }
        spy__rings_close(false);
    }
    spy__writer_close(&run->writer);
    free_run(run);
    return err;
}

static void wait_for_replay(void)
{
    struct timespec deadline = deadline_in(CLOCK_MONOTONIC, REPLAY_WAIT_MS);
    while (!pump.replayed && !pump.ended) {
        if (pthread_cond_timedwait(&pump.moved, &pump.mu, &deadline) == ETIMEDOUT) {
            return;
        }
    }
}

// Called with mu held.
static int start(const struct spy__pump_options *options, int *ret_why)
{
    struct spy__run *run;
    char *state_dir = options->state_dir ? strdup(options->state_dir) : NULL;
    if (options->state_dir && !state_dir) {
        return -ENOMEM;
    }
    pump.options = *options;
    int err = make_run(&run, options, ret_why);
    if (err != 0) {
        free(state_dir);
        return err;
    }
    spy__sink_mend(&run->writer.sink, state_dir != NULL, state_dir && spy__recover_any(state_dir));
    run->number = ++pump.number;
    pump.state_dir = state_dir;
    pump.stopping = pump.stalled = pump.replayed = pump.ended = pump.child = false;
    pump.settled = pump.asked;
    pump.run = run;
    err = start_thread(run);
    if (err != 0) {
        pump.run = NULL;
        pump.state_dir = NULL;
        spy__rings_close(false);
        spy__writer_close(&run->writer);
        free_run(run);
        free(state_dir);
        return err;
    }
    wait_for_replay();
    return 0;
}

int spy__pump_start(const struct spy__pump_options *options, int *ret_why)
{
    *ret_why = 0;
    pthread_once(&once, init_once);
    pthread_mutex_lock(&pump.mu);
    int err = pump.run ? -EALREADY : start(options, ret_why);
    pthread_mutex_unlock(&pump.mu);
    return err;
}

void spy__pump_reopen(void)
{
    __atomic_store_n(&pump.reopen, true, __ATOMIC_RELAXED);
    spy__rings_wake();
}

// ---- flush, stop

void spy__pump_flush(void)
{
    pthread_mutex_lock(&pump.mu);
    const struct spy__run *run = pump.run;
    if (run && !pump.child && !pump.stalled && !pump.stopping) {
        uint64_t ticket = ++pump.asked;
        struct timespec deadline = deadline_in(CLOCK_MONOTONIC, pump.options.full_wait_ms);
        spy__rings_wake();
        while (pump.run == run && pump.settled < ticket && !pump.stalled && !pump.stopping) {
            if (pthread_cond_timedwait(&pump.moved, &pump.mu, &deadline) == ETIMEDOUT) {
                pump.stalled = pump.settled < ticket;
                break;
            }
        }
    }
    pthread_mutex_unlock(&pump.mu);
}

void spy__pump_publish(void)
{
    if (!spy__rings_recoverable()) {
        spy__pump_flush();
    }
}

// What is left stays in a file for the next start; elsewhere it is lost.
static int tell_left(void)
{
    uint64_t left[SPY__KINDS] = { 0 };
    if (spy__round_count_left(left) == 0) {
        return 0;
    }
    for (int kind = 0; !spy__rings_recoverable() && kind < SPY__KINDS; kind++) {
        if (left[kind] > 0) {
            pump.options.lost(SPY__LOSS_WRITE, (enum spy__record_kind)kind, left[kind]);
        }
    }
    return -ETIMEDOUT;
}

// Waits for the thread's last round; after the deadline the run is abandoned: its thread, however
// late it wakes, touches nothing that is not its own. Called and returns with mu held.
static int settle(unsigned timeout_ms)
{
    struct timespec deadline = deadline_in(CLOCK_MONOTONIC, timeout_ms);
    while (!pump.ended) {
        if (pthread_cond_timedwait(&pump.moved, &pump.mu, &deadline) == ETIMEDOUT) {
            break;
        }
    }
    __atomic_store_n(&pump.abandoned, pump.number, __ATOMIC_RELAXED);
    return pump.ended ? 0 : tell_left();
}

// The thread was told to give up: it ends within a poll's period. If it does not, it is stuck inside
// write(2), or the machine is too busy to run it; it is left behind.
static bool join_or_leave(pthread_t thread)
{
    struct timespec deadline = deadline_in(CLOCK_REALTIME, 100); // pthread_timedjoin_np()'s clock
    bool joined = pthread_timedjoin_np(thread, NULL, &deadline) == 0;
    if (!joined) {
        pthread_detach(thread);
    }
    return joined;
}

int spy__pump_stop(unsigned timeout_ms)
{
    int result = 0;
    pthread_mutex_lock(&pump.mu);
    struct spy__run *run = pump.run;
    if (!run) {
        pthread_mutex_unlock(&pump.mu);
        return 0;
    }
    bool child = pump.child;
    if (!child) {
        // No record is taken from here on; callers that wait for room give up.
        pthread_mutex_unlock(&pump.mu);
        spy__rings_stop();
        pthread_mutex_lock(&pump.mu);
        pump.stopping = true;
        pthread_cond_broadcast(&pump.moved); // flushes give up
        spy__rings_wake();
        result = settle(timeout_ms);
    }
    pump.run = NULL;
    pump.child = false;
    pthread_t thread = pump.thread;
    char *state_dir = pump.state_dir;
    pump.state_dir = NULL;
    pthread_mutex_unlock(&pump.mu);

    spy__rings_wake(); // an abandoned thread that waits
    // A thread that was left behind may look at the rings once more: they stay until the next start.
    if (child || join_or_leave(thread)) {
        spy__rings_close(!child && result == 0);
    }
    if (child) {
        spy__writer_close(&run->writer);
        free_run(run);
    }
    free(state_dir);
    return result;
}
