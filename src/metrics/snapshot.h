// What an encoder sees of the registry: family by family, series by series, through a cursor.
//
// No lock is held, neither between two calls nor in them, so a slow reader hinders nobody. Families
// and series that are made meanwhile are seen or not. Each series is summed when it is reached: a
// count never goes back from one pass to the next, and a histogram's count is the sum of its
// buckets; its sum may lag by an observation under way.
#ifndef METRICS_SNAPSHOT_H
#define METRICS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"

struct spy__family;
struct spy__child;

enum spy__kind {
    SPY__COUNTER,
    SPY__GAUGE,
    SPY__HISTOGRAM,
};

struct spy__snapshot_family {
    enum spy__kind kind;
    size_t name_len, help_len;
    const char *name;
    const char *help; // valid UTF-8, not escaped
    size_t bucket_count;
    const double *bounds; // bucket_count of them, rising; +Inf left out
};

struct spy__snapshot_series {
    size_t labels_len;
    const char *labels; // `a="b",c="d"`, escaped for the text formats; no NUL at its end
    union {
        struct {
            uint64_t whole; // exact
            double part;    // to add to it
        } counter;
        double gauge;
        struct {
            uint64_t counts[SPY_BUCKETS_MAX +
                            1]; // of each bucket by itself; the last is +Inf's, with NaN's in it
            uint64_t count;
            double sum;
        } histogram;
    };
};

// The cursor. Private but for its making: zero it.
struct spy__snapshot {
    bool begun;
    struct spy__family *family;
    const struct spy__child *child; // the last one looked at
};

// Goes to the next family; false at the end.
bool spy__snapshot_family(struct spy__snapshot *at, struct spy__snapshot_family *ret);
// Goes to the next series of this family; false at its end.
bool spy__snapshot_series(struct spy__snapshot *at, struct spy__snapshot_series *ret);

#endif
