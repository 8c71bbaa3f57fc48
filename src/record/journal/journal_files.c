// The journal's directory: segments and cursors of earlier runs, looked through at start.
//
// A cursor file, NAME.cursor, is replaced by a rename: u64 magic, segment, offset, sequence, kinds,
// and a hash of these.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "record/journal/journal_set.h"

// A larger file is none of ours: we never made one.
#define FILE_BYTES_MAX (1u << 30)
#define CORRUPT_MAX 8 // so many are kept for whoever wants to know why
#define CURSOR_MAGIC 0x3152554359505301u
#define CURSOR_SUFFIX ".cursor"

struct cursor {
    uint64_t magic, segment, offset, sequence, kinds, check;
};

void spy__segment_name(char to[SPY__SEGMENT_NAME], uint64_t id, const char *suffix)
{
    snprintf(to, SPY__SEGMENT_NAME, "%016llx%s", (unsigned long long)id, suffix);
}

int spy__journal_dir_open(const char *state_dir)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/journal", state_dir);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return -ENAMETOOLONG;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return -errno;
    }
    if (access(path, W_OK) != 0) {
        return -errno;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static uint64_t hash_cursor(const struct cursor *cursor)
{
    return spy__hash(cursor, offsetof(struct cursor, check), 0);
}

int spy__cursor_write(const struct spy__journal_reader *reader,
                      const struct spy__journal_position *position)
{
    int dir = reader->journal->dir_fd;
    char name[SPY__JOURNAL_NAME_MAX + 16], temporary[SPY__JOURNAL_NAME_MAX + 16];
    snprintf(name, sizeof(name), "%s" CURSOR_SUFFIX, reader->name);
    snprintf(temporary, sizeof(temporary), "%s.tmp", reader->name);
    struct cursor cursor = { CURSOR_MAGIC, position->segment, position->offset, position->sequence,
                             reader->kinds };
    cursor.check = hash_cursor(&cursor);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    errno = EIO; // of a short write
    bool good = write(fd, &cursor, sizeof(cursor)) == (ssize_t)sizeof(cursor);
    int err = good ? 0 : -errno;
    close(fd);
    if (err == 0 && renameat(dir, temporary, dir, name) != 0) {
        err = -errno;
    }
    if (err != 0) {
        (void)unlinkat(dir, temporary, 0);
    }
    return err;
}

// Notes a reader of an earlier run, if the file is a cursor. Returns 0 or -ENOMEM.
static int load_cursor(struct spy__journal *journal, const char *file)
{
    size_t n = strlen(file) - strlen(CURSOR_SUFFIX);
    struct cursor cursor;
    int fd = openat(journal->dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || n > SPY__JOURNAL_NAME_MAX) {
        if (fd >= 0) {
            close(fd);
        }
        return 0;
    }
    bool good = read(fd, &cursor, sizeof(cursor)) == (ssize_t)sizeof(cursor) &&
                cursor.magic == CURSOR_MAGIC && cursor.check == hash_cursor(&cursor);
    close(fd);
    if (!good) {
        spy__journal_say(journal, SPY__JOURNAL_DAMAGED, file, -EBADMSG);
        return 0;
    }
    struct spy__journal_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        return -ENOMEM;
    }
    memcpy(reader->name, file, n);
    reader->journal = journal;
    reader->kinds = (uint32_t)cursor.kinds;
    reader->committed.segment = cursor.segment;
    reader->committed.offset = cursor.offset;
    reader->committed.sequence = cursor.sequence;
    reader->next = journal->readers;
    journal->readers = reader;
    if (journal->last_id < cursor.segment) {
        journal->last_id = cursor.segment; // no new segment has the name of one that was lost
    }
    return 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

// The id of a file called so; 0 for another kind of name.
static uint64_t parse_name(const char *name, const char *suffix)
{
    if (strspn(name, "0123456789abcdef") != 16 || strcmp(name + 16, suffix) != 0) {
        return 0;
    }
    return strtoull(name, NULL, 16);
}

static void set_aside(struct spy__journal *journal, uint64_t id, int err)
{
    char name[SPY__SEGMENT_NAME], aside[SPY__SEGMENT_NAME];
    spy__segment_name(name, id, "");
    spy__segment_name(aside, id, ".corrupt");
    (void)renameat(journal->dir_fd, name, journal->dir_fd, aside);
    spy__journal_say(journal, SPY__JOURNAL_ASIDE, aside, err);
}

static void count_before_cursors(struct spy__journal *journal, const struct spy__segment *segment,
                                 const struct spy__entry *entry)
{
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        if (r->committed.segment == segment->id && entry->end <= r->committed.offset) {
            r->before[entry->kind]++;
        }
    }
}

