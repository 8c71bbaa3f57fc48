#include "profile/watch.h"

#include <string.h>

#include "base/clock.h"
#include "base/stack.h"
#include "profile/sessions.h"

// Atomic, relaxed: a thread may be here while the sampler starts again.
static struct {
    void (*work)(struct spy__work *ret);
    bool history;
} options;

void spy__watch_options(void (*work)(struct spy__work *ret), bool history)
{
    __atomic_store_n(&options.work, work, __ATOMIC_RELAXED);
    __atomic_store_n(&options.history, history, __ATOMIC_RELAXED);
}

bool spy__watch_history(void)
{
    return __atomic_load_n(&options.history, __ATOMIC_RELAXED);
}

static void get_work(struct spy__work *ret)
{
    __atomic_load_n(&options.work, __ATOMIC_RELAXED)(ret);
}

static void of_work(struct spy__sample *sample, const struct spy__work *work)
{
    sample->profile = spy__session_is_open(work->profile) ? work->profile : 0;
    sample->trace_hi = work->trace_hi;
    sample->trace_lo = work->trace_lo;
    sample->span_id = work->span_id;
    sample->operation = work->operation;
}

// ---- signals

void spy__watch_take(struct spy__worker *worker, uint64_t weight_ns, uintptr_t pc)
{
    struct spy__work work;
    struct spy__sample sample; // its stack past `stack_count` stays unset
    get_work(&work);
    if (!spy__watch_history() && !spy__sessions_whole(SPY__PROFILE_CPU) &&
        !spy__session_is_open(work.profile)) {
        return;
    }
    sample.kind = SPY__SAMPLE_CPU;
    sample.time_ns = spy__monotonic_ns();
    sample.weight_ns = weight_ns;
    sample.parent_id = 0;
    of_work(&sample, &work);
    if (spy__watch_history()) { // frames begin with it
        __atomic_store_n(&worker->waits.cpu_ns, spy__thread_cpu_ns(), __ATOMIC_RELAXED);
    }
    sample.stack_count = (uint16_t)spy__stack_capture_at(sample.stack, SPY__STACK_MAX, pc);
    sample.cost_ns = spy__monotonic_ns() - sample.time_ns;
    (void)spy__samples_push(&worker->samples, &sample);
}

// ---- operations

// What a call of the watch has at hand.
struct moment {
    struct spy__worker *worker;
    struct spy__work work;
    uint64_t now_ns;
    uintptr_t caller; // in the host's code
};

// Where an operation's waiting is of interest at any length.
static bool is_exact(const struct spy__work *work)
{
    return spy__session_is_open(work->profile) || spy__sessions_whole(SPY__PROFILE_WALL);
}

static void of_frame(struct spy__sample *sample, const struct moment *moment,
                     const struct spy__wait *frame)
{
    of_work(sample, &moment->work);
    sample->time_ns = moment->now_ns;
    sample->profile = spy__session_is_open(frame->profile) ? frame->profile : 0;
    sample->span_id = frame->span_id;
    sample->parent_id = frame->parent_id;
    sample->operation = frame->operation;
    sample->cost_ns = 0;
    sample->stack_count = 0;
}

static void tell_wait(void *arg, const struct spy__wait *frame, uint64_t waited_ns)
{
    struct moment *moment = arg;
    struct spy__sample sample; // its stack past `stack_count` stays unset
    of_frame(&sample, moment, frame);
    sample.kind = SPY__SAMPLE_WAITED;
    sample.weight_ns = waited_ns;
    if (frame->stack_count > 0) {
        sample.stack_count = (uint16_t)frame->stack_count;
        memcpy(sample.stack, frame->stack, frame->stack_count * sizeof(frame->stack[0]));
    } else { // an operation mostly ends where it began
        sample.stack_count =
            (uint16_t)spy__stack_capture_from(sample.stack, SPY__STACK_MAX, moment->caller);
    }
    (void)spy__samples_push(&moment->worker->samples, &sample);
}

// A request's profile has its spans, and what they cost. A span that ended tells how long it took.
static void tell_span(const struct moment *moment, const struct spy__wait *frame,
                      enum spy__sample_kind kind)
{
    struct spy__sample sample; // it has no stack
    if (spy__session_is_open(frame->profile)) {
        of_frame(&sample, moment, frame);
        sample.kind = (uint16_t)kind;
        sample.weight_ns = moment->now_ns - frame->start_ns;
        sample.cost_ns = spy__monotonic_ns() - moment->now_ns;
        (void)spy__samples_push(&moment->worker->samples, &sample);
    }
}

