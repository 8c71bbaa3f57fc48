// The control group that this process lives in, version 1 or 2 (cgroups(7)): what it may use, and
// what it has used.
//
// A limit may be set on any group above ours too: the least one that can be seen counts. Within a
// container only its own group may be seen, at the place where the hierarchy is mounted.
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
#ifndef METRICS_CGROUP_H
#define METRICS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#define SPY__CGROUP_PATH_MAX 512u

// The controllers that are looked at; in version 2 all are one hierarchy.
enum spy__cgroup_controller {
    SPY__CGROUP_MEMORY,
    SPY__CGROUP_CPU,
    SPY__CGROUP_CPUACCT,
    SPY__CGROUP_CONTROLLERS,
};

struct spy__cgroup_place {
    char path[SPY__CGROUP_PATH_MAX]; // our group's directory; "" where there is none
    unsigned mount_bytes; // of it, where the hierarchy is mounted: groups above end there
    bool v2;
};

struct spy__cgroup {
    struct spy__cgroup_place places[SPY__CGROUP_CONTROLLERS];
};

// Finds it from the text of /proc/self/cgroup and of /proc/self/mountinfo. `root` goes before each
// path: "" but in tests. Malformed lines are skipped; what is too long for a path is not found.
void spy__cgroup_parse(struct spy__cgroup *ret, const char *cgroup, const char *mountinfo,
                       const char *root);
// The same from the files below `proc`. Without memory or these files, there is none.
void spy__cgroup_find(struct spy__cgroup *ret, const char *proc, const char *root);

// Memory in bytes: the least limit, and what is used of that. False: no limit is set, or it cannot
// be read. What the kernel can drop at once (inactive files) is not counted as used: as the kubelet
// has it for its decisions.
bool spy__cgroup_memory(const struct spy__cgroup *g, uint64_t *ret_limit, uint64_t *ret_used);
// Our own group's use, with and without what the kernel can drop.
bool spy__cgroup_memory_usage(const struct spy__cgroup *g, uint64_t *ret);
bool spy__cgroup_working_set(const struct spy__cgroup *g, uint64_t *ret);
// Processes of our group that were killed for want of memory.
bool spy__cgroup_oom_kills(const struct spy__cgroup *g, uint64_t *ret);

// How many processors' time the least quota allows. False: there is none.
bool spy__cgroup_cpus(const struct spy__cgroup *g, double *ret);
// Processor time in nanoseconds of the group whose quota that is, or of ours where there is none.
bool spy__cgroup_cpu_ns(const struct spy__cgroup *g, uint64_t *ret);

struct spy__cgroup_throttling {
    uint64_t periods, throttled; // periods with a quota; those in which it was used up
    uint64_t throttled_ns;
};
// Of that same group.
bool spy__cgroup_throttling(const struct spy__cgroup *g, struct spy__cgroup_throttling *ret);

// Stall time (PSI) in microseconds, of "cpu", "io" or "memory": `full` is when nobody could go on.
// Our group's where the kernel has it, else of the whole machine, in `proc`/pressure.
// https://docs.kernel.org/accounting/psi.html
bool spy__cgroup_pressure(const struct spy__cgroup *g, const char *proc, const char *resource,
                          bool full, uint64_t *ret_us);

#endif
