#include "deliver/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define NS_PER_MS UINT64_C(1000000)
#define WAIT_MS_MAX 60000u

struct seat {
    struct spy__lane lane;
    struct spy__journal_reader *reader;
    struct {
        uint64_t queued, records, bytes, settled;
        bool failing;
    } told;
};

struct spy__engine {
    struct spy__engine_options options; // const after start
    pid_t pid;
    bool durable; // what is not sent is the next start's
    bool started;
    pthread_t thread;
    uint64_t deadline_ns; // atomic: released by stop(); 0 while it runs

    // The thread's own, until it has ended.
    struct seat seats[SPY__ENGINE_LANES_MAX];
    size_t count; // of seats that are open
    uint64_t look_ns;
    bool ending;
};

// ---- what waits

static void look_at(const struct spy__engine *engine, struct seat *seat)
{
    struct spy__journal_lag lag;
    spy__journal_reader_lag(seat->reader, &lag);
    uint64_t queued = seat->lane.settled + lag.entries;
    for (int why = 0; why < SPY__JOURNAL_LOSSES; why++) {
        queued += lag.lost[why];
    }
    bool failing = seat->lane.told;
    seat->told.settled = seat->lane.settled;
    if (queued == seat->told.queued && lag.entries == seat->told.records &&
        lag.bytes == seat->told.bytes && failing == seat->told.failing) {
        return;
    }
    uint64_t new = queued > seat->told.queued ? queued - seat->told.queued : 0;
    seat->told.queued = queued;
    seat->told.records = lag.entries;
    seat->told.bytes = lag.bytes;
    seat->told.failing = failing;
    engine->options.waits(engine->options.hooks.arg, seat->lane.backend->name, new, lag.entries,
                          lag.bytes, failing);
}

// Whether what was told has changed, or will.
static bool changes(const struct spy__engine *engine)
{
    for (size_t i = 0; i < engine->count; i++) {
        const struct seat *seat = &engine->seats[i];
        if (seat->told.records > 0 || seat->told.settled != seat->lane.settled ||
            seat->told.failing != seat->lane.told || !spy__parcel_is_empty(&seat->lane.parcel)) {
            return true;
        }
    }
    return false;
}

// Returns when to look again.
static uint64_t look(struct spy__engine *engine, uint64_t now_ns)
{
    if (now_ns >= engine->look_ns) {
        for (size_t i = 0; i < engine->count; i++) {
            look_at(engine, &engine->seats[i]);
        }
        engine->look_ns = now_ns + SPY__ENGINE_LOOK_MS * NS_PER_MS;
    }
    return changes(engine) ? engine->look_ns : UINT64_MAX;
}

// ---- the thread

static void take_answers(struct spy__engine *engine)
{
    const struct spy__transport *transport = &engine->options.transport;
    struct spy__answer answer;
    unsigned slot;
    while (transport->ended(transport->self, &slot, &answer)) {
        spy__lane_answered(&engine->seats[slot].lane, &answer, spy__monotonic_ns());
    }
}

static void end_lanes(struct spy__engine *engine)
{
    engine->ending = true;
    for (size_t i = 0; i < engine->count; i++) {
        spy__lane_end(&engine->seats[i].lane);
    }
}

// Lets all lanes act. Returns when the first of them wants to again; sets *ret_done where none has
// anything left to send.
static uint64_t step(struct spy__engine *engine, bool *ret_done)
{
    uint64_t next_ns = UINT64_MAX;
    *ret_done = true;
    for (size_t i = 0; i < engine->count; i++) {
        struct spy__lane *lane = &engine->seats[i].lane;
        uint64_t ns = spy__lane_step(lane, spy__monotonic_ns());
        next_ns = ns < next_ns ? ns : next_ns;
        *ret_done = *ret_done && spy__lane_is_done(lane, engine->durable);
    }
    return next_ns;
}

static void wait_until(struct spy__engine *engine, uint64_t next_ns)
{
    const struct spy__transport *transport = &engine->options.transport;
    int fds[SPY__ENGINE_LANES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < engine->count; i++) {
        if (spy__lane_wants(&engine->seats[i].lane)) {
            fds[count++] = spy__journal_reader_fd(engine->seats[i].reader);
        }
    }
    uint64_t now_ns = spy__monotonic_ns();
    // Rounded up, so as not to come a little early again and again.
    uint64_t ms = next_ns > now_ns ? (next_ns - now_ns - 1) / NS_PER_MS + 1 : 0;
    transport->wait(transport->self, fds, count, ms < WAIT_MS_MAX ? (unsigned)ms : WAIT_MS_MAX);
}

