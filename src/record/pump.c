// The buffer between callers and the thread, the thread, and what fork() makes of them.
//
// Invariant: appended - settled is the number of lines in `filling` and `writing`. A batch belongs
// to the thread while it is `writing`, else to whoever holds mu; nothing is written to the
// descriptor with mu held, but by a forked child. Memory order: `options` is released by start and
// acquired by callers, who take mu before they look at anything else.

#include "record/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "record/stream.h"

#define PERIOD_MS 10
// So many periods without a line, and the pump sleeps until a caller wakes it: an idle host has no
// timer running.
#define IDLE_PERIODS_MAX 100
// Most lines fit the caller's stack; a longer one is encoded on the heap.
#define STACK_LINE 4096

// Whole lines that wait to be written, and the level of each.
struct batch {
    size_t len, count;
    unsigned char levels[SPY__PUMP_LINES];
    char bytes[SPY__PUMP_BYTES];
};

// One start of the pump: what its thread alone needs. The thread frees it.
struct run {
    unsigned number;
    struct spy__stream sink;
    const struct spy__pump_options *options;
};

static struct {
    pthread_mutex_t mu;
    pthread_cond_t wake;  // the thread waits: work, stop
    pthread_cond_t moved; // callers wait: room, something settled, the end

    // Atomic; NULL while nothing runs. Released by start after all below is ready.
    const struct spy__pump_options *options;
    // Atomic, only rises: runs up to this number must stop writing.
    unsigned abandoned;

    // All below is guarded by mu.
    struct batch *filling, *spare;
    struct batch *writing;      // owned by the thread while it writes
    uint64_t appended, settled; // lines ever; settled: written or lost
    unsigned run;
    pthread_t thread;
    bool stopping, urgent, asleep, stalled;
    bool child; // after fork(): no thread, child_sink is written by callers
    struct spy__stream child_sink;
} pump = { .mu = PTHREAD_MUTEX_INITIALIZER };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_conditions(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pump.wake, &attr);
    pthread_cond_init(&pump.moved, &attr);
    pthread_condattr_destroy(&attr);
}

static void lock_before_fork(void)
{
    pthread_mutex_lock(&pump.mu);
}

static void unlock_in_parent(void)
{
    pthread_mutex_unlock(&pump.mu);
}

// The child has one thread, this one, which holds the lock; nobody waits on the conditions any
// more, whatever they say. Lines that wait belong to the parent.
static void become_child(void)
{
    init_conditions();
    if (pump.options) {
        pump.child = true;
        pump.settled = pump.appended;
        pump.stalled = false;
    }
    pthread_mutex_unlock(&pump.mu);
}

static void init_once(void)
{
    init_conditions();
    (void)pthread_atfork(lock_before_fork, unlock_in_parent, become_child);
}

// CLOCK_MONOTONIC, the system's own: a test's fake clock must not hold a thread for ever.
static struct timespec deadline_in(unsigned ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
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
    const struct run *run = arg;
    return __atomic_load_n(&pump.abandoned, __ATOMIC_RELAXED) >= run->number;
}

// Tells the counters what became of a batch of which `done` bytes were written. Called with mu
// held.
static void account(const struct spy__pump_options *options, const struct batch *batch, size_t done)
{
    uint64_t lines[SPY__LEVELS] = { 0 };
    size_t whole = 0;
    for (const char *p = batch->bytes, *end = p + done; p < end; whole++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) {
            break;
        }
        lines[batch->levels[whole]]++;
        p = newline + 1;
    }
    if (whole > 0) {
        options->written(lines);
    }
    if (whole < batch->count) {
        options->lost(SPY__LOSS_WRITE, batch->count - whole);
    }
}

// Swaps the buffers and writes the full one out. Called and returns with mu held; false when the
// run was abandoned meanwhile: then only mu is still its own.
static bool write_batch(struct run *run)
{
    struct batch *batch = pump.filling;
    pump.filling = pump.spare;
    pump.spare = NULL;
    pump.writing = batch;
    pump.urgent = false;
    pthread_cond_broadcast(&pump.moved); // there is room again
    pthread_mutex_unlock(&pump.mu);
    size_t done = spy__stream_write(&run->sink, batch->bytes, batch->len, run_abandoned, run);
    pthread_mutex_lock(&pump.mu);
    if (run_abandoned(run)) {
        free(batch);
        return false;
    }
    account(run->options, batch, done);
    pump.settled += batch->count;
    pump.stalled = false;
    batch->len = batch->count = 0;
    pump.writing = NULL;
    pump.spare = batch;
    pthread_cond_broadcast(&pump.moved);
    return true;
}