// Reads a segment of `size` bytes from its start to its end: counts what is in it. Returns true
// where nothing in its midst is damaged.
static bool read_through(struct spy__journal *journal, struct spy__segment *segment,
                         struct spy__chunk *chunk, int fd, uint64_t size)
{
    struct spy__entry entry;
    bool whole = true;
    segment->bytes = SPY__SEGMENT_HEAD;
    while (spy__segment_next(chunk, segment, fd, segment->bytes, size, &entry) == 1) {
        whole = whole && entry.start == segment->bytes;
        if (segment->first_sequence == 0) {
            segment->first_sequence = entry.sequence;
        }
        if (entry.sequence >= journal->next_sequence) {
            journal->next_sequence = entry.sequence + 1;
        }
        segment->bytes = entry.end;
        segment->counts[entry.kind]++;
        count_before_cursors(journal, segment, &entry);
        if (journal->found) {
            journal->found(journal->found_arg, entry.bytes, entry.n);
        }
    }
    return whole;
}

static bool is_empty(const struct spy__segment *segment)
{
    return spy__count_kinds(segment->counts, ~0u) == 0;
}

// What is behind the last whole entry: torn by the end of the process, if this is the last segment
// and it is no more than one flush; damage otherwise. Either way it is cut off.
static bool cut_tail(const struct spy__journal *journal, const struct spy__segment *segment,
                     uint64_t size, bool newest)
{
    char name[SPY__SEGMENT_NAME];
    if (size <= segment->bytes) {
        return true;
    }
    spy__segment_name(name, segment->id, "");
    int fd = openat(journal->dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        (void)!ftruncate(fd, (off_t)segment->bytes);
        close(fd);
    }
    return newest && size - segment->bytes <= SPY__JOURNAL_ROOM;
}

// Entries that are missing between the segment listed last and this one: cut off there, or set aside.
static void count_gap(struct spy__journal *journal, const struct spy__segment *segment,
                      uint64_t expected)
{
    if (!journal->newest || segment->first_sequence <= expected) {
        return;
    }
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        if (r->committed.segment < segment->id) {
            spy__journal_count_lost(r, SPY__JOURNAL_LOST_CORRUPT,
                                    segment->first_sequence - expected);
        }
    }
}

