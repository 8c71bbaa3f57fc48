// The log file; see the header.

#include "record/output/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

// A rotation that failed is tried again so much later.
#define RETRY_NS UINT64_C(10000000000)
// A torn line is at most so long: as long as a batch can be. Nothing longer is taken for one.
#define TORN_MAX (2u << 20)

// When the file's first line came, as far as the file system knows.
static uint64_t birth_ns(int fd, const struct stat *st)
{
    struct statx x;
    if (st->st_size == 0) {
        return spy__realtime_ns();
    }
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) == 0 && (x.stx_mask & STATX_BTIME) &&
        x.stx_btime.tv_sec > 0) {
        return (uint64_t)x.stx_btime.tv_sec * 1000000000u + x.stx_btime.tv_nsec;
    }
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

// O_NONBLOCK: opening a named pipe that nobody reads must fail, not wait.
static int open_path(struct spy__log_file *file)
{
    struct stat st;
    int fd = open(file->options->path,
                  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &st) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    spy__stream_init(&file->stream, fd);
    file->regular = S_ISREG(st.st_mode);
    file->begun_ns = birth_ns(fd, &st);
    return 0;
}

int spy__log_file_open(struct spy__log_file *ret, const struct spy__log_file_options *options)
{
    struct spy__log_file file = { .options = options };
    int err = open_path(&file);
    if (err == 0) {
        *ret = file;
    }
    return err;
}

void spy__log_file_close(struct spy__log_file *file)
{
    close(file->stream.fd);
    file->stream.fd = -1;
}

void spy__log_file_reopen(struct spy__log_file *file)
{
    int old = file->stream.fd;
    file->error = -open_path(file);
    if (file->error == 0) {
        close(old);
    }
}

// ---- a torn last line

// Finds the end of the last whole line of the file's n bytes. Returns n where the file ends in one or
// cannot be read, -1 where its last line is longer than any of ours.
static off_t last_line_end(int fd, off_t n)
{
    char bytes[4096];
    for (off_t end = n; end > 0 && n - end < (off_t)TORN_MAX;) {
        off_t begin = end > (off_t)sizeof(bytes) ? end - (off_t)sizeof(bytes) : 0;
        ssize_t got = pread(fd, bytes, (size_t)(end - begin), begin);
        if (got != end - begin) {
            return n;
        }
        const char *newline = memrchr(bytes, '\n', (size_t)got);
        if (newline) {
            return begin + (newline - bytes) + 1;
        }
        end = begin;
    }
    return n < (off_t)TORN_MAX ? 0 : -1;
}

// Whether what stands at `at` can be the beginning of a line of ours, in JSON.
static bool begins_as_ours(int fd, off_t at)
{
    static const char begin[] = "{\"timestamp\":\"";
    char bytes[sizeof(begin) - 1];
    ssize_t n = pread(fd, bytes, sizeof(bytes), at);
    return n > 0 && memcmp(bytes, begin, (size_t)n) == 0;
}

// It is open for appending alone: it is read by another descriptor.
uint64_t spy__log_mend(struct spy__stream *stream, const char *path, enum spy__mend how)
{
    struct stat st, other;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return 0;
    }
    off_t end = 0;
    bool torn = fstat(stream->fd, &st) == 0 && S_ISREG(st.st_mode) && fstat(fd, &other) == 0 &&
                other.st_ino == st.st_ino && other.st_dev == st.st_dev &&
                (end = last_line_end(fd, st.st_size)) < st.st_size;
    bool cut =
        torn && (how == SPY__MEND_CUT || (how == SPY__MEND_CUT_OURS && begins_as_ours(fd, end)));
    close(fd);
    if (cut && ftruncate(stream->fd, end) == 0) {
        stream->torn = false;
        return (uint64_t)(st.st_size - end);
    }
    stream->torn |= torn;
    return 0;
}

void spy__log_file_untear(struct spy__log_file *file)
{
    if (file->stream.torn && file->regular) {
        (void)spy__log_mend(&file->stream, file->options->path, SPY__MEND_CUT);
    }
}

// ---- rotation

// path, or path.number; false where that is too long to be one.
static bool numbered(char out[PATH_MAX], const char *path, unsigned number)
{
    int n = number ? snprintf(out, PATH_MAX, "%s.%u", path, number)
                   : snprintf(out, PATH_MAX, "%s", path);
    return n < PATH_MAX;
}

static int rename_all(const struct spy__log_file_options *options)
{
    char from[PATH_MAX], to[PATH_MAX];
    for (unsigned i = options->files_max; i-- > 0;) {
        if (!numbered(from, options->path, i) || !numbered(to, options->path, i + 1)) {
            return -ENAMETOOLONG;
        }
        if (rename(from, to) != 0 && errno != ENOENT) {
            return -errno;
        }
    }
    return 0;
}

static void rotate(struct spy__log_file *file)
{
    int err = rename_all(file->options);
    if (err == 0) {
        spy__log_file_reopen(file);
    } else {
        file->error = -err;
    }
    if (file->error != 0) {
        file->retry_ns = spy__monotonic_ns() + RETRY_NS;
    }
}

uint64_t spy__log_file_room(struct spy__log_file *file, size_t first)
{
    const struct spy__log_file_options *o = file->options;
    struct stat st;
    if (!file->regular || (o->max_bytes == 0 && o->max_age_s == 0) ||
        fstat(file->stream.fd, &st) != 0) {
        return UINT64_MAX;
    }
    uint64_t size = (uint64_t)st.st_size, now_ns = spy__realtime_ns();
    if (size == 0) {
        file->begun_ns = now_ns;
    }
    bool too_long = o->max_bytes > 0 && size + first > o->max_bytes;
    bool too_old = o->max_age_s > 0 && now_ns > file->begun_ns &&
                   now_ns - file->begun_ns >= (uint64_t)o->max_age_s * 1000000000u;
    if (size > 0 && (too_long || too_old) && spy__monotonic_ns() >= file->retry_ns) {
        rotate(file);
        size = 0;
    }
    if (o->max_bytes == 0 || file->error != 0) {
        return UINT64_MAX;
    }
    return size + first > o->max_bytes ? first : o->max_bytes - size;
}