// Waits for work or for the end of the period. Called and returns with mu held.
static void wait_for_work(unsigned *idle_periods)
{
    if (pump.filling->len == 0 && *idle_periods >= IDLE_PERIODS_MAX) {
        pump.asleep = true;
        pthread_cond_wait(&pump.wake, &pump.mu);
        pump.asleep = false;
        *idle_periods = 0;
    } else {
        struct timespec deadline = deadline_in(PERIOD_MS);
        pthread_cond_timedwait(&pump.wake, &pump.mu, &deadline);
        (*idle_periods)++;
    }
}

static bool is_due(void)
{
    return pump.urgent || pump.stopping || pump.filling->len > SPY__PUMP_BYTES / 2;
}

static void *pump_thread(void *arg)
{
    struct run *run = arg;
    unsigned idle_periods = 0;
    pthread_mutex_lock(&pump.mu);
    while (!run_abandoned(run)) {
        if (!is_due()) {
            wait_for_work(&idle_periods);
            if (run_abandoned(run)) {
                break;
            }
        }
        if (pump.filling->len > 0) {
            idle_periods = 0;
            if (!write_batch(run)) {
                break;
            }
        } else if (pump.stopping) {
            break;
        } else {
            pump.urgent = false; // asked for while the last of it was being written
        }
    }
    pthread_mutex_unlock(&pump.mu);
    close(run->sink.fd);
    free(run);
    return NULL;
}

// A thread of ours never runs a signal handler of the host.
static int start_thread(struct run *run)
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

int spy__pump_start(const struct spy__pump_options *options)
{
    pthread_once(&once, init_once);
    if (__atomic_load_n(&pump.options, __ATOMIC_ACQUIRE)) {
        return -EALREADY;
    }
    int fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return -EBADF;
    }
    struct batch *filling = malloc(sizeof(*filling)), *spare = malloc(sizeof(*spare));
    struct run *run = malloc(sizeof(*run));
    int err = -ENOMEM;
    if (!filling || !spare || !run) {
        goto fail;
    }
    filling->len = filling->count = spare->len = spare->count = 0;
    *run = (struct run){ .options = options };
    spy__stream_init(&run->sink, fd);

    pthread_mutex_lock(&pump.mu);
    run->number = ++pump.run;
    pump.filling = filling;
    pump.spare = spare;
    pump.stopping = pump.urgent = pump.asleep = pump.stalled = false;
    pump.child_sink = run->sink;
    err = start_thread(run);
    if (err == 0) {
        __atomic_store_n(&pump.options, options, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&pump.mu);
    if (err == 0) {
        return 0;
    }
fail:
    free(run);
    free(spare);
    free(filling);
    close(fd);
    return err;
}

static bool has_room(size_t n)
{
    return pump.filling->len + n <= SPY__PUMP_BYTES && pump.filling->count < SPY__PUMP_LINES;
}

// Waits for room for n bytes, or for the pump's end. Called and returns with mu held. A wait in
// vain, in which nothing moved at all, stalls the pump: until it moves again nobody waits.
static bool wait_for_room(const struct spy__pump_options *options, size_t n, bool may_wait)
{
    if (has_room(n)) {
        return true;
    }
    if (!may_wait || pump.stalled) {
        return false;
    }
    struct timespec deadline = deadline_in(options->full_wait_ms);
    uint64_t settled = pump.settled;
    while (pump.options == options && !has_room(n)) {
        if (pthread_cond_timedwait(&pump.moved, &pump.mu, &deadline) == ETIMEDOUT) {
            pump.stalled = pump.settled == settled;
            break;
        }
    }
    return pump.options == options && has_room(n);
}

struct child_write {
    const struct spy__buf *line;
    uint64_t deadline_ns;
    size_t done;
};

static bool past(void *arg)
{
    const struct child_write *w = arg;
    return spy__monotonic_ns() >= w->deadline_ns;
}

static void write_guarded(void *arg)
{
    struct child_write *w = arg;
    w->done = spy__stream_write(&pump.child_sink, w->line->bytes, w->line->len, past, w);
}

// A line of a forked child. Called with mu held; frees the caller of all else.
static void write_in_child(const struct spy__pump_options *options, enum spy_level level,
                           const struct spy__buf *line)
{
    unsigned wait_ms = pump.stalled ? 0 : options->full_wait_ms;
    struct child_write w = { line, spy__monotonic_ns() + (uint64_t)wait_ms * 1000000u, 0 };
    spy__stream_guard(write_guarded, &w);
    size_t done = w.done;
    pump.stalled = done < line->len;
    if (done == line->len) {
        uint64_t lines[SPY__LEVELS] = { 0 };
        lines[level]++;
        options->written(lines);
    } else {
        options->lost(SPY__LOSS_WRITE, 1);
    }
}

