// From records to the log's destination: encodes them into a batch, writes it, and remembers what
// the destination refused.
//
// Where a write failed, the next batch begins with a line of the pump's own that says so, until one
// arrives: `spyglass_log_write_failed`, with the error and what was lost. A rotation or a reopening
// that fails is told the same way, once: `spyglass_log_rotation_failed`.
//
// Threads: one at a time.
#ifndef RECORD_OUTPUT_WRITER_H
#define RECORD_OUTPUT_WRITER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "record/output/batch.h"
#include "record/pump.h"
#include "record/output/sink.h"

struct spy__writer {
    const struct spy__pump_options *options; // borrowed
    struct spy__sink sink;
    struct spy__sink_options sink_options; // with copies of its strings
    int failed;                            // errno of the last failure, until it is told
    uint64_t failed_lines, failed_ns;      // lost since failed_ns
    bool telling;                          // the batch begins with that line
    int told_file_error;                   // errno of a rotation that was told
    struct spy__batch batch;
    char path[PATH_MAX], socket[128], name[160];
    char bytes[SPY__BATCH_BYTES];
};

// Copies what it needs and opens the destination. Returns 0 or a negative errno.
int spy__writer_open(struct spy__writer *ret, const struct spy__pump_options *options);
void spy__writer_close(struct spy__writer *writer);

// Encodes one log record into the batch, which must not be full. What cannot be encoded is told to
// lost().
void spy__writer_add(struct spy__writer *writer, const struct spy__record *record);
// A line of the library's own, made here and now.
void spy__writer_say(struct spy__writer *writer, const char *event, const struct spy_field *fields,
                     size_t n);

static inline bool spy__writer_full(const struct spy__writer *writer)
{
    return spy__batch_full(&writer->batch);
}
static inline bool spy__writer_empty(const struct spy__writer *writer)
{
    return writer->batch.count == 0;
}

// Writes the batch; the one call here that may wait, for as long as give_up(arg) is false.
unsigned spy__writer_write(struct spy__writer *writer, bool (*give_up)(void *), void *arg,
                           uint64_t written[SPY__LEVELS]);
// Tells the counters what became of the batch, and empties it.
void spy__writer_account(struct spy__writer *writer, unsigned reached,
                         const uint64_t written[SPY__LEVELS]);
// Forgets the batch: in a forked child it is the parent's.
void spy__writer_forget(struct spy__writer *writer);

#endif
