// Each value is read from its file when it is asked for: nothing is kept but where the files are.
#include "metrics/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/procfs.h"

#define PROC_BYTES_MAX 65536u // of mountinfo: lines past it are not looked at
#define FILE_BYTES_MAX 4096u  // of a control file; memory.stat is the longest one
#define WORD_MAX 256u

// Version 1's "no limit" is the greatest multiple of a page in a signed word; any limit so large
// is none.
#define NO_LIMIT (1ull << 60)

// ---- where it is

// Copies the word at *at, up to a blank or the line's end, with \ooo as the kernel writes blanks
// in paths; moves *at behind it and its blank. False where there is none, or it is too long.
static bool take_word(const char **at, char ret[WORD_MAX])
{
    const char *s = *at;
    size_t n = 0;
    while (*s && *s != ' ' && *s != '\n') {
        unsigned char c = (unsigned char)*s++;
        if (c == '\\' && s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
            s[2] <= '7') {
            c = (unsigned char)(((s[0] - '0') << 6) | ((s[1] - '0') << 3) | (s[2] - '0'));
            s += 3;
        }
        if (n + 1 >= WORD_MAX) {
            return false;
        }
        ret[n++] = (char)c;
    }
    ret[n] = 0;
    *at = s + (*s == ' ');
    return n > 0;
}

static bool is_in_list(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == 0)) {
            return true;
        }
    }
    return false;
}

static const char *const controllers[SPY__CGROUP_CONTROLLERS] = { "memory", "cpu", "cpuacct" };

// Our path in a hierarchy, as /proc/self/cgroup has it: "ID:CONTROLLERS:PATH" a line, version 2's
// with ID 0 and no controllers. controller: NULL for version 2.
static bool find_path(const char *cgroup, const char *controller, char ret[WORD_MAX])
{
    for (const char *line = cgroup; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *list = strchr(line, ':');
        const char *path = list ? strchr(list + 1, ':') : NULL;
        const char *end = strchr(line, '\n');
        if (!path || (end && path > end)) {
            continue;
        }
        char names[WORD_MAX];
        size_t n = (size_t)(path - list - 1);
        if (n >= sizeof(names)) {
            continue;
        }
        memcpy(names, list + 1, n);
        names[n] = 0;
        bool is_it = controller ? is_in_list(names, controller) : n == 0;
        if (is_it) {
            size_t length = end ? (size_t)(end - path - 1) : strlen(path + 1);
            if (length >= WORD_MAX) {
                return false;
            }
            memcpy(ret, path + 1, length);
            ret[length] = 0;
            return true;
        }
    }
    return false;
}

// A line of mountinfo: "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAGS…] - TYPE SOURCE SUPER"
// (proc(5)).
struct mount {
    char root[WORD_MAX], point[WORD_MAX], type[WORD_MAX], super[WORD_MAX];
};

static bool parse_mount(const char *line, struct mount *ret)
{
    char skipped[WORD_MAX];
    const char *at = line;
    for (int i = 0; i < 3; i++) {
        if (!take_word(&at, skipped)) {
            return false;
        }
    }
    if (!take_word(&at, ret->root) || !take_word(&at, ret->point)) {
        return false;
    }
    do {
        if (!take_word(&at, skipped)) {
            return false;
        }
    } while (strcmp(skipped, "-") != 0);
    return take_word(&at, ret->type) && take_word(&at, skipped) && take_word(&at, ret->super);
}

// The mount of a hierarchy; of several the first. controller: NULL for version 2.
static bool find_mount(const char *mountinfo, const char *controller, struct mount *ret)
{
    for (const char *line = mountinfo; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line && parse_mount(line, ret) &&
            (controller ? strcmp(ret->type, "cgroup") == 0 && is_in_list(ret->super, controller)
                        : strcmp(ret->type, "cgroup2") == 0)) {
            return true;
        }
    }
    return false;
}

// What of a path lies below the mount's root; one that lies beside it cannot be seen: then what is
// mounted is all there is.
static const char *below(const char *path, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != 0) || strstr(path, "/..")) {
        return "";
    }
    return strcmp(path + n, "/") == 0 ? "" : path + n;
}

static bool find_place(struct spy__cgroup_place *ret, const char *cgroup, const char *mountinfo,
                       const char *root, const char *controller)
{
    char path[WORD_MAX];
    struct mount mount;
    if (!find_path(cgroup, controller, path) || !find_mount(mountinfo, controller, &mount)) {
        return false;
    }
    int n = snprintf(ret->path, sizeof(ret->path), "%s%s", root, mount.point);
    ret->mount_bytes = (unsigned)n;
    ret->v2 = !controller;
    n = snprintf(ret->path, sizeof(ret->path), "%s%s%s", root, mount.point,
                 below(path, mount.root));
    return n > 0 && (size_t)n < sizeof(ret->path);
}

