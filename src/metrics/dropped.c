// The words that count drops, and their family.
#include "metrics/dropped.h"

#include <errno.h>

#include "metrics/family.h"

static const char *const signal_names[SPY__SIGNALS] = {
    [SPY__SIGNAL_METRICS] = "metrics", [SPY__SIGNAL_LOG] = "log",
    [SPY__SIGNAL_SPAN] = "span",       [SPY__SIGNAL_HTTP] = "http",
    [SPY__SIGNAL_CONTEXT] = "context", [SPY__SIGNAL_EVENT] = "event",
    [SPY__SIGNAL_ERROR] = "error",     [SPY__SIGNAL_PROFILE] = "profile",
};

static const char *const drop_names[SPY__DROPS] = {
    [SPY__DROP_MEMORY] = "memory",   [SPY__DROP_CARDINALITY] = "cardinality",
    [SPY__DROP_LABELS] = "labels",   [SPY__DROP_NEGATIVE] = "negative",
    [SPY__DROP_FULL] = "full",       [SPY__DROP_STOPPED] = "stopped",
    [SPY__DROP_FIELDS] = "fields",   [SPY__DROP_TOO_LONG] = "too_long",
    [SPY__DROP_WRITE] = "write",     [SPY__DROP_UNREGISTERED] = "unregistered",
    [SPY__DROP_LIMITED] = "limited",
};

// Shown from the start, at zero, so that a rate works from the first drop on. One bit a reason.
static const unsigned expected[SPY__SIGNALS] = {
    [SPY__SIGNAL_METRICS] = 1u << SPY__DROP_MEMORY | 1u << SPY__DROP_CARDINALITY |
                            1u << SPY__DROP_LABELS | 1u << SPY__DROP_NEGATIVE,
    [SPY__SIGNAL_LOG] = 1u << SPY__DROP_FULL | 1u << SPY__DROP_STOPPED | 1u << SPY__DROP_FIELDS,
};

static uint64_t words[SPY__SIGNALS * SPY__DROPS]; // atomic

void spy__dropped(enum spy__signal signal, enum spy__drop reason, uint64_t n)
{
    __atomic_fetch_add(&words[signal * SPY__DROPS + reason], n, __ATOMIC_RELAXED);
}

uint64_t spy__dropped_count(enum spy__signal signal, enum spy__drop reason)
{
    return __atomic_load_n(&words[signal * SPY__DROPS + reason], __ATOMIC_RELAXED);
}

int spy__dropped_register(void)
{
    // Guarded by the registry's lock. Where memory ran out, the next call goes on from here.
    static struct spy__family *family;
    static uint32_t made;
    if (!family) {
        int r =
            spy__family_add(&family, SPY__COUNTER,
                            &(struct spy_metric){ .name = "spyglass_dropped_total",
                                                  .help = "What instrumentation lost, by reason",
                                                  .labels = SPY_LABELS("signal", "reason") },
                            &(struct spy__source){ .words = words });
        if (r != 0) {
            return r;
        }
    }
    for (; made < SPY__SIGNALS * SPY__DROPS; made++) {
        unsigned signal = made / SPY__DROPS, reason = made % SPY__DROPS;
        struct spy__child *child = spy__child_make(
            family, (const char *const[]){ signal_names[signal], drop_names[reason] }, 2, made);
        if (!child) {
            return -ENOMEM;
        }
        // A pair that nobody expects is shown as a removed child is: once it has counted something.
        __atomic_store_n(&child->removed, !(expected[signal] >> reason & 1), __ATOMIC_RELAXED);
    }
    return 0;
}
