// Reading a dead process's rings; see the header.

#include "record/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/rings.h"
#include "record/wire.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
// No counter runs slower than at 1 MHz.
#define NS_PER_TICK_MAX 1000.0
// A ring that counted more drops than a process lives for was written over.
#define DROPPED_MAX (UINT64_C(1) << 48)

// Bytes that are read by their place: a file's, or memory's.
struct source {
    int fd;
    const unsigned char *bytes; // where fd is -1
    size_t n;
};

static bool read_at(const struct source *from, void *to, size_t n, uint64_t at)
{
    if (from->fd < 0) {
        if (at > from->n || n > from->n - at) {
            return false;
        }
        memcpy(to, from->bytes + at, n);
        return true;
    }
    for (size_t done = 0; done < n;) {
        ssize_t some = pread(from->fd, (char *)to + done, n - done, (off_t)(at + done));
        if (some == 0 || (some < 0 && errno != EINTR)) {
            return false;
        }
        done += some > 0 ? (size_t)some : 0;
    }
    return true;
}

// ---- the head

// Whether the file is of the form that this library writes, as far as its numbers go.
static bool is_ours(const struct spy__rings_header *h, uint64_t file_bytes)
{
    if (memcmp(h->magic, SPY__RINGS_MAGIC, sizeof(h->magic)) != 0 ||
        h->endian != SPY__RINGS_ENDIAN || h->version != SPY__RINGS_VERSION ||
        h->slots > SPY__RING_SLOTS_MAX || h->slot_size != sizeof(struct spy__slot) ||
        h->ring_bytes < SPY__RING_BYTES_MIN || h->ring_bytes > SPY__RING_BYTES_MAX ||
        (h->ring_bytes & (h->ring_bytes - 1)) != 0) {
        return false;
    }
    uint64_t rings = (uint64_t)h->slots + 1;
    return h->slots_offset <= file_bytes && h->data_offset <= file_bytes &&
           rings * sizeof(struct spy__slot) <= file_bytes - h->slots_offset &&
           rings * h->ring_bytes <= file_bytes - h->data_offset;
}

static void read_map(struct spy__ticks_map *ret, const struct spy__rings_header *h)
{
    *ret = h->maps[h->map & 1];
    if (!(ret->ns_per_tick >= 0 && ret->ns_per_tick <= NS_PER_TICK_MAX)) {
        ret->ns_per_tick = 0;
    }
}

// ---- one ring

// Moves the whole records among n bytes to their front, in place. `first` bytes of them were
// published for sure; behind these, records count as long as one follows the other: their numbers
// were written to the disk before the ring's head was.
struct scan {
    unsigned char *bytes;
    size_t n, published;
    uint64_t seed, sequence; // of the last record before these, 0 for unknown
    uint64_t records, gaps;
};

static bool next_is_whole(const struct scan *scan, size_t at, struct spy__wire_view *view)
{
    return spy__wire_intact(scan->bytes + at, scan->n - at, scan->seed) &&
           spy__wire_read(view, scan->bytes + at, scan->n - at) == 0;
}

static bool is_zero(const unsigned char *word)
{
    static const unsigned char zero[8];
    return memcmp(word, zero, sizeof(zero)) == 0;
}

// Returns the bytes that are records now.
static size_t scan_all(struct scan *scan)
{
    struct spy__wire_view view;
    size_t at = 0, out = 0;
    bool in_gap = false;
    while (scan->n - at >= sizeof(struct spy__wire_head)) {
        bool whole = next_is_whole(scan, at, &view);
        if (at >= scan->published && !(whole && view.record.id.sequence == scan->sequence + 1)) {
            break;
        }
        if (whole && view.record.id.sequence > scan->sequence) {
            size_t n = view.bytes;
            scan->sequence = view.record.id.sequence;
            memmove(scan->bytes + out, scan->bytes + at, n);
            out += n;
            at += n;
            scan->records++;
            in_gap = false;
        } else {
            // Zeros are a record with a secret, which the pump wiped after it was written out.
            scan->gaps += !in_gap && !is_zero(scan->bytes + at);
            in_gap |= !is_zero(scan->bytes + at);
            at += 8;
        }
    }
    return out;
}