void spy__cgroup_parse(struct spy__cgroup *ret, const char *cgroup, const char *mountinfo,
                       const char *root)
{
    for (int i = 0; i < SPY__CGROUP_CONTROLLERS; i++) {
        // A controller is in one hierarchy: in a version 1 one of its own, else in version 2's.
        if (!find_place(&ret->places[i], cgroup, mountinfo, root, controllers[i]) &&
            !find_place(&ret->places[i], cgroup, mountinfo, root, NULL)) {
            ret->places[i] = (struct spy__cgroup_place){ .path = "" };
        }
    }
}

static char *read_proc(const char *proc, const char *file)
{
    char path[SPY__CGROUP_PATH_MAX];
    char *text = malloc(PROC_BYTES_MAX);
    int n = snprintf(path, sizeof(path), "%s/self/%s", proc, file);
    if (text && (n >= (int)sizeof(path) || spy__procfs_read(path, text, PROC_BYTES_MAX) < 0)) {
        free(text);
        return NULL;
    }
    return text;
}

void spy__cgroup_find(struct spy__cgroup *ret, const char *proc, const char *root)
{
    char *cgroup = read_proc(proc, "cgroup");
    char *mountinfo = read_proc(proc, "mountinfo");
    spy__cgroup_parse(ret, cgroup ? cgroup : "", mountinfo ? mountinfo : "", root);
    free(cgroup);
    free(mountinfo);
}

// ---- what its files say

// A group: ours, or one above it.
struct group {
    char path[SPY__CGROUP_PATH_MAX];
    unsigned mount_bytes;
    bool v2;
};

static bool our_group(const struct spy__cgroup *g, enum spy__cgroup_controller c, struct group *ret)
{
    const struct spy__cgroup_place *place = &g->places[c];
    memcpy(ret->path, place->path, sizeof(ret->path));
    ret->mount_bytes = place->mount_bytes;
    ret->v2 = place->v2;
    return place->path[0] != 0;
}

// Goes to the group above. False: that is where the hierarchy is mounted, and there is none.
static bool go_up(struct group *group)
{
    char *slash = strrchr(group->path, '/');
    if (!slash || (size_t)(slash - group->path) < group->mount_bytes) {
        return false;
    }
    *slash = 0;
    return true;
}

