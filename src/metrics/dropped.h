// What instrumentation lost, by reason: spyglass_dropped_total{signal,reason}. No drop is silent.
//
// Counted in plain atomic words, so that it works before any registration, without memory, and from
// signal handlers. The pairs that stand in every scrape from the start are listed in dropped.c; any
// other appears with its first drop.
#ifndef METRICS_DROPPED_H
#define METRICS_DROPPED_H

#include <stdint.h>

enum spy__signal {
    SPY__SIGNAL_METRICS,
    SPY__SIGNAL_LOG,
    SPY__SIGNAL_SPAN,
    SPY__SIGNAL_HTTP,
    SPY__SIGNAL_CONTEXT,
    SPY__SIGNAL_EVENT,
    SPY__SIGNAL_ERROR,
    SPY__SIGNAL_PROFILE,
    SPY__SIGNALS,
};

enum spy__drop {
    SPY__DROP_MEMORY,       // no memory
    SPY__DROP_CARDINALITY,  // a family's series_max was reached: counted in its overflow child
                            // instead
    SPY__DROP_LABELS,       // a wrong number of label values
    SPY__DROP_NEGATIVE,     // a counter asked to go down
    SPY__DROP_FULL,         // no room, and none came in the time allowed
    SPY__DROP_STOPPED,      // after spy_stop()
    SPY__DROP_FIELDS,       // more fields than a record holds
    SPY__DROP_TOO_LONG,     // a record past its maximum
    SPY__DROP_WRITE,        // the destination refused it
    SPY__DROP_UNREGISTERED, // its metrics were refused: another has their name, or a wrong one
    SPY__DROP_LIMITED,      // more of the same than are passed on
    SPY__DROPS,
};

// Threads: any; signal handlers too.
void spy__dropped(enum spy__signal signal, enum spy__drop reason, uint64_t n);
// Registers the family; called by the registry, under its lock. Returns 0 or -ENOMEM; then it may
// be called again.
int spy__dropped_register(void);
// For tests and pages.
uint64_t spy__dropped_count(enum spy__signal signal, enum spy__drop reason);

#endif