// Copies `n` bytes of a ring from position `from` on, over its end to its beginning.
static bool copy_ring(const struct source *source, unsigned char *to, size_t n, uint64_t from,
                      const struct spy__rings_header *h, unsigned slot)
{
    uint64_t begin = h->data_offset + slot * h->ring_bytes, at = from & (h->ring_bytes - 1);
    size_t first = n < h->ring_bytes - at ? n : (size_t)(h->ring_bytes - at);
    return read_at(source, to, first, begin + at) && read_at(source, to + first, n - first, begin);
}

// Returns 0 or -ENOMEM. What cannot be read of it is counted.
static int read_slot(struct spy__dead *dead, const struct source *source,
                     const struct spy__rings_header *h, unsigned i, bool same_boot)
{
    struct spy__slot slot;
    struct spy__dead_slot *to = &dead->slot[i];
    if (!read_at(source, &slot, sizeof(slot), h->slots_offset + i * sizeof(slot))) {
        dead->unreadable++;
        return 0;
    }
    for (int kind = 0; kind < SPY__KINDS; kind++) {
        for (int why = 0; why < SPY__LOSSES; why++) {
            uint64_t n = slot.dropped[kind][why];
            dead->dropped[kind][why] += n <= DROPPED_MAX ? n : 0;
        }
    }
    uint64_t published = slot.head - slot.tail;
    bool sane = published <= h->ring_bytes && slot.head % 8 == 0 && slot.tail % 8 == 0;
    if (sane && published == 0 && same_boot) {
        return 0;
    }
    size_t n = sane && same_boot ? (size_t)published : (size_t)h->ring_bytes;
    to->bytes = malloc(n);
    if (!to->bytes) {
        return -ENOMEM;
    }
    if (!copy_ring(source, to->bytes, n, sane ? slot.tail : 0, h, i)) {
        dead->unreadable++;
        return 0;
    }
    struct scan scan = { .bytes = to->bytes,
                         .n = n,
                         .published = sane ? (size_t)published : n,
                         .seed = spy__ring_seed(h->run, i),
                         .sequence = sane && published == 0 ? slot.sequence : 0 };
    to->n = scan_all(&scan);
    dead->records += scan.records;
    dead->unreadable += scan.gaps;
    return 0;
}

// ---- the file

static int read_source(struct spy__dead *ret, const struct source *source, uint64_t bytes,
                       const char *boot_id)
{
    struct spy__rings_header h;
    struct spy__dead dead = { 0 };
    if (bytes < sizeof(h) || !read_at(source, &h, sizeof(h), 0) || !is_ours(&h, bytes)) {
        return -EBADMSG;
    }
    h.boot_id[sizeof(h.boot_id) - 1] = '\0';
    dead.run = h.run;
    dead.slots = h.slots + 1;
    read_map(&dead.map, &h);
    dead.slot = calloc(dead.slots, sizeof(dead.slot[0]));
    int err = dead.slot ? 0 : -ENOMEM;
    for (unsigned i = 0; err == 0 && i < dead.slots; i++) {
        err = read_slot(&dead, source, &h, i, strcmp(h.boot_id, boot_id) == 0);
    }
    if (err != 0) {
        spy__recover_close(&dead);
        return err;
    }
    *ret = dead;
    return 0;
}

int spy__recover_read(struct spy__dead *ret, const void *bytes, size_t n, const char *boot_id)
{
    const struct source source = { -1, bytes, n };
    return read_source(ret, &source, n, boot_id);
}

void spy__recover_close(struct spy__dead *dead)
{
    for (unsigned i = 0; dead->slot && i < dead->slots; i++) {
        free(dead->slot[i].bytes);
    }
    free(dead->slot);
    dead->slot = NULL;
}

static void read_boot_id(char out[40])
{
    int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, 39);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