static bool read_file(const struct group *group, const char *file, char text[FILE_BYTES_MAX])
{
    char path[SPY__CGROUP_PATH_MAX + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", group->path, file);
    return spy__procfs_read(path, text, FILE_BYTES_MAX) > 0;
}

static bool read_one(const struct group *group, const char *file, uint64_t *ret)
{
    char text[FILE_BYTES_MAX];
    const char *at = text;
    return read_file(group, file, text) && spy__parse_number(&at, ret);
}

static bool read_named(const struct group *group, const char *file, const char *name, uint64_t *ret)
{
    char text[FILE_BYTES_MAX];
    return read_file(group, file, text) && spy__parse_named(text, name, ret);
}

static bool usage_of(const struct group *group, uint64_t *ret)
{
    return read_one(group, group->v2 ? "memory.current" : "memory.usage_in_bytes", ret);
}

static bool working_set_of(const struct group *group, uint64_t *ret)
{
    uint64_t used, idle;
    if (!usage_of(group, &used)) {
        return false;
    }
    if (!read_named(group, "memory.stat", group->v2 ? "inactive_file " : "total_inactive_file ",
                    &idle)) {
        idle = 0;
    }
    *ret = used > idle ? used - idle : 0;
    return true;
}

bool spy__cgroup_memory(const struct spy__cgroup *g, uint64_t *ret_limit, uint64_t *ret_used)
{
    struct group group, tightest = { .path = "" };
    uint64_t limit, least = NO_LIMIT;
    if (!our_group(g, SPY__CGROUP_MEMORY, &group)) {
        return false;
    }
    do { // "max" is no number
        if (read_one(&group, group.v2 ? "memory.max" : "memory.limit_in_bytes", &limit) &&
            limit < least) {
            least = limit;
            tightest = group;
        }
    } while (go_up(&group));
    *ret_limit = least;
    return least < NO_LIMIT && least > 0 && working_set_of(&tightest, ret_used);
}

bool spy__cgroup_memory_usage(const struct spy__cgroup *g, uint64_t *ret)
{
    struct group group;
    return our_group(g, SPY__CGROUP_MEMORY, &group) && usage_of(&group, ret);
}

bool spy__cgroup_working_set(const struct spy__cgroup *g, uint64_t *ret)
{
    struct group group;
    return our_group(g, SPY__CGROUP_MEMORY, &group) && working_set_of(&group, ret);
}

bool spy__cgroup_oom_kills(const struct spy__cgroup *g, uint64_t *ret)
{
    struct group group;
    return our_group(g, SPY__CGROUP_MEMORY, &group) &&
           read_named(&group, group.v2 ? "memory.events" : "memory.oom_control", "oom_kill ", ret);
}

// "QUOTA PERIOD" or "max PERIOD" in version 2, a file each in version 1, where -1 is none.
static bool quota_of(const struct group *group, double *ret)
{
    char text[FILE_BYTES_MAX];
    uint64_t quota, period;
    const char *at = text;
    bool is_known = group->v2
                        ? read_file(group, "cpu.max", text) && spy__parse_number(&at, &quota) &&
                              spy__parse_number(&at, &period)
                        : read_one(group, "cpu.cfs_quota_us", &quota) &&
                              read_one(group, "cpu.cfs_period_us", &period);
    if (!is_known || quota == 0 || period == 0) {
        return false;
    }
    *ret = (double)quota / (double)period;
    return true;
}

// The group with the least quota.
static bool tightest_cpu(const struct spy__cgroup *g, struct group *ret, double *ret_cpus)
{
    struct group group;
    double cpus;
    bool found = false;
    if (!our_group(g, SPY__CGROUP_CPU, &group)) {
        return false;
    }
    do {
        if (quota_of(&group, &cpus) && (!found || cpus < *ret_cpus)) {
            found = true;
            *ret_cpus = cpus;
            *ret = group;
        }
    } while (go_up(&group));
    return found;
}

bool spy__cgroup_cpus(const struct spy__cgroup *g, double *ret)
{
    struct group group;
    return tightest_cpu(g, &group, ret);
}

// The kernel counts in the group that has the quota: that one, else ours.
static bool counting_group(const struct spy__cgroup *g, struct group *ret)
{
    double cpus;
    return tightest_cpu(g, ret, &cpus) || our_group(g, SPY__CGROUP_CPU, ret);
}

bool spy__cgroup_cpu_ns(const struct spy__cgroup *g, uint64_t *ret)
{
    struct group group, account;
    if (!our_group(g, SPY__CGROUP_CPUACCT, &account)) {
        return false;
    }
    if (counting_group(g, &group)) {
        // Version 1 may count in another hierarchy than it limits: the group has the same depth
        // there.
        const char *ours = g->places[SPY__CGROUP_CPU].path;
        for (const char *at = ours + strlen(group.path); *at; at++) {
            if (*at == '/' && !go_up(&account)) {
                return false;
            }
        }
    }
    if (account.v2) {
        return read_named(&account, "cpu.stat", "usage_usec ", ret) &&
               !__builtin_mul_overflow(*ret, 1000u, ret);
    }
    return read_one(&account, "cpuacct.usage", ret);
}

bool spy__cgroup_throttling(const struct spy__cgroup *g, struct spy__cgroup_throttling *ret)
{
    struct group group;
    char text[FILE_BYTES_MAX];
    if (!counting_group(g, &group) || !read_file(&group, "cpu.stat", text) ||
        !spy__parse_named(text, "nr_periods ", &ret->periods) ||
        !spy__parse_named(text, "nr_throttled ", &ret->throttled)) {
        return false;
    }
    if (group.v2) {
        return spy__parse_named(text, "throttled_usec ", &ret->throttled_ns) &&
               !__builtin_mul_overflow(ret->throttled_ns, 1000u, &ret->throttled_ns);
    }
    return spy__parse_named(text, "throttled_time ", &ret->throttled_ns);
}

bool spy__cgroup_pressure(const struct spy__cgroup *g, const char *proc, const char *resource,
                          bool full, uint64_t *ret_us)
{
    struct group group;
    char path[SPY__CGROUP_PATH_MAX + 64], text[FILE_BYTES_MAX];
    if (!our_group(g, SPY__CGROUP_MEMORY, &group) || !group.v2) {
        group.path[0] = 0;
    }
    (void)snprintf(path, sizeof(path), "%s/%s.pressure", group.path, resource);
    if (group.path[0] == 0 || spy__procfs_read(path, text, sizeof(text)) <= 0) {
        (void)snprintf(path, sizeof(path), "%s/pressure/%s", proc, resource);
        if (spy__procfs_read(path, text, sizeof(text)) <= 0) {
            return false;
        }
    }
    return spy__parse_pressure(text, full, ret_us);
}