// Opens a frame inside that of a span, where the work is of interest. NULL: it is not, or the thread
// is no worker.
static struct spy__wait *open_frame(struct moment *moment, uint64_t parent_id)
{
    const bool exact = is_exact(&moment->work);
    moment->worker = exact || spy__watch_history() ? spy__worker_self() : NULL;
    if (!moment->worker) {
        return NULL;
    }
    struct spy__waits *waits = &moment->worker->waits;
    spy__waits_trim(waits, parent_id, spy__session_is_open);
    struct spy__wait *frame =
        spy__waits_open(waits, moment->now_ns, exact ? spy__thread_cpu_ns() : 0, exact);
    frame->span_id = moment->work.span_id;
    frame->parent_id = parent_id;
    frame->operation = moment->work.operation;
    frame->profile = moment->work.profile;
    if (exact) {
        frame->stack_count =
            (uint32_t)spy__stack_capture_from(frame->stack, SPY__STACK_MAX, moment->caller);
    }
    return frame;
}

static void close_frame(struct moment *moment, struct spy__wait *frame)
{
    struct spy__waits *waits = &moment->worker->waits;
    uint64_t cpu_ns = spy__waits_need_cpu(waits, frame, moment->now_ns) ? spy__thread_cpu_ns() : 0;
    spy__waits_close(waits, frame, moment->now_ns, cpu_ns, tell_wait, moment);
}

static void begin(uint64_t span_id, uint64_t parent_id, uint64_t now_ns, uintptr_t caller)
{
    struct moment moment = { .now_ns = now_ns, .caller = caller };
    (void)span_id; // the work has it
    get_work(&moment.work);
    const struct spy__wait *frame = open_frame(&moment, parent_id);
    if (frame) {
        tell_span(&moment, frame, SPY__SAMPLE_SPAN_BEGAN);
    }
}

static void end(uint64_t span_id, uint64_t now_ns, uintptr_t caller)
{
    struct moment moment = { .worker = spy__worker_here(), .now_ns = now_ns, .caller = caller };
    struct spy__wait *frame =
        moment.worker ? spy__waits_span(&moment.worker->waits, span_id) : NULL;
    if (frame) {
        get_work(&moment.work);
        close_frame(&moment, frame);
        tell_span(&moment, frame,
                  SPY__SAMPLE_SPAN_ENDED); // it stays as it was until the next opens
    }
}

// ---- contexts

// The thread works for a profiled request from here on.
static void arrive(uint32_t profile, uintptr_t caller)
{
    struct moment moment = { .now_ns = spy__monotonic_ns(), .caller = caller };
    get_work(&moment.work);
    struct spy__wait *frame = spy__session_is_open(profile) ? open_frame(&moment, 0) : NULL;
    if (frame) {
        frame->arrival = true;
    }
}

static void enter(uint32_t profile, uintptr_t caller)
{
    if (profile != 0) {
        arrive(profile, caller);
    }
}

static void leave(uint32_t profile, uintptr_t caller)
{
    struct moment moment = { .worker = profile != 0 ? spy__worker_here() : NULL, .caller = caller };
    struct spy__wait *frame =
        moment.worker ? spy__waits_arrival(&moment.worker->waits, profile) : NULL;
    if (frame) {
        moment.now_ns = spy__monotonic_ns();
        get_work(&moment.work);
        close_frame(&moment, frame);
    }
}

void spy__watch_marked(uint32_t profile, uintptr_t caller)
{
    arrive(profile, caller);
}

void spy__watch_ending(uint32_t profile)
{
    struct moment moment = { .worker = spy__worker_here(), .now_ns = spy__monotonic_ns() };
    if (moment.worker) {
        get_work(&moment.work);
        spy__waits_settle(&moment.worker->waits, profile, moment.now_ns, spy__thread_cpu_ns(),
                          tell_wait, &moment);
    }
}

const struct spy__watch spy__sampler_watch = {
    .enter = enter,
    .leave = leave,
    .begin = begin,
    .end = end,
};
