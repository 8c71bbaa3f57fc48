// A table of families whose one value is read when it is scraped: how the library's own collectors
// of the process and of the system are written.
#ifndef METRICS_COLLECTOR_H
#define METRICS_COLLECTOR_H

#include "metrics/family.h"

struct spy__collector {
    enum spy__kind kind;
    const char *name, *help;
    double (*read)(const void *arg); // NaN: there is no value to show
    const void *arg;
};

// Registers the values from *registered on, but for those that the host has itself, and moves
// *registered behind them. Under the registry's lock. Returns 0 or -ENOMEM: then it may be called
// again.
int spy__collectors_add(const struct spy__collector *values, unsigned count, unsigned *registered);

#endif