// Lists one segment, or sets it aside, or removes it where nothing was ever in it.
static void load_opened(struct spy__journal *journal, struct spy__segment *segment,
                        struct spy__chunk *chunk, int fd, bool newest)
{
    char head[SPY__SEGMENT_HEAD], name[SPY__SEGMENT_NAME];
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 ? pread(fd, head, sizeof(head), 0) : -1;
    if (n < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX) {
        set_aside(journal, segment->id, -EBADMSG);
        return;
    }
    uint64_t size = (uint64_t)st.st_size, expected = journal->next_sequence;
    enum spy__segment_head found =
        spy__segment_head_read(head, (size_t)n, segment->id, &segment->first_sequence);
    if (found == SPY__HEAD_OTHER) {
        set_aside(journal, segment->id, -EPROTO);
        return;
    }
    bool whole = read_through(journal, segment, chunk, fd, size) && found == SPY__HEAD_GOOD;
    bool begun = found == SPY__HEAD_GOOD || size <= SPY__SEGMENT_HEAD; // what is written first
    bool torn = newest && begun && size <= SPY__JOURNAL_ROOM;
    spy__segment_name(name, segment->id, "");
    if (is_empty(segment) && (torn || size <= SPY__SEGMENT_HEAD)) {
        (void)unlinkat(journal->dir_fd, name, 0);
    } else if (is_empty(segment)) {
        set_aside(journal, segment->id, -EBADMSG);
    } else {
        whole = cut_tail(journal, segment, size, newest) && whole;
        if (!whole) {
            spy__journal_say(journal, SPY__JOURNAL_DAMAGED, name, -EBADMSG);
        }
        segment->newest_ns =
            (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
        count_gap(journal, segment, expected);
        spy__journal_list(journal, segment);
    }
}

static int load_segment(struct spy__journal *journal, uint64_t id, struct spy__chunk *chunk,
                        bool newest)
{
    char name[SPY__SEGMENT_NAME];
    struct spy__segment *segment = calloc(1, sizeof(*segment));
    if (!segment) {
        return -ENOMEM;
    }
    segment->id = id;
    spy__segment_name(name, id, "");
    int fd = openat(journal->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        set_aside(journal, id, -errno);
    } else {
        load_opened(journal, segment, chunk, fd, newest);
        close(fd);
    }
    if (!segment->listed) {
        free(segment);
    }
    if (journal->last_id < id) {
        journal->last_id = id;
    }
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// The ids of the files with this suffix, sorted. Returns 0 or -ENOMEM; the caller frees *ret.
static int list_ids(DIR *dir, const char *suffix, uint64_t **ret, size_t *ret_n)
{
    uint64_t *ids = NULL;
    size_t n = 0, cap = 0;
    rewinddir(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        uint64_t id = parse_name(e->d_name, suffix);
        if (id == 0) {
            continue;
        }
        if (n == cap) {
            cap = cap ? 2 * cap : 64;
            uint64_t *more = realloc(ids, cap * sizeof(*ids));
            if (!more) {
                free(ids);
                return -ENOMEM;
            }
            ids = more;
        }
        ids[n++] = id;
    }
    if (n > 0) {
        qsort(ids, n, sizeof(*ids), compare_ids);
    }
    *ret = ids;
    *ret_n = n;
    return 0;
}

static int load_cursors(struct spy__journal *journal, DIR *dir)
{
    unsigned readers = 0;
    for (const struct dirent *e; (e = readdir(dir));) {
        if (has_suffix(e->d_name, CURSOR_SUFFIX) && readers < SPY__JOURNAL_READERS_MAX) {
            int err = load_cursor(journal, e->d_name);
            if (err != 0) {
                return err;
            }
            readers++;
        }
    }
    return 0;
}

static int load_segments(struct spy__journal *journal, DIR *dir)
{
    struct spy__chunk chunk = { .bytes = malloc(SPY__JOURNAL_ROOM) };
    uint64_t *ids = NULL;
    size_t n = 0;
    int err = chunk.bytes ? list_ids(dir, "", &ids, &n) : -ENOMEM;
    for (size_t i = 0; i < n && err == 0; i++) {
        err = load_segment(journal, ids[i], &chunk, i + 1 == n);
    }
    free(ids);
    free(chunk.bytes);
    return err;
}

static int remove_old_corrupt(struct spy__journal *journal, DIR *dir)
{
    uint64_t *ids = NULL;
    size_t n = 0;
    char name[SPY__SEGMENT_NAME];
    int err = list_ids(dir, ".corrupt", &ids, &n);
    for (size_t i = 0; i + CORRUPT_MAX < n; i++) {
        spy__segment_name(name, ids[i], ".corrupt");
        (void)unlinkat(journal->dir_fd, name, 0);
    }
    free(ids);
    return err;
}

int spy__journal_load(struct spy__journal *journal)
{
    int fd = openat(journal->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) {
            close(fd);
        }
        return -ENOMEM;
    }
    int err = load_cursors(journal, dir);
    if (err == 0) {
        err = load_segments(journal, dir);
    }
    if (err == 0) {
        err = remove_old_corrupt(journal, dir);
    }
    closedir(dir);
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        r->committed.seen = spy__count_kinds(r->before, r->kinds);
        r->read = r->committed;
    }
    return err;
}
