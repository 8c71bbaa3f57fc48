// resource_usage{resource_type}: percent of processors, memory and disk that are in use: of what
// the process's control group may have, where that limits it, else of the machine. Beside it
// filesystem_*{path}, of the disk.
//
// The first two samples are 100 ms apart, so that all three values are there soon; then one each
// period. A value that cannot be read is counted in spyglass_resource_errors_total{resource_type}
// and stays what it was; sampling goes on.
#ifndef METRICS_RESOURCE_H
#define METRICS_RESOURCE_H

#include <stdbool.h>

#include "metrics/cgroup.h"
#include "metrics/procfs.h"
#include "spyglass/metrics.h"

enum spy__resource {
    SPY__RESOURCE_CPU,
    SPY__RESOURCE_MEMORY,
    SPY__RESOURCE_DISK,
    SPY__RESOURCES,
};

enum spy__filesystem_value {
    SPY__FILESYSTEM_SIZE,
    SPY__FILESYSTEM_FREE,
    SPY__FILESYSTEM_AVAILABLE,
    SPY__FILESYSTEM_INODES,
    SPY__FILESYSTEM_INODES_FREE,
    SPY__FILESYSTEM_VALUES,
};

// Samples, without a thread. Not for two threads at a time.
struct spy__resource_sampler {
    const char *proc; // a directory like /proc; borrowed
    const char *disk; // a path on the file system that is looked at; borrowed
    struct spy_gauge usage;
    struct spy_counter errors;
    struct spy_gauge files[SPY__FILESYSTEM_VALUES];
    struct spy__cgroup cgroup;
    bool have_ticks;
    struct spy__cpu_ticks ticks; // of the last sample
    bool have_group_ns;
    uint64_t group_ns, group_at_ns; // the control group's CPU time in the last sample, and when
};
// Registers the metrics. `root` goes before the paths of control groups: "" but in tests. Returns 0
// or as spy_gauge_register().
int spy__resource_sampler_init(struct spy__resource_sampler *s, const char *proc, const char *root,
                               const char *disk);
// Takes one sample. The processors' value is there from the second one on.
void spy__resource_sample(struct spy__resource_sampler *s);

// Starts a thread that samples each period; copies disk. Returns 0, -EALREADY, -ENOMEM, -EAGAIN or
// as spy_gauge_register(). One at a time with stop.
int spy__resource_start(unsigned period_s, const char *disk);
// Ends it. A sample that does not end in time, as a file system that does not answer can hold one for
// ever, is left to end by itself, and touches nothing of the next start's. A no-op where there is none,
// as in a forked child. No other call below may run meanwhile.
void spy__resource_stop(unsigned timeout_ms);
// Whether the first values are there, or no sampler runs. Threads: any.
bool spy__resource_settled(void);
// For tests: waits for them, for twenty seconds at most. Threads: any.
void spy__resource_wait_settled(void);

#endif
