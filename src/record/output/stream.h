// A descriptor that lines are written to, without being stuck in it.
//
// The descriptor may be shared with other processes (stdout), so it is never made non-blocking;
// where it can block (a pipe, a socket, a terminal) it is polled first, and written in pieces that
// a writable pipe takes whole. Not for use by two threads at a time.
#ifndef RECORD_OUTPUT_STREAM_H
#define RECORD_OUTPUT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct spy__stream {
    int fd;
    int error;      // errno of the last write, 0 where it was fine; ETIMEDOUT: given up
    bool can_block; // anything but a regular file and the memory devices (/dev/null, /dev/full)
    bool torn; // the last thing written was a part of a line: a newline goes before the next one
};

// Borrows fd, which is open for writing.
void spy__stream_init(struct spy__stream *stream, int fd);

// Writes whole lines. Returns how many of the n bytes were written: less than n after an error, or
// once give_up(arg) said so. give_up is asked every 20 ms while the descriptor takes nothing. The
// calling thread must have SIGPIPE and SIGXFSZ blocked.
size_t spy__stream_write(struct spy__stream *stream, const char *bytes, size_t n,
                         bool (*give_up)(void *), void *arg);

// For a thread of the host, whose signals are as it likes them: calls fn(arg) with SIGPIPE and
// SIGXFSZ blocked, and takes back what it raised.
void spy__stream_guard(void (*fn)(void *), void *arg);

#endif
