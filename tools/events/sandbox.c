#include "tools/events/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// A system's linux/landlock.h ends with some version, and the kernel may know more.
struct ruleset {
    uint64_t files, tcp, scoped;
};
#define REFER (UINT64_C(1) << 13)               // version 2
#define TRUNCATE (UINT64_C(1) << 14)            // version 3
#define CONNECT_TCP (UINT64_C(1) << 1)          // version 4
#define SCOPED_SIGNAL (UINT64_C(1) << 1)        // version 6
#define SCOPED_ABSTRACT_UNIX (UINT64_C(1) << 0) // version 6

// Of version 2, which lets a file move between folders; ioctls of devices stay free.
#define FILES_ALL ((REFER << 1) - 1)
#define FILES_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static int create(const struct ruleset *rules, size_t size, unsigned flags)
{
    return (int)syscall(SYS_landlock_create_ruleset, rules, size, flags);
}

// What is not there needs no rule.
static int allow(int rules, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == EACCES ? 0 : -errno;
    }
    struct landlock_path_beneath_attr beneath = { .allowed_access = access, .parent_fd = fd };
    int rc = 0;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0) {
        rc = -errno;
    }
    close(fd);
    return rc;
}

static int allow_all(int rules, const char *folder, uint64_t files)
{
    // Libraries are loaded late for host names (nsswitch.conf(5)), which takes no right to run them.
    static const char *const folders[] = { "/proc", "/sys",     "/usr/share/zoneinfo",
                                           "/lib",  "/usr/lib", "/lib64" };
    static const char *const names[] = { "/etc/localtime",     "/etc/timezone",    "/etc/hosts",
                                         "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/host.conf",
                                         "/etc/ld.so.cache" };
    int rc = allow(rules, folder, files & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
    rc = rc ? rc : allow(rules, "/dev", FILES_READ | LANDLOCK_ACCESS_FS_WRITE_FILE);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        rc = rc ? rc : allow(rules, folders[i], FILES_READ);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rc = rc ? rc : allow(rules, names[i], LANDLOCK_ACCESS_FS_READ_FILE);
    }
    return rc;
}

int events_sandbox_enter(const char *folder)
{
    int version = create(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 2) {
        return version < 0 ? -errno : -EOPNOTSUPP;
    }
    struct ruleset handled = { .files = FILES_ALL | (version >= 3 ? TRUNCATE : 0),
                               .tcp = version >= 4 ? CONNECT_TCP : 0,
                               .scoped = version >= 6 ? SCOPED_SIGNAL | SCOPED_ABSTRACT_UNIX : 0 };
    // An older kernel refuses a struct that is longer than its own.
    size_t size = version >= 6   ? sizeof(handled)
                  : version >= 4 ? offsetof(struct ruleset, scoped)
                                 : offsetof(struct ruleset, tcp);
    int rules = create(&handled, size, 0);
    if (rules < 0) {
        return -errno;
    }
    int rc = allow_all(rules, folder, handled.files);
    if (rc == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                    syscall(SYS_landlock_restrict_self, rules, 0) != 0)) {
        rc = -errno;
    }
    close(rules);
    return rc;
}

void events_sandbox_forget_environment(void)
{
    size_t kept = 0;
    for (size_t i = 0; environ && environ[i]; i++) {
        if (strncmp(environ[i], "TZ=", 3) == 0) {
            environ[kept++] = environ[i];
        } else {
            explicit_bzero(environ[i], strlen(environ[i]));
        }
    }
    if (environ) {
        environ[kept] = NULL;
    }
}
