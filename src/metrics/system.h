// Metrics of what the process lives in: the limits and use of its control group (cgroup_*), the
// stalls that it suffers (pressure_*), the traffic of its network namespace
// (process_network_*).
//
// They are read at each scrape, once a second at most; what this kernel or container does not have
// is left out rather than made up. The file system stands in metrics/resource.h: asking for it may
// hang, so that no scrape does.
#ifndef METRICS_SYSTEM_H
#define METRICS_SYSTEM_H

// Registers them, but for those that the host has registered itself; again is a no-op. `proc` is a
// directory like /proc, `root` goes before the paths of control groups ("" but in tests): of the
// first call. Returns 0 or -ENOMEM.
int spy__system_register(const char *proc, const char *root);

#endif
