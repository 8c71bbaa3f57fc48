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

// The number at *at, after blanks; moves *at behind it.
static bool read_number(const char **at, uint64_t *ret)
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
        if (!read_number(&at, &ticks[i]) && i <= IDLE) {
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

// The number of the line that begins with name.
static bool find_line(const char *text, const char *name, uint64_t *ret)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0) {
            const char *at = line + n;
            return read_number(&at, ret);
        }
    }
    return false;
}

bool spy__parse_memory_percent(const char *text, double *ret)
{
    uint64_t total, available;
    if (!find_line(text, "MemTotal:", &total) || !find_line(text, "MemAvailable:", &available) ||
        total == 0 || available > total) {
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
        if ((field == NUM_THREADS && !read_number(&number, &stat.threads)) ||
            (field == START_TIME && !read_number(&number, &stat.start_ticks))) {
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
    if (!read_number(&at, &size) || !read_number(&at, &resident)) {
        return false;
    }
    *ret_virtual = size;
    *ret_resident = resident;
    return true;
}
