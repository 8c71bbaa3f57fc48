// A thread's work, for a profiler: asked by it, at any moment, and told to it.
//
// Where nobody watches, telling is a load and a branch.
#ifndef SIGNALS_WORK_H
#define SIGNALS_WORK_H

#include "base/clock.h"
#include "base/work.h"
#include "signals/context.h"
#include "spyglass/span.h"

// This thread's work. Threads: any; signal handlers too.
void spy__context_work(struct spy__work *ret);

// Who is told of every thread's work from here on; NULL: nobody.
void spy__context_watch(const struct spy__watch *watch);

extern const struct spy__watch *spy__watch; // atomic; released by spy__context_watch()

static inline const struct spy__watch *spy__watching(void)
{
    return __atomic_load_n(&spy__watch, __ATOMIC_ACQUIRE);
}

// `caller`: __builtin_return_address(0) of a function that the host calls.

// The thread's context is in its place; it is going to leave it.
static inline void spy__tell_enter(void *caller)
{
    const struct spy__watch *watch = spy__watching();
    if (SPY__UNLIKELY(watch != NULL) && spy__current.ctx) {
        watch->enter(spy__current.ctx->profile, (uintptr_t)caller);
    }
}

static inline void spy__tell_leave(void *caller)
{
    const struct spy__watch *watch = spy__watching();
    if (SPY__UNLIKELY(watch != NULL) && spy__current.ctx) {
        watch->leave(spy__current.ctx->profile, (uintptr_t)caller);
    }
}

// The span is the innermost one; it ends, and is in its place yet.
static inline void spy__tell_begin(uint64_t span_id, uint64_t parent_id, void *caller)
{
    const struct spy__watch *watch = spy__watching();
    if (SPY__UNLIKELY(watch != NULL)) {
        watch->begin(span_id, parent_id, spy__monotonic_ns(), (uintptr_t)caller);
    }
}

static inline void spy__tell_end(const struct spy_span *span, void *caller)
{
    const struct spy__watch *watch = spy__watching();
    if (SPY__UNLIKELY(watch != NULL)) {
        watch->end(span->span_id, spy__monotonic_ns(), (uintptr_t)caller);
    }
}

#endif
