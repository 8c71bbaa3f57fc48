// One destination behind one set of verbs; see the header.

#include "record/output/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int spy__sink_open(struct spy__sink *ret, const struct spy__sink_options *options)
{
    struct spy__sink sink = { .kind = options->kind };
    int err = 0, fd;
    switch (options->kind) {
    case SPY__SINK_FD:
        fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 3);
        err = fd < 0 ? -errno : 0;
        spy__stream_init(&sink.stream, fd);
        break;
    case SPY__SINK_FILE:
        err = spy__log_file_open(&sink.file, &options->file);
        break;
    case SPY__SINK_SYSLOG:
    case SPY__SINK_JOURNALD:
        err = spy__syslog_open(&sink.syslog, options->socket, options->name,
                               options->kind == SPY__SINK_JOURNALD);
        break;
    }
    if (err == 0) {
        *ret = sink;
    }
    return err;
}

void spy__sink_close(struct spy__sink *sink)
{
    switch (sink->kind) {
    case SPY__SINK_FD:
        close(sink->stream.fd);
        break;
    case SPY__SINK_FILE:
        spy__log_file_close(&sink->file);
        break;
    case SPY__SINK_SYSLOG:
    case SPY__SINK_JOURNALD:
        spy__syslog_close(&sink->syslog);
        break;
    }
}

// Counts the records from `first` on that lie within the first `end` bytes of the batch. Returns the
// first that does not.
static unsigned count_until(const struct spy__batch *batch, unsigned first, size_t end,
                            uint64_t written[SPY__LEVELS])
{
    while (first < batch->count && batch->ends[first] <= end) {
        written[batch->levels[first++]]++;
    }
    return first;
}

static unsigned write_stream(struct spy__stream *stream, const struct spy__batch *batch,
                             bool (*give_up)(void *), void *arg, uint64_t written[SPY__LEVELS])
{
    size_t done = spy__stream_write(stream, batch->out.bytes, batch->out.len, give_up, arg);
    return count_until(batch, 0, done, written);
}

// The bytes of the records from `first` on that fit into `room`; the first one always.
static size_t fitting(const struct spy__batch *batch, unsigned first, uint64_t room)
{
    size_t begin = spy__batch_begin(batch, first);
    if (batch->out.len - begin <= room) {
        return batch->out.len - begin;
    }
    unsigned last = first;
    while (last + 1 < batch->count && batch->ends[last + 1] - begin <= room) {
        last++;
    }
    return batch->ends[last] - begin;
}

static unsigned write_file(struct spy__log_file *file, const struct spy__batch *batch,
                           bool (*give_up)(void *), void *arg, uint64_t written[SPY__LEVELS])
{
    unsigned at = 0;
    while (at < batch->count) {
        size_t begin = spy__batch_begin(batch, at);
        uint64_t room = spy__log_file_room(file, batch->ends[at] - begin);
        size_t n = fitting(batch, at, room);
        size_t done = spy__stream_write(&file->stream, batch->out.bytes + begin, n, give_up, arg);
        at = count_until(batch, at, begin + done, written);
        if (done < n) {
            spy__log_file_untear(file);
            break;
        }
    }
    return at;
}

// A line's newline is no part of a syslog datagram; it ends the last field of a journald entry.
static unsigned send_all(struct spy__syslog *syslog, const struct spy__batch *batch,
                         bool (*give_up)(void *), void *arg, uint64_t written[SPY__LEVELS])
{
    unsigned sent = 0;
    int error = 0;
    for (unsigned i = 0; i < batch->count && error != ETIMEDOUT; i++) {
        size_t begin = spy__batch_begin(batch, i), n = batch->ends[i] - begin;
        if (spy__syslog_send(syslog, batch->out.bytes + begin, n - !syslog->journald, give_up,
                             arg)) {
            written[batch->levels[i]]++;
            sent++;
        } else {
            error = syslog->error;
        }
    }
    syslog->error = error;
    return sent;
}

unsigned spy__sink_write(struct spy__sink *sink, const struct spy__batch *batch,
                         bool (*give_up)(void *), void *arg, uint64_t written[SPY__LEVELS])
{
    switch (sink->kind) {
    case SPY__SINK_FD:
        return write_stream(&sink->stream, batch, give_up, arg, written);
    case SPY__SINK_FILE:
        return write_file(&sink->file, batch, give_up, arg, written);
    default:
        return send_all(&sink->syslog, batch, give_up, arg, written);
    }
}

int spy__sink_error(const struct spy__sink *sink)
{
    switch (sink->kind) {
    case SPY__SINK_FD:
        return sink->stream.error;
    case SPY__SINK_FILE:
        return sink->file.stream.error;
    default:
        return sink->syslog.error;
    }
}

int spy__sink_file_error(const struct spy__sink *sink)
{
    return sink->kind == SPY__SINK_FILE ? sink->file.error : 0;
}

void spy__sink_reopen(struct spy__sink *sink)
{
    if (sink->kind == SPY__SINK_FILE) {
        spy__log_file_reopen(&sink->file);
    }
}

void spy__sink_mend(struct spy__sink *sink, bool replays, bool died)
{
    if (sink->kind == SPY__SINK_FILE) {
        (void)spy__log_mend(&sink->file.stream, sink->file.options->path,
                            replays ? SPY__MEND_CUT : SPY__MEND_END);
    } else if (sink->kind == SPY__SINK_FD) {
        char path[32];
        int flags = fcntl(sink->stream.fd, F_GETFL);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", sink->stream.fd);
        if (flags >= 0 && (flags & O_APPEND)) {
            (void)spy__log_mend(&sink->stream, path, died ? SPY__MEND_CUT_OURS : SPY__MEND_END);
        }
    }
}
