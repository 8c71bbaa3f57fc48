// Reading a segment entry by entry, whether it is a file or memory.

#include <errno.h>
#include <unistd.h>

#include "record/journal/journal_set.h"

// Reads [from, limit) of the file, n bytes at most.
static int fill(struct spy__chunk *chunk, uint64_t segment, int fd, uint64_t from, uint64_t limit,
                size_t n_max)
{
    uint64_t left = limit - from;
    size_t want = left < n_max ? (size_t)left : n_max;
    chunk->segment = segment;
    chunk->offset = from;
    chunk->n = 0;
    while (chunk->n < want) {
        ssize_t n = pread(fd, chunk->bytes + chunk->n, want - chunk->n, (off_t)(from + chunk->n));
        if (n > 0) {
            chunk->n += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            return n == 0 ? -ENODATA : -errno;
        }
    }
    return 0;
}

static bool holds(const struct spy__chunk *chunk, uint64_t segment, uint64_t from)
{
    return chunk->segment == segment && from >= chunk->offset && from < chunk->offset + chunk->n;
}

int spy__segment_next(struct spy__chunk *chunk, const struct spy__segment *segment, int fd,
                      uint64_t from, uint64_t limit, struct spy__entry *ret)
{
    uint64_t go_on;
    if (segment->memory) {
        return from < limit && spy__segment_find(segment->memory + from, (size_t)(limit - from),
                                                 true, segment->id, from, ret, &go_on);
    }
    size_t piece = SPY__JOURNAL_BUFFER;
    while (from < limit) {
        if (!holds(chunk, segment->id, from)) {
            int err = fill(chunk, segment->id, fd, from, limit, piece);
            if (err != 0) {
                chunk->n = 0;
                return err;
            }
        }
        size_t skip = (size_t)(from - chunk->offset);
        bool last = chunk->offset + chunk->n >= limit;
        if (spy__segment_find(chunk->bytes + skip, chunk->n - skip, last, segment->id, from, ret,
                              &go_on)) {
            return 1;
        }
        // An entry that the chunk holds only the beginning of: the chunk must begin with it, and
        // where it did, be larger.
        piece = go_on == chunk->offset ? SPY__JOURNAL_ROOM : SPY__JOURNAL_BUFFER;
        from = go_on;
        if (!last) {
            chunk->n = 0;
        }
    }
    return 0;
}
