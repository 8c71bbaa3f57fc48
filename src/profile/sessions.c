// A mark is a slot and how often it was used, so that the mark of an ended profile, which contexts
// may still carry, means nobody.

#include "profile/sessions.h"

#include <stdio.h>

struct session {
    uint32_t mark; // atomic, relaxed: 0 where it is free
    uint32_t uses;
    struct spy__profile_ask ask; // valid while there is a profile
    struct spy__profile *profile;
    uint64_t start_ns, until_ns;
};

static struct session sessions[SPY__PROFILES_MAX];
static unsigned wholes, waiting_wholes; // atomic, relaxed

static struct session *slot_of(uint32_t mark)
{
    return &sessions[mark % SPY__PROFILES_MAX];
}

bool spy__session_is_open(uint32_t mark)
{
    return mark != 0 && __atomic_load_n(&slot_of(mark)->mark, __ATOMIC_RELAXED) == mark;
}

bool spy__sessions_whole(enum spy__profile_kind kind)
{
    return __atomic_load_n(kind == SPY__PROFILE_WALL ? &waiting_wholes : &wholes,
                           __ATOMIC_RELAXED) > 0;
}

unsigned spy__sessions_open(void)
{
    unsigned open = 0;
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        open += __atomic_load_n(&sessions[i].mark, __ATOMIC_RELAXED) != 0;
    }
    return open;
}

static void set_open(struct session *session, uint32_t mark)
{
    __atomic_store_n(&session->mark, mark, __ATOMIC_RELAXED);
    const unsigned more = mark != 0 ? 1u : -1u;
    if (session->ask.whole_process) {
        __atomic_fetch_add(&wholes, more, __ATOMIC_RELAXED);
    }
    if (session->ask.whole_process && session->ask.kind == SPY__PROFILE_WALL) {
        __atomic_fetch_add(&waiting_wholes, more, __ATOMIC_RELAXED);
    }
}

// The request itself, which began before its profile did.
static void add_root(struct spy__profile *profile, const struct spy__work *work)
{
    if (work->span_id != 0) {
        (void)spy__profile_add_span(profile,
                                    &(struct spy__profile_span){ .id = work->span_id,
                                                                 .name = work->operation,
                                                                 .thread = SPY__PROFILE_NONE });
    }
}

uint32_t spy__sessions_begin(const struct spy__session_start *start)
{
    struct session *session = sessions;
    while (session < sessions + SPY__PROFILES_MAX && session->profile) {
        session++;
    }
    struct spy__profile *profile =
        session < sessions + SPY__PROFILES_MAX ? spy__profile_new() : NULL;
    if (!profile) {
        return 0;
    }
    profile->start_ns = start->realtime_ns;
    profile->kind = start->ask.kind;
    profile->rate_hz = start->ask.rate_hz;
    if (!start->ask.whole_process) {
        profile->trace_hi = start->work.trace_hi;
        profile->trace_lo = start->work.trace_lo;
        (void)snprintf(profile->correlation_id, sizeof(profile->correlation_id), "%s",
                       start->work.correlation_id);
        add_root(profile, &start->work);
    }
    session->profile = profile;
    session->ask = start->ask;
    session->start_ns = start->now_ns;
    session->until_ns = start->now_ns + start->ask.seconds_max * UINT64_C(1000000000);
    // Past the last use of 28 bits comes the first one again.
    session->uses = session->uses % (UINT32_MAX / SPY__PROFILES_MAX) + 1;
    set_open(session, session->uses * SPY__PROFILES_MAX + (uint32_t)(session - sessions));
    return session->mark;
}

struct spy__profile *spy__sessions_end(uint32_t mark, uint64_t now_ns)
{
    struct session *session = slot_of(mark);
    struct spy__profile *profile = session->profile;
    if (!spy__session_is_open(mark)) {
        return NULL;
    }
    set_open(session, 0);
    session->profile = NULL;
    profile->truncated = now_ns > session->until_ns;
    profile->duration_ns = (profile->truncated ? session->until_ns : now_ns) - session->start_ns;
    for (uint32_t i = 0; i < profile->span_count; i++) {
        struct spy__profile_span *span = &profile->spans[i];
        span->end_ns = span->end_ns ? span->end_ns : profile->duration_ns;
    }
    return profile;
}

