#include "signals/work.h"

#include "signals/context.h"

const struct spy__watch *spy__watch; // atomic

void spy__context_watch(const struct spy__watch *watch)
{
    __atomic_store_n(&spy__watch, watch, __ATOMIC_RELEASE);
}

void spy__context_work(struct spy__work *ret)
{
    const struct spy_context *ctx = spy__current.ctx;
    *ret =
        (struct spy__work){ .span_id = spy__current.span_id, .operation = spy__current.operation };
    if (ctx) {
        ret->trace_hi = ctx->ids.trace_hi;
        ret->trace_lo = ctx->ids.trace_lo;
        ret->profile = ctx->profile;
        ret->correlation_id = ctx->ids.correlation_id;
    }
}
