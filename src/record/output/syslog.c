// Datagrams to the system's logger; see the header.

#include "record/output/syslog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/number.h"

#define POLL_MS 20
#define FACILITY_USER 1 // RFC 5424 section 6.2.1: "user-level messages"
#define ZONE_S 900      // zones change at whole quarters of an hour
#define KEY_MAX 64      // journald's limit of a field's name

// ---- the socket

static int connect_to(struct spy__syslog *syslog)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t n = strlen(syslog->path);
    if (n >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, syslog->path, n + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        syslog->error = errno;
        close(fd);
        fd = -1;
    }
    syslog->fd = fd;
    return 0;
}

int spy__syslog_open(struct spy__syslog *ret, const char *path, const char *name, bool journald)
{
    struct spy__syslog syslog = { .path = path, .name = name, .journald = journald, .fd = -1 };
    int err = connect_to(&syslog);
    if (err == 0) {
        *ret = syslog;
    }
    return err;
}

void spy__syslog_close(struct spy__syslog *syslog)
{
    if (syslog->fd >= 0) {
        close(syslog->fd);
        syslog->fd = -1;
    }
}

// journald reads an entry from a file in memory that it is handed, once that is sealed.
static bool send_as_file(struct spy__syslog *syslog, const char *bytes, size_t n)
{
    int fd = memfd_create("journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return false;
    }
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct msghdr message = { .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    bool sent =
        write(fd, bytes, n) == (ssize_t)n &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0 &&
        sendmsg(syslog->fd, &message, MSG_NOSIGNAL) >= 0;
    int error = errno;
    close(fd);
    errno = error;
    return sent;
}

static bool send_once(struct spy__syslog *syslog, const char *bytes, size_t n)
{
    if (send(syslog->fd, bytes, n, MSG_NOSIGNAL) >= 0) {
        return true;
    }
    return (errno == EMSGSIZE || errno == ENOBUFS) && syslog->journald &&
           send_as_file(syslog, bytes, n);
}

// The logger was started again: its old socket is gone.
static bool is_gone(int error)
{
    return error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET ||
           error == EDESTADDRREQ;
}

bool spy__syslog_send(struct spy__syslog *syslog, const char *bytes, size_t n,
                      bool (*give_up)(void *), void *arg)
{
    bool again = syslog->fd >= 0; // a connection that is new needs no second one
    if (!again) {
        (void)connect_to(syslog);
    }
    while (syslog->fd >= 0) {
        if (send_once(syslog, bytes, n)) {
            syslog->error = 0;
            return true;
        }
        syslog->error = errno;
        if (errno == EAGAIN) {
            struct pollfd p = { .fd = syslog->fd, .events = POLLOUT };
            if (poll(&p, 1, 0) == 0 && give_up(arg)) {
                syslog->error = ETIMEDOUT;
                return false;
            }
            (void)poll(&p, 1, POLL_MS);
        } else if (is_gone(errno)) {
            spy__syslog_close(syslog);
            if (again) {
                again = false;
                (void)connect_to(syslog);
            }
        } else if (errno != EINTR) {
            return false;
        }
    }
    return false;
}

// ---- what stands before a line

// RFC 5424 table 2.
static char severity(enum spy_level level)
{
    switch (level) {
    case SPY_LEVEL_DEBUG:
        return 7;
    case SPY_LEVEL_WARN:
        return 4;
    case SPY_LEVEL_ERROR:
        return 3;
    default:
        return 6;
    }
}

static void put_u64(struct spy__buf *out, uint64_t v)
{
    char text[SPY__NUMBER_MAX];
    spy__buf_put(out, text, spy__u64_print(text, v));
}

static void put_two(struct spy__buf *out, uint64_t v, char fill)
{
    spy__buf_putc(out, v < 10 ? fill : (char)('0' + v / 10));
    spy__buf_putc(out, (char)('0' + v % 10));
}

// "Jan 31 12:00:00 ", local time. The calendar is our own, as gmtime_r(3) takes the lock of the time
// zone, which a forked child may find taken: eras of 400 years that begin in March (H. Hinnant,
// https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
static void put_time(struct spy__syslog *syslog, struct spy__buf *out, uint64_t seconds)
{
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    if (!syslog->zone_fixed &&
        (seconds >= syslog->zone_until || syslog->zone_until - seconds > ZONE_S)) {
        struct tm tm;
        time_t t = (time_t)seconds;
        syslog->zone_s = localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
        syslog->zone_until = seconds - seconds % ZONE_S + ZONE_S;
    }
    seconds += (uint64_t)syslog->zone_s;
    uint64_t of_day = seconds % 86400, z = seconds / 86400 + 719468, of_era = z % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153; // 0 is March
    spy__buf_put(out, months + month * 3, 3);
    spy__buf_putc(out, ' ');
    put_two(out, of_year - (153 * month + 2) / 5 + 1, ' ');
    spy__buf_putc(out, ' ');
    put_two(out, of_day / 3600, '0');
    spy__buf_putc(out, ':');
    put_two(out, of_day / 60 % 60, '0');
    spy__buf_putc(out, ':');
    put_two(out, of_day % 60, '0');
    spy__buf_putc(out, ' ');
}

static void syslog_head(struct spy__syslog *syslog, struct spy__buf *out,
                        const struct spy__record *record)
{
    spy__buf_putc(out, '<');
    put_u64(out, FACILITY_USER * 8 + (uint64_t)severity(record->level));
    spy__buf_putc(out, '>');
    put_time(syslog, out, record->time_ns / 1000000000u);
    for (const char *p = syslog->name; *p && p - syslog->name < 48; p++) { // RFC 5424: APP-NAME
        spy__buf_putc(out, *p > ' ' && *p < 0x7f && !strchr("[]:/", *p) ? *p : '_');
    }
    spy__buf_putc(out, '[');
    put_u64(out, (uint64_t)getpid());
    spy__buf_puts(out, "]: ");
}

// A field's name as journald takes it: A-Z, 0-9 and '_', no '_' or digit in front. One that we, or
// journald, say something by gets a '_' behind.
static void put_name(struct spy__buf *out, const char *key)
{
    static const char *const ours[] = { "MESSAGE",        "PRIORITY",       "SYSLOG_IDENTIFIER",
                                        "SYSLOG_PID",     "EVENT",          "LEVEL",
                                        "LOGGER",         "SERVICE",        "ENVIRONMENT",
                                        "CORRELATION_ID", "TRACE_ID",       "SPAN_ID",
                                        "MESSAGE_ID",     "SYSLOG_FACILITY" };
    char name[KEY_MAX + 1];
    size_t n = 0;
    if (!((*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z'))) {
        name[n++] = 'F';
        name[n++] = '_';
    }
    for (; *key && n < KEY_MAX - 1; key++) {
        char c = *key >= 'a' && *key <= 'z' ? (char)(*key - 0x20) : *key;
        name[n++] = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    }
    name[n] = '\0';
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcmp(name, ours[i]) == 0) {
            name[n++] = '_';
            break;
        }
    }
    spy__buf_put(out, name, n);
}

static void put_value(struct spy__buf *out, const char *value, size_t n)
{
    if (memchr(value, '\n', n)) {
        uint64_t len = n;
        spy__buf_putc(out, '\n');
        for (int i = 0; i < 8; i++, len >>= 8) { // little-endian, as the protocol says
            spy__buf_putc(out, (char)(len & 0xff));
        }
    } else {
        spy__buf_putc(out, '=');
    }
    spy__buf_put(out, value, n);
    spy__buf_putc(out, '\n');
}

static void put_text(struct spy__buf *out, const char *name, const char *value)
{
    if (value && value[0]) {
        spy__buf_puts(out, name);
        put_value(out, value, strlen(value));
    }
}

static void put_field(struct spy__buf *out, const struct spy_field *field)
{
    char number[SPY__NUMBER_MAX];
    const char *value = number;
    size_t n = 0;
    switch (field->type) {
    case SPY_FIELD_INT:
        n = spy__i64_print(number, field->value.i);
        break;
    case SPY_FIELD_UINT:
        n = spy__u64_print(number, field->value.u);
        break;
    case SPY_FIELD_DOUBLE:
        n = spy__double_print(number, field->value.d);
        break;
    case SPY_FIELD_BOOL:
        value = field->value.b ? "true" : "false";
        n = strlen(value);
        break;
    case SPY_FIELD_STR:
        value = field->value.s;
        n = field->len;
        break;
    default:
        return; // a stack is in the line itself
    }
    put_name(out, field->key);
    put_value(out, value, n);
}

static void journald_head(const struct spy__syslog *syslog, struct spy__buf *out,
                          const struct spy__record *record)
{
    char hex[33] = "";
    spy__buf_puts(out, "PRIORITY=");
    spy__buf_putc(out, (char)('0' + severity(record->level)));
    spy__buf_putc(out, '\n');
    put_text(out, "SYSLOG_IDENTIFIER", syslog->name);
    put_text(out, "EVENT", record->event);
    put_text(out, "LOGGER", record->module);
    put_text(out, "CORRELATION_ID", record->correlation_id);
    if (record->trace_hi | record->trace_lo) {
        spy__hex_u64(hex, record->trace_hi);
        spy__hex_u64(hex + 16, record->trace_lo);
        put_text(out, "TRACE_ID", hex);
    }
    if (record->span_id) {
        spy__hex_u64(hex, record->span_id);
        hex[16] = '\0';
        put_text(out, "SPAN_ID", hex);
    }
    for (size_t i = 0; i < record->field_count; i++) {
        put_field(out, &record->fields[i]);
    }
    spy__buf_puts(out, "MESSAGE="); // the line follows: it has one newline, at its end
}

void spy__syslog_head(struct spy__syslog *syslog, struct spy__buf *out,
                      const struct spy__record *record)
{
    if (syslog->journald) {
        journald_head(syslog, out, record);
    } else {
        syslog_head(syslog, out, record);
    }
}
