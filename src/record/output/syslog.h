// Log lines as datagrams to the system's logger: what stands before a line, and the socket.
//
// syslog: the local form of RFC 3164 that syslog(3) sends to /dev/log ("<14>Jan 31 12:00:00
// memegen[123]: line"), which rsyslog, syslog-ng, busybox and journald all read. syslog(3) itself
// would block, and takes a lock that a forked child may find taken.
// journald: its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): one field a line,
// a value with a newline in it by its length; what is too long for a datagram goes as a sealed
// file in memory.
//
// Threads: one at a time.
#ifndef RECORD_OUTPUT_SYSLOG_H
#define RECORD_OUTPUT_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "record/record.h"

#define SPY__SYSLOG_SOCKET "/dev/log"
#define SPY__JOURNALD_SOCKET "/run/systemd/journal/socket"

struct spy__syslog {
    const char *path; // of the socket, borrowed
    const char *name; // of the program, borrowed
    bool journald;
    int fd;              // -1: not connected now
    int error;           // errno of the last datagram that could not be sent, 0 where it was fine
    int64_t zone_s;      // local time is so far ahead of UTC
    uint64_t zone_until; // seconds since 1970: until then zone_s holds
    bool zone_fixed;     // in a forked child: the lock of the time zone may be taken for ever
};

// Connects. A logger that is not there now may come later: that is no error here. Returns 0, or
// -EMFILE and the like where no socket can be made, -ENAMETOOLONG for the path.
int spy__syslog_open(struct spy__syslog *ret, const char *path, const char *name, bool journald);
void spy__syslog_close(struct spy__syslog *syslog);

// Appends what goes before the record's line.
void spy__syslog_head(struct spy__syslog *syslog, struct spy__buf *out,
                      const struct spy__record *record);

// Sends one datagram: true when the logger has it. give_up(arg) is asked every 20 ms while its
// queue is full; what it refuses is not tried again.
bool spy__syslog_send(struct spy__syslog *syslog, const char *bytes, size_t n,
                      bool (*give_up)(void *), void *arg);

#endif