// rings.dead.NUMBER, or where number is 0, rings.
static int path_of(char out[PATH_MAX], const char *state_dir, unsigned number)
{
    int n = number ? snprintf(out, PATH_MAX, "%s/" SPY__RINGS_FILE ".dead.%u", state_dir, number)
                   : snprintf(out, PATH_MAX, "%s/" SPY__RINGS_FILE, state_dir);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static bool exists(const char *state_dir, unsigned number)
{
    char path[PATH_MAX];
    struct stat st;
    return path_of(path, state_dir, number) == 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int open_file(const char *state_dir, unsigned number, struct stat *st)
{
    char path[PATH_MAX];
    int err = path_of(path, state_dir, number);
    int fd = err ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (err == 0 && (fd < 0 || fstat(fd, st) != 0)) {
        err = -errno;
        if (fd >= 0) {
            close(fd);
        }
    }
    return err ? err : fd;
}

bool spy__recover_any(const char *state_dir)
{
    unsigned number = 1;
    while (number <= SPY__DEAD_FILES_MAX && !exists(state_dir, number)) {
        number++;
    }
    return number <= SPY__DEAD_FILES_MAX;
}

int spy__recover_open(struct spy__dead *ret, const char *state_dir, unsigned *last)
{
    struct stat st;
    char boot_id[40];
    unsigned number = *last + 1;
    while (number <= SPY__DEAD_FILES_MAX && !exists(state_dir, number)) {
        number++;
    }
    if (number > SPY__DEAD_FILES_MAX) {
        return -ENOENT;
    }
    *last = number;
    int fd = open_file(state_dir, number, &st);
    if (fd < 0) {
        return fd;
    }
    read_boot_id(boot_id);
    const struct source source = { fd, NULL, 0 };
    int err = read_source(ret, &source, (uint64_t)st.st_size, boot_id);
    close(fd);
    if (err == -EBADMSG) {
        *ret = (struct spy__dead){ .unreadable = 1 }; // no slots
        err = 0;
    }
    return err;
}

void spy__recover_remove(const char *state_dir, unsigned number)
{
    char path[PATH_MAX];
    if (path_of(path, state_dir, number) == 0) {
        (void)unlink(path);
    }
}

// ---- before new rings are made

// Whether the file `rings` has something to tell: its process did not end cleanly. One whose head
// was never written has not.
static bool is_dead(const char *state_dir)
{
    struct spy__rings_header h;
    struct stat st;
    int fd = open_file(state_dir, 0, &st);
    if (fd < 0) {
        return false;
    }
    const struct source source = { fd, NULL, 0 };
    bool whole = (uint64_t)st.st_size >= sizeof(h) && read_at(&source, &h, sizeof(h), 0);
    close(fd);
    return whole && !is_zero((const unsigned char *)h.magic) &&
           !(is_ours(&h, (uint64_t)st.st_size) && h.clean == 1);
}

static int rename_file(const char *state_dir, unsigned from, unsigned to)
{
    char old[PATH_MAX], new[PATH_MAX];
    int err = path_of(old, state_dir, from);
    err = err ? err : path_of(new, state_dir, to);
    return err ? err : rename(old, new) == 0 ? 0 : -errno;
}

// Closes the gaps in the numbers of dead files, so that a new one gets the highest. Returns how many
// there are, or a negative errno.
static int renumber(const char *state_dir)
{
    unsigned count = 0;
    for (unsigned number = 1; number <= SPY__DEAD_FILES_MAX; number++) {
        if (exists(state_dir, number)) {
            int err = ++count == number ? 0 : rename_file(state_dir, number, count);
            if (err != 0) {
                return err;
            }
        }
    }
    return (int)count;
}

int spy__recover_set_aside(const char *state_dir)
{
    if (!is_dead(state_dir)) {
        return 0;
    }
    int count = renumber(state_dir);
    if (count < 0) {
        return count;
    }
    // As many starts could not replay what they found: no more is kept, and new rings lie in memory.
    return count == (int)SPY__DEAD_FILES_MAX ? -ENOSPC
                                             : rename_file(state_dir, 0, (unsigned)count + 1);
}