// ---- samples

static uint64_t since(const struct session *session, uint64_t time_ns)
{
    return time_ns > session->start_ns ? time_ns - session->start_ns : 0;
}

static void take_span(struct session *session, const struct spy__sample *sample, uint32_t thread)
{
    struct spy__profile *profile = session->profile;
    struct spy__profile_span span = { .id = sample->span_id,
                                      .parent_id = sample->parent_id,
                                      .name = sample->operation,
                                      .start_ns = since(session, sample->time_ns),
                                      .thread = thread };
    if (sample->kind == SPY__SAMPLE_SPAN_ENDED) {
        span.start_ns = since(session, sample->time_ns - sample->weight_ns);
        span.end_ns = since(session, sample->time_ns);
    }
    (void)spy__profile_add_span(profile, &span);
}

static void take_sample(struct session *session, const struct spy__sample *sample, uint32_t thread)
{
    struct spy__profile *profile = session->profile;
    const bool waited = sample->kind == SPY__SAMPLE_WAITED;
    struct spy__profile_sample taken = {
        .time_ns = since(session, sample->time_ns - (waited ? sample->weight_ns : 0)),
        .weight_ns = sample->weight_ns,
        .span_id = sample->span_id,
        .count = 1,
        .stack = spy__profile_add_stack(profile, sample->stack, sample->stack_count),
        .thread = thread,
        .operation = spy__profile_add_operation(profile, sample->operation),
        .waited = waited,
    };
    if (taken.stack == SPY__PROFILE_NONE ||
        spy__profile_add_sample(profile, &taken) == SPY__PROFILE_NONE) {
        profile->lost++;
    }
}

static void give(struct session *session, const struct spy__sample *sample, uint64_t tid,
                 const char *thread_name)
{
    const uint32_t thread = spy__profile_add_thread(session->profile, tid, thread_name);
    session->profile->overhead_ns += sample->cost_ns;
    if (sample->kind == SPY__SAMPLE_SPAN_BEGAN || sample->kind == SPY__SAMPLE_SPAN_ENDED) {
        if (!session->ask.whole_process) {
            take_span(session, sample, thread);
        }
    } else if (sample->kind == SPY__SAMPLE_CPU || session->ask.kind == SPY__PROFILE_WALL) {
        take_sample(session, sample, thread);
    }
}

bool spy__sessions_take(const struct spy__sample *sample, uint64_t tid, const char *thread_name)
{
    bool wanted = false;
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        struct session *session = &sessions[i];
        if (session->profile && sample->time_ns >= session->start_ns &&
            sample->time_ns <= session->until_ns &&
            (session->ask.whole_process || session->mark == sample->profile)) {
            give(session, sample, tid, thread_name);
            wanted = true;
        }
    }
    return wanted;
}

void spy__sessions_lost(uint64_t n)
{
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        if (sessions[i].profile) {
            sessions[i].profile->lost += n;
        }
    }
}

unsigned spy__sessions_rate(uint64_t now_ns)
{
    unsigned rate_hz = 0;
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        struct session *session = &sessions[i];
        if (session->profile && now_ns > session->until_ns + SPY__SESSION_FORGOTTEN_NS) {
            spy__profile_free(spy__sessions_end(session->mark, now_ns));
        } else if (session->profile && now_ns <= session->until_ns &&
                   session->ask.rate_hz > rate_hz) {
            rate_hz = session->ask.rate_hz;
        }
    }
    return rate_hz;
}

void spy__sessions_cancel(void)
{
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        spy__profile_free(spy__sessions_end(sessions[i].mark, sessions[i].start_ns));
    }
}

void spy__sessions_forget(void)
{
    for (unsigned i = 0; i < SPY__PROFILES_MAX; i++) {
        sessions[i].mark = 0;
        sessions[i].profile = NULL;
    }
    wholes = waiting_wholes = 0;
}
