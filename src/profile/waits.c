#include "profile/waits.h"

#include <string.h>

void spy__waits_trim(struct spy__waits *waits, uint64_t span_id, bool (*is_open)(uint32_t profile))
{
    while (waits->depth > 0) {
        const struct spy__wait *innermost = &waits->open[waits->depth - 1];
        if (innermost->span_id == span_id || is_open(innermost->profile)) {
            return;
        }
        waits->depth--;
    }
}

struct spy__wait *spy__waits_open(struct spy__waits *waits, uint64_t now_ns, uint64_t cpu_ns,
                                  bool exact)
{
    if (waits->depth == SPY__WAITS_DEPTH_MAX) {
        memmove(waits->open, waits->open + 1, sizeof(waits->open) - sizeof(waits->open[0]));
        waits->depth--;
    }
    struct spy__wait *frame = &waits->open[waits->depth++];
    if (exact) {
        __atomic_store_n(&waits->cpu_ns, cpu_ns, __ATOMIC_RELAXED);
    }
    frame->arrival = false;
    frame->exact = exact;
    frame->start_ns = now_ns;
    frame->cpu_ns = exact ? cpu_ns : __atomic_load_n(&waits->cpu_ns, __ATOMIC_RELAXED);
    frame->inner_ns = 0;
    frame->stack_count = 0;
    return frame;
}

struct spy__wait *spy__waits_span(struct spy__waits *waits, uint64_t span_id)
{
    for (unsigned i = waits->depth; i-- > 0;) {
        if (!waits->open[i].arrival && waits->open[i].span_id == span_id) {
            return &waits->open[i];
        }
    }
    return NULL;
}

struct spy__wait *spy__waits_arrival(struct spy__waits *waits, uint32_t profile)
{
    for (unsigned i = waits->depth; i-- > 0;) {
        if (waits->open[i].arrival && waits->open[i].profile == profile) {
            return &waits->open[i];
        }
    }
    return NULL;
}

static bool is_short(const struct spy__wait *frame, uint64_t now_ns)
{
    return !frame->exact && now_ns - frame->start_ns < SPY__WAITS_LONG_NS;
}

bool spy__waits_need_cpu(const struct spy__waits *waits, const struct spy__wait *frame,
                         uint64_t now_ns)
{
    for (; frame < &waits->open[waits->depth]; frame++) {
        if (!is_short(frame, now_ns)) {
            return true;
        }
    }
    return false;
}

// What the frame and all inside it waited.
static uint64_t waited_in(const struct spy__wait *frame, uint64_t now_ns, uint64_t cpu_ns)
{
    uint64_t wall = now_ns > frame->start_ns ? now_ns - frame->start_ns : 0;
    uint64_t ran = cpu_ns > frame->cpu_ns ? cpu_ns - frame->cpu_ns : 0;
    return wall > ran ? wall - ran : 0;
}

static void tell(const struct spy__wait *frame, uint64_t total_ns, spy__waited *waited, void *arg)
{
    uint64_t own = total_ns > frame->inner_ns ? total_ns - frame->inner_ns : 0;
    if (own > 0 && (frame->exact || own >= SPY__WAITS_LONG_NS)) {
        waited(arg, frame, own);
    }
}

void spy__waits_close(struct spy__waits *waits, struct spy__wait *frame, uint64_t now_ns,
                      uint64_t cpu_ns, spy__waited *waited, void *arg)
{
    struct spy__wait *innermost = &waits->open[waits->depth - 1];
    for (; innermost >= frame; innermost--) {
        if (!is_short(innermost, now_ns)) {
            uint64_t total_ns = waited_in(innermost, now_ns, cpu_ns);
            tell(innermost, total_ns, waited, arg);
            if (innermost > waits->open) {
                innermost[-1].inner_ns += total_ns;
            }
        } else if (innermost > waits->open) {
            innermost[-1].inner_ns += innermost->inner_ns;
        }
        waits->depth--;
    }
    if (cpu_ns != 0) {
        __atomic_store_n(&waits->cpu_ns, cpu_ns, __ATOMIC_RELAXED);
    }
}

void spy__waits_settle(struct spy__waits *waits, uint32_t profile, uint64_t now_ns, uint64_t cpu_ns,
                       spy__waited *waited, void *arg)
{
    // From the innermost outwards, so that each has what those inside it waited.
    for (unsigned i = waits->depth; i-- > 0;) {
        struct spy__wait *frame = &waits->open[i];
        if (frame->profile != profile || !frame->exact) {
            continue;
        }
        uint64_t total_ns = waited_in(frame, now_ns, cpu_ns);
        tell(frame, total_ns, waited, arg);
        if (i > 0) {
            frame[-1].inner_ns += total_ns;
        }
        frame->start_ns = now_ns;
        frame->cpu_ns = cpu_ns;
        frame->inner_ns = 0;
    }
}