static void append(const struct spy__pump_options *options, enum spy_level level,
                   const struct spy__buf *line)
{
    pthread_mutex_lock(&pump.mu);
    if (pump.options != options) {
        options->lost(SPY__LOSS_STOPPED, 1);
    } else if (pump.child) {
        write_in_child(options, level, line);
    } else if (!wait_for_room(options, line->len, level > SPY_LEVEL_DEBUG)) {
        options->lost(pump.options == options ? SPY__LOSS_FULL : SPY__LOSS_STOPPED, 1);
    } else {
        struct batch *batch = pump.filling;
        memcpy(batch->bytes + batch->len, line->bytes, line->len);
        batch->len += line->len;
        batch->levels[batch->count++] = (unsigned char)level;
        pump.appended++;
        if (level >= SPY_LEVEL_ERROR) {
            pump.urgent = true;
        }
        if (pump.urgent || pump.asleep || batch->len > SPY__PUMP_BYTES / 2) {
            pthread_cond_signal(&pump.wake);
        }
    }
    pthread_mutex_unlock(&pump.mu);
}

bool spy__pump_give(const struct spy__record *record)
{
    const struct spy__pump_options *options = __atomic_load_n(&pump.options, __ATOMIC_ACQUIRE);
    if (!options) {
        return false;
    }
    char stack[STACK_LINE];
    struct spy__buf line;
    spy__buf_init_fixed(&line, stack, sizeof(stack));
    options->encode(&line, record, options->encode_arg);
    if (line.failed) {
        spy__buf_init(&line, SPY__LINE_MAX);
        options->encode(&line, record, options->encode_arg);
    }
    if (line.failed) {
        // A buffer that stopped short of its maximum had no memory to grow.
        options->lost(line.cap > SPY__LINE_MAX / 2 ? SPY__LOSS_SIZE : SPY__LOSS_MEMORY, 1);
    } else {
        append(options, record->level, &line);
    }
    spy__buf_done(&line);
    return true;
}

void spy__pump_publish(void)
{
    if (!__atomic_load_n(&pump.options, __ATOMIC_ACQUIRE)) {
        return;
    }
    pthread_mutex_lock(&pump.mu);
    const struct spy__pump_options *options = pump.options;
    uint64_t target = pump.appended;
    if (options && !pump.child && pump.settled < target && !pump.stalled) {
        struct timespec deadline = deadline_in(options->full_wait_ms);
        pump.urgent = true;
        pthread_cond_signal(&pump.wake);
        while (pump.options == options && pump.settled < target && !pump.stalled) {
            if (pthread_cond_timedwait(&pump.moved, &pump.mu, &deadline) == ETIMEDOUT) {
                pump.stalled = pump.settled < target;
                break;
            }
        }
    }
    pthread_mutex_unlock(&pump.mu);
}

// Waits until all is settled; after the deadline, what is left counts as lost. The run is over then:
// its thread, however late it wakes, touches nothing that is not its own. Called and returns with
// mu held.
static int settle(const struct spy__pump_options *options, unsigned timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    while (pump.settled < pump.appended) {
        if (pthread_cond_timedwait(&pump.moved, &pump.mu, &deadline) == ETIMEDOUT) {
            break;
        }
    }
    __atomic_store_n(&pump.abandoned, pump.run, __ATOMIC_RELAXED);
    uint64_t left = pump.appended - pump.settled;
    if (left == 0) {
        return 0;
    }
    options->lost(SPY__LOSS_WRITE, left);
    pump.settled = pump.appended;
    return -ETIMEDOUT;
}

// The thread was told to give up: it ends within a poll's period. If it does not, it is stuck inside
// write(2), or the machine is too busy to run it; it is left behind.
static void join_or_leave(pthread_t thread)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline); // the clock of pthread_timedjoin_np()
    deadline.tv_nsec += 100000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    if (pthread_timedjoin_np(thread, NULL, &deadline) != 0) {
        pthread_detach(thread);
    }
}

int spy__pump_stop(unsigned timeout_ms)
{
    pthread_mutex_lock(&pump.mu);
    const struct spy__pump_options *options = pump.options;
    if (!options) {
        pthread_mutex_unlock(&pump.mu);
        return 0;
    }
    // No line is taken from here on; callers that wait for room give up.
    __atomic_store_n(&pump.options, NULL, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&pump.moved);
    int result = 0;
    bool child = pump.child;
    if (!child) {
        pump.stopping = true;
        pthread_cond_signal(&pump.wake);
        result = settle(options, timeout_ms);
        pthread_cond_signal(&pump.wake);
    }
    pthread_mutex_unlock(&pump.mu);

    if (!child) {
        join_or_leave(pump.thread);
    } else {
        close(pump.child_sink.fd);
        free(pump.writing); // the parent's thread does not exist here
    }
    free(pump.filling);
    free(pump.spare);
    pump.filling = pump.spare = pump.writing = NULL;
    pump.child = false;
    return result;
}
