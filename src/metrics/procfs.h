// What the collectors read from Linux's /proc: text in, numbers out (proc(5)).
#ifndef METRICS_PROCFS_H
#define METRICS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads the file's beginning, up to cap - 1 bytes, and ends it with a NUL. Returns its length or a
// negative errno.
int spy__procfs_read(const char *path, char *ret, size_t cap);

// Ticks of all processors since boot.
struct spy__cpu_ticks {
    uint64_t busy, total;
};

// /proc/stat: its first line. Guests are counted within user time; waiting for I/O is idle, as for
// psutil.
bool spy__parse_cpu(const char *text, struct spy__cpu_ticks *ret);
// Percent of the time between two samples that the processors were busy, 0 to 100; 0 where no time
// passed.
double spy__cpu_percent(const struct spy__cpu_ticks *before, const struct spy__cpu_ticks *after);
// /proc/meminfo: percent of memory that is not available to programs.
bool spy__parse_memory_percent(const char *text, double *ret);
// Percent of the blocks that are used, of those that an ordinary user may use: as df(1) and psutil
// have it.
double spy__disk_percent(uint64_t blocks, uint64_t free, uint64_t available);

// The number at *at, after blanks; moves *at behind it. False: there is none, or it has no room.
bool spy__parse_number(const char **at, uint64_t *ret);
// The number of the line that begins with `name`, its separator included ("oom_kill ").
bool spy__parse_named(const char *text, const char *name, uint64_t *ret);
// /proc/pressure/* and a group's *.pressure: the microseconds after "total=" of its line "some" or
// "full".
bool spy__parse_pressure(const char *text, bool full, uint64_t *ret_us);
// /proc/self/net/netstat: the number of `column` in the two lines of `table` ("IpExt:").
bool spy__parse_netstat(const char *text, const char *table, const char *column, uint64_t *ret);

// /proc/self/stat
struct spy__process_stat {
    uint64_t threads;
    uint64_t start_ticks; // since boot
};
bool spy__parse_process_stat(const char *text, struct spy__process_stat *ret);
// /proc/self/statm: in pages
bool spy__parse_process_memory(const char *text, uint64_t *ret_virtual, uint64_t *ret_resident);

#endif
