// A file descriptor that lines are written to, without being stuck in it.
//
// The descriptor may be shared with other processes (stdout), so it is never made non-blocking;
// where it can block (a pipe, a socket, a terminal) it is polled first, and written in pieces that
// a writable pipe takes whole. Not for use by two threads at a time.
#ifndef RECORD_SINK_H
#define RECORD_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct spy__sink {
    int fd;
    bool can_block; // anything but a regular file
    bool torn; // the last thing written was a part of a line: a newline goes before the next one
};

// Borrows fd, which is open for writing.
void spy__sink_init(struct spy__sink *sink, int fd);

// Writes whole lines. Returns how many of the n bytes were written: less than n after an error, or
// once give_up(arg) said so. give_up is asked every 20 ms while the descriptor takes nothing. The
// calling thread must have SIGPIPE and SIGXFSZ blocked.
size_t spy__sink_write(struct spy__sink *sink, const char *bytes, size_t n, bool (*give_up)(void *),
                       void *arg);

// As above for a thread of the host, whose signals are as it likes them; waits at most wait_ms for
// a stuck descriptor.
size_t spy__sink_write_host(struct spy__sink *sink, const char *bytes, size_t n, unsigned wait_ms);

#endif