static void *engine_thread(void *arg)
{
    struct spy__engine *engine = arg;
    for (;;) {
        uint64_t deadline_ns = __atomic_load_n(&engine->deadline_ns, __ATOMIC_ACQUIRE);
        bool done;
        if (deadline_ns != 0 && !engine->ending) {
            end_lanes(engine);
        }
        take_answers(engine);
        uint64_t next_ns = step(engine, &done);
        engine->options.woken(engine->options.hooks.arg);
        uint64_t now_ns = spy__monotonic_ns();
        if (engine->ending && (done || now_ns >= deadline_ns)) {
            return NULL;
        }
        uint64_t look_ns = look(engine, now_ns);
        next_ns = look_ns < next_ns ? look_ns : next_ns;
        wait_until(engine, engine->ending && deadline_ns < next_ns ? deadline_ns : next_ns);
    }
}

// A thread of ours never runs a signal handler of the host.
int spy__engine_start(struct spy__engine *engine)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&engine->thread, NULL, engine_thread, engine);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    engine->started = err == 0;
    if (err == 0) {
        (void)pthread_setname_np(engine->thread, "spyglass-send");
    }
    return -err;
}

// ---- open and stop

static int open_seat(struct spy__engine *engine, const struct spy__backend *backend)
{
    const struct spy__engine_options *o = &engine->options;
    struct seat *seat = &engine->seats[engine->count];
    int err = spy__journal_reader_open(&seat->reader, o->journal, backend->name, backend->kinds);
    if (err != 0) {
        return err;
    }
    err = spy__lane_open(&seat->lane, backend, seat->reader, &o->transport, (unsigned)engine->count,
                         o->state_dir, &o->hooks);
    if (err != 0) {
        spy__journal_reader_close(seat->reader);
        return err;
    }
    engine->count++;
    return 0;
}

// What was read and not sent is counted as lost where it is not kept any more.
static void close_seats(struct spy__engine *engine)
{
    const struct spy__transport *transport = &engine->options.transport;
    for (size_t i = 0; i < engine->count; i++) {
        struct seat *seat = &engine->seats[i];
        transport->cancel(transport->self, (unsigned)i);
        spy__lane_close(&seat->lane);
        spy__journal_reader_rewind(seat->reader);
        look_at(engine, seat);
        spy__journal_reader_close(seat->reader);
    }
}

int spy__engine_open(struct spy__engine **ret, const struct spy__engine_options *options)
{
    struct spy__engine *engine = calloc(1, sizeof(*engine));
    int err = engine ? 0 : -ENOMEM;
    if (err == 0) {
        struct spy__journal_state state;
        spy__journal_look(options->journal, &state);
        engine->options = *options;
        engine->pid = getpid();
        engine->durable = !state.in_memory;
    }
    for (size_t i = 0; err == 0 && i < options->count; i++) {
        err = open_seat(engine, options->backends[i]);
    }
    if (err != 0 && engine) {
        close_seats(engine);
    }
    if (err != 0) {
        free(engine);
        return err;
    }
    *ret = engine;
    return 0;
}

void spy__engine_wake(struct spy__engine *engine)
{
    engine->options.transport.wake(engine->options.transport.self);
}

// What nobody will send any more.
static uint64_t count_lost(struct spy__engine *engine)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < engine->count && !engine->durable; i++) {
        const struct spy__lane_hooks *hooks = &engine->options.hooks;
        uint64_t n = engine->seats[i].told.records;
        if (n > 0) {
            hooks->dropped(hooks->arg, engine->seats[i].lane.backend->name, "stopped", n);
        }
        lost += n;
    }
    return lost;
}

uint64_t spy__engine_stop(struct spy__engine *engine, unsigned timeout_ms)
{
    if (!engine || engine->pid != getpid()) {
        return 0; // a child's copy may be half of something: it is left as it is
    }
    if (engine->started) {
        uint64_t deadline_ns = spy__monotonic_ns() + timeout_ms * NS_PER_MS;
        __atomic_store_n(&engine->deadline_ns, deadline_ns, __ATOMIC_RELEASE);
        spy__engine_wake(engine);
        pthread_join(engine->thread, NULL); // it waits for nothing beyond the deadline
    }
    close_seats(engine);
    uint64_t lost = count_lost(engine);
    free(engine);
    return lost;
}
