// What this thread's context says in a call that goes out: see spyglass/context.h.

#include <string.h>

#include "base/ids.h"
#include "base/trace_lists.h"
#include "signals/context.h"
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

void spy_sentry_trace(char ret[SPY_SENTRY_TRACE_LEN + 1])
{
    struct spy__traceparent trace;
    ret[0] = '\0';
    if (spy__context_trace(&trace)) {
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

void spy_propagate(void (*add)(void *arg, const char *name, const char *value), void *arg)
{
    struct spy__traceparent trace;
    char traceparent[SPY_TRACEPARENT_LEN + 1], sentry_trace[SPY_SENTRY_TRACE_LEN + 1];
    if (!spy__context_trace(&trace)) {
        return;
    }
    spy__traceparent_print(traceparent, &trace);
    spy__sentry_trace_print(sentry_trace, &trace);
    add(arg, "traceparent", traceparent);
    add(arg, "sentry-trace", sentry_trace);
    if (spy_tracestate()[0]) {
        add(arg, "tracestate", spy_tracestate());
    }
    if (spy_baggage()[0]) {
        add(arg, "baggage", spy_baggage());
    }
    add(arg, "X-Correlation-ID", spy_correlation_id());
}
