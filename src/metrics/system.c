// Where the control group is is looked up once, under the registry's lock, and const from then on:
// nothing else is kept, so there is no lock that a fork could leave locked.
#include "metrics/system.h"

#include <errno.h>
#include <math.h> // NAN alone: the core does not link libm
#include <stdio.h>

#include "metrics/cgroup.h"
#include "metrics/collector.h"
#include "metrics/family.h"
#include "metrics/procfs.h"

static struct spy__cgroup cgroup;
static char proc_dir[256];

// ---- the control group

static double read_cpu_limit(const void *arg)
{
    double cpus;
    (void)arg;
    return spy__cgroup_cpus(&cgroup, &cpus) ? cpus : NAN;
}

static double read_cpu_usage(const void *arg)
{
    uint64_t ns;
    (void)arg;
    return spy__cgroup_cpu_ns(&cgroup, &ns) ? (double)ns / 1e9 : NAN;
}

enum throttling { PERIODS, THROTTLED, THROTTLED_SECONDS };

static double read_throttling(const void *arg)
{
    struct spy__cgroup_throttling t;
    if (!spy__cgroup_throttling(&cgroup, &t)) {
        return NAN;
    }
    const double values[] = { [PERIODS] = (double)t.periods,
                              [THROTTLED] = (double)t.throttled,
                              [THROTTLED_SECONDS] = (double)t.throttled_ns / 1e9 };
    return values[*(const enum throttling *)arg];
}

static double read_memory_limit(const void *arg)
{
    uint64_t limit, used;
    (void)arg;
    return spy__cgroup_memory(&cgroup, &limit, &used) ? (double)limit : NAN;
}

static double number(bool known, uint64_t value)
{
    return known ? (double)value : NAN;
}

static double read_memory_usage(const void *arg)
{
    uint64_t bytes = 0;
    (void)arg;
    bool known = spy__cgroup_memory_usage(&cgroup, &bytes);
    return number(known, bytes);
}

static double read_working_set(const void *arg)
{
    uint64_t bytes = 0;
    (void)arg;
    bool known = spy__cgroup_working_set(&cgroup, &bytes);
    return number(known, bytes);
}

static double read_oom_kills(const void *arg)
{
    uint64_t kills = 0;
    (void)arg;
    bool known = spy__cgroup_oom_kills(&cgroup, &kills);
    return number(known, kills);
}

// ---- pressure and network

struct stall {
    const char *resource;
    bool full;
};

static double read_pressure(const void *arg)
{
    const struct stall *stall = arg;
    uint64_t us;
    bool known = spy__cgroup_pressure(&cgroup, proc_dir, stall->resource, stall->full, &us);
    return known ? (double)us / 1e6 : NAN;
}

static double read_network(const void *arg)
{
    char path[300], text[8192];
    uint64_t bytes = 0;
    (void)snprintf(path, sizeof(path), "%s/self/net/netstat", proc_dir);
    bool known = spy__procfs_read(path, text, sizeof(text)) > 0 &&
                 spy__parse_netstat(text, "IpExt:", arg, &bytes);
    return number(known, bytes);
}

static const struct spy__collector values[] = {
    { SPY__GAUGE, "cgroup_cpu_limit_cores",
      "Processors whose time the control group may use, where it is limited", read_cpu_limit,
      NULL },
    { SPY__COUNTER, "cgroup_cpu_usage_seconds_total",
      "CPU time of the control group, of the limited one where one above it is", read_cpu_usage,
      NULL },
    { SPY__COUNTER, "cgroup_cpu_periods_total",
      "Scheduling periods in which the control group was held against its limit", read_throttling,
      &(const enum throttling){ PERIODS } },
    { SPY__COUNTER, "cgroup_cpu_throttled_periods_total",
      "Scheduling periods in which the control group used its limit up", read_throttling,
      &(const enum throttling){ THROTTLED } },
    { SPY__COUNTER, "cgroup_cpu_throttled_seconds_total",
      "Time that the control group's tasks were held back for its limit", read_throttling,
      &(const enum throttling){ THROTTLED_SECONDS } },
    { SPY__GAUGE, "cgroup_memory_limit_bytes",
      "Memory that the control group may use, where it is limited", read_memory_limit, NULL },
    { SPY__GAUGE, "cgroup_memory_usage_bytes", "Memory of the control group, page cache included",
      read_memory_usage, NULL },
    { SPY__GAUGE, "cgroup_memory_working_set_bytes",
      "Memory of the control group without inactive page cache", read_working_set, NULL },
    { SPY__COUNTER, "cgroup_oom_kills_total",
      "Processes of the control group that were killed for want of memory", read_oom_kills, NULL },
    { SPY__COUNTER, "pressure_cpu_waiting_seconds_total",
      "Time that some task waited for a processor", read_pressure,
      &(const struct stall){ "cpu", false } },
    { SPY__COUNTER, "pressure_io_waiting_seconds_total", "Time that some task waited for I/O",
      read_pressure, &(const struct stall){ "io", false } },
    { SPY__COUNTER, "pressure_io_stalled_seconds_total", "Time that all tasks waited for I/O",
      read_pressure, &(const struct stall){ "io", true } },
    { SPY__COUNTER, "pressure_memory_waiting_seconds_total",
      "Time that some task waited for memory", read_pressure,
      &(const struct stall){ "memory", false } },
    { SPY__COUNTER, "pressure_memory_stalled_seconds_total",
      "Time that all tasks waited for memory", read_pressure,
      &(const struct stall){ "memory", true } },
    { SPY__COUNTER, "process_network_receive_bytes_total",
      "Bytes received in the process's network namespace", read_network, "InOctets" },
    { SPY__COUNTER, "process_network_transmit_bytes_total",
      "Bytes sent in the process's network namespace", read_network, "OutOctets" },
};

int spy__system_register(const char *proc, const char *root)
{
    static unsigned registered; // guarded by the registry's lock
    spy__registry_lock();
    int r = spy__registry_init();
    if (r == 0 && registered == 0) {
        (void)snprintf(proc_dir, sizeof(proc_dir), "%s", proc);
        spy__cgroup_find(&cgroup, proc, root);
    }
    r = r ? r : spy__collectors_add(values, sizeof(values) / sizeof(values[0]), &registered);
    spy__registry_unlock();
    return r;
}
