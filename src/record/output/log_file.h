// The log file: appended to, kept in bounds by rotation, opened again when asked.
//
// A rotation renames app.log to app.log.1, app.log.1 to app.log.2 and so on, removes what is past
// files_max, and begins a new app.log. It happens between two lines. Where it fails (a folder that
// may not be written) the file goes on growing, and it is tried again after a while. The size is
// asked of the file itself, so that a forked child's lines and a truncation by others count.
//
// Threads: one at a time.
#ifndef RECORD_OUTPUT_LOG_FILE_H
#define RECORD_OUTPUT_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/output/stream.h"

// Old files that may be kept: more are renamed at each rotation than a host should wait for.
#define SPY__LOG_FILES_MAX 1000

struct spy__log_file_options {
    const char *path;   // borrowed for as long as the file is open
    uint64_t max_bytes; // 0: no rotation by size
    unsigned max_age_s; // 0: no rotation by age
    unsigned files_max; // old ones kept, 1 to SPY__LOG_FILES_MAX
};

struct spy__log_file {
    const struct spy__log_file_options *options;
    struct spy__stream stream;
    bool regular;      // else a device or a pipe: neither rotated nor cut
    uint64_t begun_ns; // since 1970: when its first line came
    uint64_t retry_ns; // monotonic: no rotation is tried before
    int error;         // errno of a rotation or reopening that failed, until one works
};

// Opens the file, made 0640 where it is not there. Returns 0 or a negative errno.
int spy__log_file_open(struct spy__log_file *ret, const struct spy__log_file_options *options);
void spy__log_file_close(struct spy__log_file *file);

// What becomes of a last line that has no newline: its writer died while it wrote it.
enum spy__mend {
    SPY__MEND_END,      // it gets its newline before the next line
    SPY__MEND_CUT,      // it goes: the file is ours, and the line will come again
    SPY__MEND_CUT_OURS, // it goes where it looks like one of ours: the file may be others' too
};

// Mends the file that `stream` appends to, which has this path too. Returns how many bytes went.
uint64_t spy__log_mend(struct spy__stream *stream, const char *path, enum spy__mend how);

// Opens the path again, for whoever renamed the file (logrotate). On failure the old one stays open.
void spy__log_file_reopen(struct spy__log_file *file);

// Rotates where the file is too old, or too long for `first` more bytes. Returns how many bytes may
// be written now: at least `first`.
uint64_t spy__log_file_room(struct spy__log_file *file, size_t first);

// Takes back the last bytes of a line that was written in part, so that the file ends in a whole
// one.
void spy__log_file_untear(struct spy__log_file *file);

#endif
