// The log's destination: a descriptor that the host has, a file of our own, or the system's logger.
//
// Threads: one at a time.
#ifndef RECORD_OUTPUT_SINK_H
#define RECORD_OUTPUT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/output/batch.h"
#include "record/output/log_file.h"
#include "record/output/syslog.h"

enum spy__sink_kind {
    SPY__SINK_FD,
    SPY__SINK_FILE,
    SPY__SINK_SYSLOG,
    SPY__SINK_JOURNALD,
};

// Borrowed, with its strings, for as long as the sink is open.
struct spy__sink_options {
    enum spy__sink_kind kind;
    int fd;                            // SPY__SINK_FD: duplicated
    struct spy__log_file_options file; // SPY__SINK_FILE
    const char *socket;                // the loggers: path of the socket
    const char *name;                  // the loggers: of the program
};

struct spy__sink {
    enum spy__sink_kind kind;
    union {
        struct spy__stream stream;
        struct spy__log_file file;
        struct spy__syslog syslog;
    };
};

// Returns 0, -EBADF, or the negative errno of what could not be opened.
int spy__sink_open(struct spy__sink *ret, const struct spy__sink_options *options);
void spy__sink_close(struct spy__sink *sink);

// Appends what the destination wants before the record's line.
static inline void spy__sink_head(struct spy__sink *sink, struct spy__buf *out,
                                  const struct spy__record *record)
{
    if (sink->kind >= SPY__SINK_SYSLOG) {
        spy__syslog_head(&sink->syslog, out, record);
    }
}

// Writes the batch; give_up(arg) is asked every 20 ms while the destination takes nothing. Adds to
// `written` the records that reached it, by level, and returns how many. The calling thread must
// have SIGPIPE and SIGXFSZ blocked.
unsigned spy__sink_write(struct spy__sink *sink, const struct spy__batch *batch,
                         bool (*give_up)(void *), void *arg, uint64_t written[SPY__LEVELS]);

// errno of what the last write could not do, 0 where it was fine; ETIMEDOUT: given up.
int spy__sink_error(const struct spy__sink *sink);
// errno of a rotation or a reopening that fails, 0 where there is none: lines go on to the old file.
int spy__sink_file_error(const struct spy__sink *sink);

// Opens a log file by its name again; nothing for others.
void spy__sink_reopen(struct spy__sink *sink);
// Mends a file whose last line has no newline, before the first line is written: cut off where it
// will come again. `replays`: what the writer had accepted is found in its rings; `died`: there are
// such. Nothing for other destinations, and for a file that is not appended to.
void spy__sink_mend(struct spy__sink *sink, bool replays, bool died);

#endif
