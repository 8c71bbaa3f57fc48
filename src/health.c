#include "health.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "crash/life.h"
#include "encode/line.h"
#include "encode/sentry_host.h"
#include "encode/sentry_sessions.h"
#include "outbound.h"
#include "record/recent/keep.h"
#include "signals/sessions.h"
#include "spyglass/log.h"

#define NS_PER_MS UINT64_C(1000000)
#define PERIOD_MS 60000u
#define BYTES_MAX 1024u

static struct {
    bool wanted; // somebody is told of sessions
    char release[SPY__LIFE_TEXT_MAX + 1], environment[SPY__LIFE_TEXT_MAX + 1];
    struct spy__life before; // the process before
    bool unclean;            // it was killed

    struct spy__sessions *counts; // of this start

    // The pump's, while it runs.
    struct spy__sessions told;
    uint64_t began_ns; // of what is not told: since 1970
    uint64_t due_ns;   // by the monotonic clock; 0: nothing waits
} health;

static void give(const struct spy__sentry_sessions *sessions)
{
    char bytes[BYTES_MAX];
    struct spy__buf json;
    spy__buf_init_fixed(&json, bytes, sizeof(bytes));
    spy__encode_sentry_sessions(&json, sessions);
    if (!json.failed) {
        spy__outbound_sentry_give(&(struct spy__document){
            .items = { { .type = "sessions", .bytes = json.bytes, .n = json.len } },
            .item_count = 1 });
    }
}

static struct spy__sessions now_counted(void)
{
    return (struct spy__sessions){
        __atomic_load_n(&health.counts->exited, __ATOMIC_RELAXED),
        __atomic_load_n(&health.counts->errored, __ATOMIC_RELAXED),
    };
}

// ---- the process before

// The minute in which it died is not known, only when it was last seen.
static void give_left(const struct spy__life *life, bool crashed, uint64_t crashed_ns)
{
    const struct spy__sentry_sessions untold = {
        .release = life->release,
        .environment = life->environment,
        .started_ns = life->told_ns,
        .exited = life->untold.exited,
        .errored = life->untold.errored,
    };
    const struct spy__sentry_sessions end = {
        .release = life->release,
        .environment = life->environment,
        .started_ns = crashed ? crashed_ns : life->seen_ns,
        .crashed = crashed,
        .abnormal = !crashed,
    };
    if (untold.exited + untold.errored > 0) {
        give(&untold);
    }
    if (life->end == SPY__LIFE_RUNNING) {
        give(&end);
    }
}

static void copy_text(char to[SPY__LIFE_TEXT_MAX + 1], const char *text)
{
    (void)snprintf(to, SPY__LIFE_TEXT_MAX + 1, "%s", text ? text : "");
}

void spy__health_start(const struct spy__settings *settings, const char *state_dir, uint64_t run,
                       uint64_t crashed_run, uint64_t crashed_ns)
{
    static struct spy__sessions own; // never made anew: who works through a restart counts into it
    memset(&health, 0, sizeof(health));
    copy_text(health.release, settings->release);
    copy_text(health.environment, settings->environment);
    health.wanted = spy__outbound_sentry_wants() && health.release[0];
    health.counts = &own;
    if (state_dir && spy__life_read(&health.before, state_dir) == 0) {
        bool crashed = crashed_run != 0 && crashed_run == health.before.run;
        health.unclean = health.before.end == SPY__LIFE_RUNNING && !crashed;
        if (spy__outbound_sentry_wants() && health.before.release[0]) {
            give_left(&health.before, crashed, crashed_ns);
        }
    }
    if (state_dir) {
        const struct spy__life_options options = { .state_dir = state_dir,
                                                   .run = run,
                                                   .now_ns = spy__realtime_ns(),
                                                   .release = settings->release,
                                                   .environment = settings->environment };
        // Without it the next start knows nothing of this one: no reason not to start.
        (void)spy__life_start(&health.counts, &options);
    }
    health.told = now_counted();
    spy__sessions_into(health.counts);
}

bool spy__health_ended_well(uint64_t run)
{
    return health.before.run == run && health.before.end != SPY__LIFE_RUNNING;
}

const struct spy__sentry_host *spy__health_host(struct spy__sentry_host *ret, uint64_t run)
{
    *ret = *spy__outbound_host();
    if (health.before.run == run) {
        ret->release = health.before.release;
        ret->environment = health.before.environment;
        ret->started_ns = health.before.start_ns;
    }
    return ret;
}

void spy__health_tell(void)
{
    char started[SPY__TIME_LEN], seen[SPY__TIME_LEN];
    if (!health.unclean) {
        return;
    }
    spy__time_print(started, health.before.start_ns);
    spy__time_print(seen, health.before.seen_ns);
    spy_warn("unclean_end", spy_uint("ended_pid", health.before.pid),
             spy_strn("started_at", started, sizeof(started)),
             spy_strn("last_seen_at", seen, sizeof(seen)),
             spy_str("ended_release", health.before.release[0] ? health.before.release : NULL),
             spy_bool("rebooted", health.before.rebooted));
    health.unclean = false;
}

// ---- this one

static void tell(const struct spy__sessions *now, uint64_t now_ns)
{
    if (health.wanted) {
        give(&(struct spy__sentry_sessions){
            .release = health.release,
            .environment = health.environment,
            .started_ns = health.began_ns,
            .exited = now->exited - health.told.exited,
            .errored = now->errored - health.told.errored,
        });
        spy__keep_flush(); // before it is noted: rather twice than never
    }
    health.told = *now;
    health.due_ns = 0;
    spy__life_told(now, now_ns);
}

unsigned spy__health_tend(bool last)
{
    const struct spy__sessions now = now_counted();
    if (now.exited == health.told.exited && now.errored == health.told.errored) {
        return UINT_MAX;
    }
    const uint64_t at_ns = spy__monotonic_ns(), now_ns = spy__realtime_ns();
    if (health.due_ns == 0) {
        health.due_ns = at_ns + PERIOD_MS * NS_PER_MS;
        health.began_ns = now_ns;
    }
    spy__life_seen(now_ns);
    if (last || at_ns >= health.due_ns || !health.wanted) {
        tell(&now, now_ns);
        return UINT_MAX;
    }
    return (unsigned)((health.due_ns - at_ns) / NS_PER_MS) + 1;
}

void spy__health_stop(void)
{
    spy__sessions_into(NULL);
    spy__life_stop();
}
