#include "crash/life.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/reserve.h"
#include "base/utf8.h"

#define MAGIC "SPYRUN\0"
#define ENDIAN 0x01020304u
#define VERSION 1u
#define FILE_NEW SPY__LIFE_FILE ".new"
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 40

// As it lies in the state directory; all numbers are the machine's own.
struct file {
    char magic[8];
    uint32_t endian, version;
    uint64_t run, pid, start_ns, seen_ns, told_ns;
    uint32_t end; // atomic: enum spy__life_end
    struct spy__sessions sessions, told;
    char boot_id[BOOT_ID_BYTES];
    char release[SPY__LIFE_TEXT_MAX + 1], environment[SPY__LIFE_TEXT_MAX + 1];
};

static struct file *life; // of this start; NULL for none
static pid_t owner;

static void read_boot_id(char out[BOOT_ID_BYTES])
{
    int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, BOOT_ID_BYTES - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

// ---- the process before

static void copy_text(char to[SPY__LIFE_TEXT_MAX + 1], const char from[SPY__LIFE_TEXT_MAX + 1])
{
    size_t n = strnlen(from, SPY__LIFE_TEXT_MAX);
    n = spy__utf8_valid(from, n) ? n : 0;
    memcpy(to, from, n);
    to[n] = '\0';
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

int spy__life_parse(struct spy__life *ret, const void *bytes, size_t n, const char *boot_id)
{
    struct file f;
    if (n < sizeof(f)) {
        return -EBADMSG;
    }
    memcpy(&f, bytes, sizeof(f));
    if (memcmp(f.magic, MAGIC, sizeof(f.magic)) != 0 || f.endian != ENDIAN ||
        f.version != VERSION || f.end > SPY__LIFE_EXITED) {
        return -EBADMSG;
    }
    f.boot_id[BOOT_ID_BYTES - 1] = '\0';
    *ret = (struct spy__life){
        .run = f.run,
        .pid = f.pid,
        .start_ns = f.start_ns,
        .seen_ns = f.seen_ns,
        .end = (enum spy__life_end)f.end,
        .rebooted = strcmp(f.boot_id, boot_id) != 0,
        .untold = { minus(f.sessions.exited, f.told.exited),
                    minus(f.sessions.errored, f.told.errored) },
        .told_ns = f.told_ns,
    };
    copy_text(ret->release, f.release);
    copy_text(ret->environment, f.environment);
    return 0;
}

int spy__life_read(struct spy__life *ret, const char *state_dir)
{
    char path[PATH_MAX], boot_id[BOOT_ID_BYTES];
    struct file bytes;
    struct stat st;
    if (snprintf(path, sizeof(path), "%s/" SPY__LIFE_FILE, state_dir) >= (int)sizeof(path)) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, &bytes, sizeof(bytes)) : 0;
    int err = n < 0 ? -errno : 0;
    close(fd);
    read_boot_id(boot_id);
    return err ? err : spy__life_parse(ret, &bytes, (size_t)n, boot_id);
}

// ---- this one

static void write_text(char to[SPY__LIFE_TEXT_MAX + 1], const char *from)
{
    size_t n = from ? strnlen(from, SPY__LIFE_TEXT_MAX) : 0;
    memcpy(to, from ? from : "", n);
    to[n] = '\0';
}

static void fill(struct file *f, const struct spy__life_options *o)
{
    *f = (struct file){ .endian = ENDIAN,
                        .version = VERSION,
                        .run = o->run,
                        .pid = (uint64_t)getpid(),
                        .start_ns = o->now_ns,
                        .seen_ns = o->now_ns,
                        .told_ns = o->now_ns };
    memcpy(f->magic, MAGIC, sizeof(f->magic));
    read_boot_id(f->boot_id);
    write_text(f->release, o->release);
    write_text(f->environment, o->environment);
}

// Makes it under another name: the file is there whole, or the one before is.
static int make(struct file **ret, int dir_fd, const struct spy__life_options *o)
{
    (void)unlinkat(dir_fd, FILE_NEW, 0);
    int fd = openat(dir_fd, FILE_NEW, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    void *p = MAP_FAILED;
    int err = spy__reserve(fd, sizeof(struct file));
    if (err == 0) {
        p = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        err = p == MAP_FAILED ? -errno : 0;
    }
    close(fd);
    if (err == 0) {
        fill(p, o);
        err = renameat(dir_fd, FILE_NEW, dir_fd, SPY__LIFE_FILE) == 0 ? 0 : -errno;
    }
    if (err != 0) {
        (void)unlinkat(dir_fd, FILE_NEW, 0);
        if (p != MAP_FAILED) {
            munmap(p, sizeof(struct file));
        }
        return err;
    }
    *ret = p;
    return 0;
}

int spy__life_start(struct spy__sessions **ret, const struct spy__life_options *options)
{
    int dir_fd = open(options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int err = make(&life, dir_fd, options);
    if (err == 0) {
        owner = getpid();
        *ret = &life->sessions;
    }
    close(dir_fd);
    return err;
}

static bool is_ours(void)
{
    return life && owner == getpid();
}

void spy__life_seen(uint64_t now_ns)
{
    if (is_ours()) {
        life->seen_ns = now_ns;
    }
}

void spy__life_told(const struct spy__sessions *told, uint64_t now_ns)
{
    if (is_ours()) {
        life->told = *told;
        life->told_ns = now_ns;
    }
}

static void end_as(enum spy__life_end end)
{
    if (is_ours()) {
        __atomic_store_n(&life->end, (uint32_t)end, __ATOMIC_RELAXED);
    }
}

void spy__life_stop(void)
{
    end_as(SPY__LIFE_STOPPED);
    life = NULL;
}

// A process that returns from main() has ended in order, whatever it left undone.
__attribute__((destructor)) static void exit_in_order(void)
{
    end_as(SPY__LIFE_EXITED);
}
