// What this thread's context says in a call that goes out: see spyglass/context.h.

#include <stdio.h>
#include <string.h>

#include "base/ids.h"
#include "base/trace_lists.h"
#include "signals/context.h"
#include "signals/dsc.h"
#include "spyglass/context.h"

_Static_assert(SPY_TRACEPARENT_LEN == SPY__TRACEPARENT_LEN &&
                   SPY_SENTRY_TRACE_LEN == SPY__SENTRY_TRACE_LEN &&
                   SPY_TRACESTATE_MAX == SPY__TRACESTATE_MAX &&
                   SPY_BAGGAGE_MAX == SPY__BAGGAGE_MAX &&
                   SPY_CORRELATION_MAX == SPY__CORRELATION_MAX,
               "the public header says what base does");

void spy_traceparent(char ret[SPY_TRACEPARENT_LEN + 1])
{
    struct spy__traceparent trace;
    ret[0] = '\0';
    if (spy__context_trace(&trace)) {
        spy__traceparent_print(ret, &trace);
    }
}

// The trace as Sentry's services are told of it: where nobody before us has decided, what the
// sampling context says. Writes that context's members too, "" for none of ours.
static struct spy__traceparent told_sentry(struct spy__traceparent trace, char dsc[SPY__DSC_MAX])
{
    bool sampled;
    dsc[0] = '\0';
    if (spy__context_is_sentry_head() &&
        spy__dsc_print(dsc, trace.trace_hi, trace.trace_lo, &sampled) > 0 && trace.deferred) {
        trace.deferred = false;
        trace.sampled = sampled;
    }
    return trace;
}

void spy_sentry_trace(char ret[SPY_SENTRY_TRACE_LEN + 1])
{
    struct spy__traceparent trace;
    char dsc[SPY__DSC_MAX];
    ret[0] = '\0';
    if (spy__context_trace(&trace)) {
        trace = told_sentry(trace, dsc);
        spy__sentry_trace_print(ret, &trace);
    }
}

long spy_baggage_get(char *ret, size_t ret_size, const char *key)
{
    const char *baggage = spy_baggage();
    long len = key ? spy__baggage_find(ret, ret_size, key, baggage, strlen(baggage)) : -1;
    if (len < 0 && ret_size > 0) {
        ret[0] = '\0';
    }
    return len;
}

// The baggage that came, and our members behind it; those are left out where there is no room.
__attribute__((noinline)) // what it needs of the stack, few calls do
static void
add_baggage(const char *dsc, void (*add)(void *arg, const char *name, const char *value), void *arg)
{
    char whole[SPY_BAGGAGE_MAX + 1];
    int n = snprintf(whole, sizeof(whole), "%s,%s", spy_baggage(), dsc);
    add(arg, "baggage", n > 0 && (size_t)n < sizeof(whole) ? whole : spy_baggage());
}

void spy_propagate(void (*add)(void *arg, const char *name, const char *value), void *arg)
{
    struct spy__traceparent trace;
    char traceparent[SPY_TRACEPARENT_LEN + 1], sentry_trace[SPY_SENTRY_TRACE_LEN + 1];
    char dsc[SPY__DSC_MAX];
    if (!spy__context_trace(&trace)) {
        return;
    }
    spy__traceparent_print(traceparent, &trace);
    trace = told_sentry(trace, dsc);
    spy__sentry_trace_print(sentry_trace, &trace);
    add(arg, "traceparent", traceparent);
    add(arg, "sentry-trace", sentry_trace);
    if (spy_tracestate()[0]) {
        add(arg, "tracestate", spy_tracestate());
    }
    if (spy_baggage()[0] && dsc[0]) {
        add_baggage(dsc, add, arg);
    } else if (spy_baggage()[0] || dsc[0]) {
        add(arg, "baggage", dsc[0] ? dsc : spy_baggage());
    }
    add(arg, "X-Correlation-ID", spy_correlation_id());
}
