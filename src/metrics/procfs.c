// Reading and parsing /proc. No parser reads past the text's NUL, whatever the text.
#include "metrics/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int spy__procfs_read(const char *path, char *ret, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t len = 0;
    int err = 0;
    while (len < cap - 1) {
        ssize_t n = read(fd, ret + len, cap - 1 - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            err = n < 0 ? -errno : 0;
            break;
        }
        len += (size_t)n;
    }
    (void)close(fd);
    ret[len] = 0;
    return err ? err : (int)len;
}

bool spy__parse_number(const char **at, uint64_t *ret)
{
    const char *s = *at;
    uint64_t v = 0;
    while (*s == ' ' || *s == '\t') {
        s++;
    }
    if (*s < '0' || *s > '9') {
        return false;
    }
    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v)) {
            return false;
        }
    }
    *at = s;
    *ret = v;
    return true;
}

bool spy__parse_cpu(const char *text, struct spy__cpu_ticks *ret)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    uint64_t ticks[FIELDS] = { 0 }, total = 0;
    if (strncmp(text, "cpu ", 4) != 0) {
        return false;
    }
    const char *at = text + 4;
    for (int i = 0; i < FIELDS; i++) {
        // The first four are in every kernel.
        if (!spy__parse_number(&at, &ticks[i]) && i <= IDLE) {
            return false;
        }
        total += ticks[i];
    }
    ret->total = total;
    ret->busy = total - ticks[IDLE] - ticks[IOWAIT];
    return true;
}

double spy__cpu_percent(const struct spy__cpu_ticks *before, const struct spy__cpu_ticks *after)
{
    // The kernel's idle and iowait may step back a little.
    double total = (double)after->total - (double)before->total;
    double busy = (double)after->busy - (double)before->busy;
    if (total <= 0 || busy <= 0) {
        return 0;
    }
    return busy >= total ? 100 : busy / total * 100;
}

bool spy__parse_named(const char *text, const char *name, uint64_t *ret)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0) {
            const char *at = line + n;
            return spy__parse_number(&at, ret);
        }
    }
    return false;
}

bool spy__parse_memory_percent(const char *text, double *ret)
{
    uint64_t total, available;
    if (!spy__parse_named(text, "MemTotal:", &total) ||
        !spy__parse_named(text, "MemAvailable:", &available) || total == 0 || available > total) {
        return false;
    }
    *ret = (double)(total - available) / (double)total * 100;
    return true;
}

double spy__disk_percent(uint64_t blocks, uint64_t free, uint64_t available)
{
    double used = (double)blocks - (double)free;
    double usable = used + (double)available;
    return used > 0 && usable > 0 ? used / usable * 100 : 0;
}

bool spy__parse_process_stat(const char *text, struct spy__process_stat *ret)
{
    // The second field is the program's name in brackets, which may hold anything, brackets too.
    enum { NUM_THREADS = 20, START_TIME = 22 };
    struct spy__process_stat stat = { 0 };
    const char *at = strrchr(text, ')');
    if (!at) {
        return false;
    }
    at++;
    for (int field = 3; field <= START_TIME; field++) {
        at = strchr(at, ' ');
        if (!at) {
            return false;
        }
        at++;
        const char *number = at;
        if ((field == NUM_THREADS && !spy__parse_number(&number, &stat.threads)) ||
            (field == START_TIME && !spy__parse_number(&number, &stat.start_ticks))) {
            return false;
        }
    }
    *ret = stat;
    return true;
}

bool spy__parse_process_memory(const char *text, uint64_t *ret_virtual, uint64_t *ret_resident)
{
    const char *at = text;
    uint64_t size, resident;
    if (!spy__parse_number(&at, &size) || !spy__parse_number(&at, &resident)) {
        return false;
    }
    *ret_virtual = size;
    *ret_resident = resident;
    return true;
}

bool spy__parse_pressure(const char *text, bool full, uint64_t *ret_us)
{
    const char *line = full ? strstr(text, "full ") : text;
    if (!line || strncmp(line, full ? "full " : "some ", 5) != 0) {
        return false;
    }
    const char *end = strchr(line, '\n');
    const char *at = strstr(line, " total=");
    if (!at || (end && at > end)) {
        return false;
    }
    at += strlen(" total=");
    return spy__parse_number(&at, ret_us);
}

bool spy__parse_netstat(const char *text, const char *table, const char *column, uint64_t *ret)
{
    const char *names = strstr(text, table);
    const char *end = names ? strchr(names, '\n') : NULL;
    size_t table_bytes = strlen(table), column_bytes = strlen(column);
    if (!end || strncmp(end + 1, table, table_bytes) != 0) {
        return false;
    }
    const char *value = end + 1 + table_bytes;
    for (const char *at = names + table_bytes; at < end;) {
        at += *at == ' ';
        size_t n = strcspn(at, " \n");
        value += *value == ' ';
        if (n == column_bytes && memcmp(at, column, n) == 0) {
            return spy__parse_number(&value, ret);
        }
        value += strcspn(value, " \n");
        at += n;
    }
    return false;
}
