// Encoding, writing, and what is said of failures; see the header.

#include "record/output/writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define OWN_MODULE "spyglass"

// Copies a string into its place; false where it does not fit.
static bool keep(char *to, size_t size, const char **s)
{
    size_t n = *s ? strlen(*s) : 0;
    if (n >= size) {
        return false;
    }
    memcpy(to, *s ? *s : "", n + 1);
    *s = to;
    return true;
}

int spy__writer_open(struct spy__writer *ret, const struct spy__pump_options *options)
{
    ret->options = options;
    ret->sink_options = options->sink;
    ret->failed = ret->told_file_error = 0;
    ret->failed_lines = ret->failed_ns = 0;
    ret->telling = false;
    ret->batch.count = 0;
    spy__buf_init_fixed(&ret->batch.out, ret->bytes, sizeof(ret->bytes));
    if (!keep(ret->path, sizeof(ret->path), &ret->sink_options.file.path) ||
        !keep(ret->socket, sizeof(ret->socket), &ret->sink_options.socket) ||
        !keep(ret->name, sizeof(ret->name), &ret->sink_options.name)) {
        return -ENAMETOOLONG;
    }
    return spy__sink_open(&ret->sink, &ret->sink_options);
}

void spy__writer_close(struct spy__writer *writer)
{
    spy__sink_close(&writer->sink);
}

// Puts one record at the batch's end; false where it has no room.
static bool encode(struct spy__writer *writer, const struct spy__record *record)
{
    struct spy__batch *batch = &writer->batch;
    size_t before = batch->out.len;
    spy__sink_head(&writer->sink, &batch->out, record);
    writer->options->encode(&batch->out, record, writer->options->encode_arg);
    if (batch->out.failed || batch->count == SPY__BATCH_RECORDS_MAX) {
        batch->out.len = before;
        batch->out.failed = false;
        return false;
    }
    batch->ends[batch->count] = (uint32_t)batch->out.len;
    batch->levels[batch->count++] = (unsigned char)record->level;
    return true;
}

void spy__writer_say(struct spy__writer *writer, const char *event, const struct spy_field *fields,
                     size_t n)
{
    const struct spy__record record = { .level = SPY_LEVEL_WARN,
                                        .time_ns = spy__realtime_ns(),
                                        .correlation_id = "",
                                        .event = event,
                                        .module = OWN_MODULE,
                                        .fields = fields,
                                        .field_count = n };
    (void)encode(writer, &record); // short: it fits
}

static const char *error_text(int error, char text[128])
{
    return error == ETIMEDOUT ? "nothing was taken in time" : strerror_r(error, text, 128);
}

// Begins a batch with what is to be told of the one before.
static void tell_failures(struct spy__writer *writer)
{
    char text[128];
    int file_error = spy__sink_file_error(&writer->sink);
    if (writer->failed != 0) {
        const struct spy_field fields[] = {
            spy_str("error", error_text(writer->failed, text)),
            spy_uint("lines_lost", writer->failed_lines),
            spy_double("seconds", (double)(spy__monotonic_ns() - writer->failed_ns) / 1e9)
        };
        spy__writer_say(writer, "spyglass_log_write_failed", fields, 3);
        writer->telling = true;
    }
    if (file_error != writer->told_file_error && file_error != 0) {
        const struct spy_field fields[] = { spy_str("error", error_text(file_error, text)),
                                            spy_str("path", writer->path) };
        spy__writer_say(writer, "spyglass_log_rotation_failed", fields, 2);
    }
    writer->told_file_error = file_error;
}

void spy__writer_add(struct spy__writer *writer, const struct spy__record *record)
{
    if (writer->batch.count == 0) {
        tell_failures(writer);
    }
    if (!encode(writer, record)) {
        writer->options->lost(SPY__LOSS_SIZE, record->kind, 1);
    }
}

unsigned spy__writer_write(struct spy__writer *writer, bool (*give_up)(void *), void *arg,
                           uint64_t written[SPY__LEVELS])
{
    return spy__sink_write(&writer->sink, &writer->batch, give_up, arg, written);
}

void spy__writer_account(struct spy__writer *writer, unsigned reached,
                         const uint64_t written[SPY__LEVELS])
{
    unsigned lost = writer->batch.count - reached;
    if (writer->telling && reached > 0) { // a batch arrives from its beginning on
        writer->failed = 0;
        writer->failed_lines = 0;
    } else if (writer->telling) {
        lost--; // our own line: it comes again
    }
    writer->telling = false;
    if (reached > 0) {
        writer->options->written(written);
    }
    if (reached < writer->batch.count) {
        writer->failed_ns = writer->failed ? writer->failed_ns : spy__monotonic_ns();
        writer->failed = spy__sink_error(&writer->sink);
        writer->failed_lines += lost;
    }
    if (lost > 0) {
        writer->options->lost(SPY__LOSS_WRITE, SPY__KIND_LOG, lost);
    }
    spy__writer_forget(writer);
}

void spy__writer_forget(struct spy__writer *writer)
{
    spy__buf_reset(&writer->batch.out);
    writer->batch.count = 0;
    writer->telling = false;
}
