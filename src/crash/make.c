#include "crash/make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reserve.h"
#include "crash/capture.h"
#include "crash/machine.h"
#include "profile/modules.h"

#define FILE_NEW SPY__CRASH_FILE ".new"

static void populate(unsigned char *file)
{
    if (!spy__reserve_populate(file, SPY__CRASH_BYTES)) {
        for (size_t at = 0; at < SPY__CRASH_BYTES; at += 4096) {
            ((volatile unsigned char *)file)[at] = 0;
        }
    }
}

// What the loader says now: for a handler that cannot ask the kernel, out of descriptors say.
static void list_modules(unsigned char *file)
{
    struct spy__modules modules = { 0 };
    uint32_t count = 0;
    if (spy__modules_read(&modules) != 0) {
        return;
    }
    for (size_t i = 0; i < modules.count && count < SPY__CRASH_MODULES_MAX; i++) {
        const struct spy__module *from = &modules.list[i];
        struct spy__crash_module *to = spy__crash_module_at(file, count++);
        size_t n = strlen(from->path);
        *to = (struct spy__crash_module){ from->start, from->end, from->bias };
        memcpy(to->path, from->path, n < sizeof(to->path) ? n : 0);
        memcpy(to->build_id, from->build_id, sizeof(to->build_id));
    }
    spy__crash_head(file)->modules = count;
    spy__modules_done(&modules);
}

// The magic goes last: a start that dies on the way leaves no file to be read.
static void make_empty(unsigned char *file, uint64_t run)
{
    struct spy__crash_head *head = spy__crash_head(file);
    memset(head, 0, sizeof(*head));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memset(file + SPY__CRASH_MODULES_AT, 0, SPY__CRASH_STACKS_AT - SPY__CRASH_MODULES_AT);
    head->endian = SPY__CRASH_ENDIAN;
    head->version = SPY__CRASH_VERSION;
    head->machine = SPY__MACHINE;
    head->run = run;
    head->pid = (uint64_t)getpid();
    list_modules(file);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(head->magic, SPY__CRASH_MAGIC, sizeof(head->magic));
}

static int map_file(unsigned char **ret, int dir_fd, uint64_t run)
{
    bool is_new;
    void *file = MAP_FAILED;
    int fd = spy__reserve_open(dir_fd, SPY__CRASH_FILE, FILE_NEW, SPY__CRASH_BYTES, &is_new);
    if (fd < 0) {
        return fd;
    }
    int err = spy__reserve(fd, SPY__CRASH_BYTES);
    if (err == 0) {
        file = mmap(NULL, SPY__CRASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        err = file == MAP_FAILED ? -errno : 0;
    }
    close(fd);
    if (err == 0) {
        populate(file);
        make_empty(file, run);
        if (is_new && renameat(dir_fd, FILE_NEW, dir_fd, SPY__CRASH_FILE) != 0) {
            err = -errno;
            spy__crash_unmap(file);
        }
    }
    if (err != 0 && is_new) {
        (void)unlinkat(dir_fd, FILE_NEW, 0);
    }
    *ret = err ? NULL : file;
    return err;
}

int spy__crash_make(unsigned char **ret, const char *state_dir, uint64_t run)
{
    int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int err = map_file(ret, dir_fd, run);
    close(dir_fd);
    return err;
}

void spy__crash_unmap(unsigned char *file)
{
    if (file) {
        munmap(file, SPY__CRASH_BYTES);
    }
}
