#include "base/host.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/utf8.h"

// ---- os-release

// The value of a line NAME=VALUE: as it is, or in quotes, where a backslash may stand before any
// character.
static bool take_value(char *out, size_t size, const char *s, size_t n)
{
    size_t len = 0;
    char quote = n > 0 && (s[0] == '"' || s[0] == '\'') ? s[0] : '\0';
    for (size_t i = quote ? 1 : 0; i < n; i++) {
        if (quote && s[i] == quote) {
            out[len] = '\0';
            return i + 1 == n && spy__utf8_valid(out, len);
        }
        bool escaped = quote == '"' && s[i] == '\\' && i + 1 < n;
        i += escaped;
        if ((!escaped && quote != '\'' && (s[i] == '$' || s[i] == '`')) ||
            (unsigned char)s[i] < ' ' || len + 1 == size) {
            return false;
        }
        out[len++] = s[i];
    }
    out[len] = '\0';
    return !quote && spy__utf8_valid(out, len);
}

static void take_line(struct spy__host *ret, const char *line, size_t n)
{
    static const char name[] = "NAME=", version[] = "VERSION_ID=";
    char value[64];
    if (n > sizeof(name) - 1 && memcmp(line, name, sizeof(name) - 1) == 0 &&
        take_value(value, sizeof(value), line + sizeof(name) - 1, n - sizeof(name) + 1)) {
        memcpy(ret->os_name, value, sizeof(value));
    }
    if (n > sizeof(version) - 1 && memcmp(line, version, sizeof(version) - 1) == 0 &&
        take_value(value, sizeof(value), line + sizeof(version) - 1, n - sizeof(version) + 1)) {
        memcpy(ret->os_version, value, sizeof(value));
    }
}

void spy__os_release_parse(struct spy__host *ret, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) - at : n - at;
        take_line(ret, text + at, len);
        at += len + 1;
    }
}

static void read_os_release(struct spy__host *ret)
{
    char text[4096]; // it has some hundred bytes
    int fd = open("/etc/os-release", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));
    if (fd >= 0) {
        close(fd);
    }
    spy__os_release_parse(ret, text, n > 0 ? (size_t)n : 0);
}

// ---- the rest

void spy__host_read(struct spy__host *ret)
{
    struct utsname names;
    *ret = (struct spy__host){ 0 };
    if (uname(&names) == 0) {
        (void)snprintf(ret->name, sizeof(ret->name), "%s", names.nodename);
        (void)snprintf(ret->os_name, sizeof(ret->os_name), "%.63s", names.sysname);
        (void)snprintf(ret->kernel, sizeof(ret->kernel), "%.127s", names.release);
        (void)snprintf(ret->arch, sizeof(ret->arch), "%.63s", names.machine);
    }
    read_os_release(ret);
#ifdef _CS_GNU_LIBC_VERSION // "glibc 2.36"
    char libc[sizeof(ret->libc)] = "";
    size_t n = confstr(_CS_GNU_LIBC_VERSION, libc, sizeof(libc));
    const char *version = strchr(libc, ' ');
    if (n > 0 && n <= sizeof(libc) && version) {
        memcpy(ret->libc, version + 1, strlen(version));
    }
#endif
    long cpus = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    ret->cpus = cpus > 0 ? (unsigned)cpus : 0;
    ret->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}
