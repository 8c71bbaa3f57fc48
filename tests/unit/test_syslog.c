// Datagrams to a logger: a socket of the test's stands in for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/output/sink.h"

// 2024-02-29T23:59:58.123456789Z
#define LEAP_NS UINT64_C(1709251198123456789)

static char dir[64], path[96];
static int logger = -1;
static struct spy__sink sink;
static struct spy__sink_options options;
static struct spy__batch batch;
static char batch_bytes[1 << 20];
static uint64_t written[SPY__LEVELS];

static void start_logger(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, strlen(path) + 1);
    logger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(logger, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void stop_logger(void)
{
    if (logger >= 0) {
        close(logger);
        (void)unlink(path);
        logger = -1;
    }
}

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "UTC-02", 1); // POSIX: two hours ahead
    tzset();
    strncpy(dir, "/tmp/test_syslog.XXXXXX", sizeof(dir));
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    start_logger();
    options =
        (struct spy__sink_options){ .kind = SPY__SINK_SYSLOG, .socket = path, .name = "meme gen" };
    memset(written, 0, sizeof(written));
    spy__buf_init_fixed(&batch.out, batch_bytes, sizeof(batch_bytes));
    batch.count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_logger();
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static bool third_time(void *arg)
{
    int *asked = arg;
    return ++*asked == 3;
}

static struct spy__record event(enum spy_level level)
{
    return (struct spy__record){
        .level = level, .time_ns = LEAP_NS, .correlation_id = "", .event = "x"
    };
}

static void add(const struct spy__record *record, const char *line)
{
    spy__sink_head(&sink, &batch.out, record);
    spy__buf_puts(&batch.out, line);
    assert_false(batch.out.failed);
    batch.ends[batch.count] = (uint32_t)batch.out.len;
    batch.levels[batch.count++] = (unsigned char)record->level;
}

static unsigned send_batch(bool (*give_up)(void *), void *arg)
{
    unsigned n = spy__sink_write(&sink, &batch, give_up, arg, written);
    spy__buf_reset(&batch.out);
    batch.count = 0;
    return n;
}

static char got[1 << 20];

static const char *receive(size_t *ret_n)
{
    ssize_t n = recv(logger, got, sizeof(got) - 1, 0);
    assert_true(n >= 0);
    got[n] = '\0';
    *ret_n = (size_t)n;
    return got;
}

static void assert_received(const char *expected)
{
    size_t n;
    assert_string_equal(receive(&n), expected);
    assert_int_equal(n, strlen(expected));
}

static void syslog_lines(void **state)
{
    (void)state;
    static const struct {
        enum spy_level level;
        int priority;
    } levels[] = { { SPY_LEVEL_DEBUG, 15 },
                   { SPY_LEVEL_INFO, 14 },
                   { SPY_LEVEL_WARN, 12 },
                   { SPY_LEVEL_ERROR, 11 } };
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    for (size_t i = 0; i < 4; i++) {
        struct spy__record record = event(levels[i].level);
        add(&record, "{\"a\":1}\n");
    }
    assert_int_equal(send_batch(never, NULL), 4);
    for (size_t i = 0; i < 4; i++) {
        char expected[128];
        snprintf(expected, sizeof(expected), "<%d>Mar  1 01:59:58 meme_gen[%d]: {\"a\":1}",
                 levels[i].priority, (int)getpid());
        assert_received(expected);
        assert_int_equal(written[levels[i].level], 1);
    }
    spy__sink_close(&sink);
}

// Against the C library's own calendar.
static void every_day_has_its_name(void **state)
{
    (void)state;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    for (uint64_t day = 0; day < 60000; day += 13) {
        struct tm tm;
        char expected[64];
        time_t t = (time_t)(day * 86400 + day % 86400);
        struct spy__record record = event(SPY_LEVEL_INFO);
        record.time_ns = (uint64_t)t * 1000000000u;
        spy__sink_head(&sink, &batch.out, &record);
        spy__buf_putc(&batch.out, '\0');
        assert_non_null(localtime_r(&t, &tm));
        assert_true(strftime(expected, sizeof(expected), "<14>%b %e %H:%M:%S meme", &tm) > 0);
        assert_memory_equal(batch.out.bytes, expected, strlen(expected));
        spy__buf_reset(&batch.out);
    }
    spy__sink_close(&sink);
}

static void journald_entries(void **state)
{
    (void)state;
    struct spy_field fields[] = {
        spy_str("path", "/memes"),     spy_int("status-code", -5),
        spy_uint("n", UINT64_MAX),     spy_double("seconds", 0.25),
        spy_bool("ok", true),          spy_strn("text", "two\nlines", 9),
        spy_str("message", "forged"),  spy_str("_hostname", "forged"),
        spy_str("9lives", ""),         spy_addrs("traceback", (const uintptr_t[]){ 1 }, 1),
        spy_str("priority", "0\nX=1"),
    };
    struct spy__record record = event(SPY_LEVEL_WARN);
    record.event = "request_processed";
    record.module = "http";
    record.correlation_id = "c-1";
    record.trace_hi = 1;
    record.trace_lo = 2;
    record.span_id = 3;
    record.fields = fields;
    record.field_count = sizeof(fields) / sizeof(fields[0]);
    options.kind = SPY__SINK_JOURNALD;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    add(&record, "{\"a\":1}\n");
    assert_int_equal(send_batch(never, NULL), 1);
    static const char expected[] =
        "PRIORITY=4\nSYSLOG_IDENTIFIER=meme gen\nEVENT=request_processed\nLOGGER=http\n"
        "CORRELATION_ID=c-1\nTRACE_ID=00000000000000010000000000000002\n"
        "SPAN_ID=0000000000000003\nPATH=/memes\nSTATUS_CODE=-5\nN=18446744073709551615\n"
        "SECONDS=0.25\nOK=true\nTEXT\n\x09\0\0\0\0\0\0\0two\nlines\nMESSAGE_=forged\n"
        "F__HOSTNAME=forged\nF_9LIVES=\nPRIORITY_\n\x05\0\0\0\0\0\0\0"
        "0\nX=1\nMESSAGE={\"a\":1}\n";
    size_t n;
    receive(&n);
    assert_int_equal(n, sizeof(expected) - 1);
    assert_memory_equal(got, expected, n);
    spy__sink_close(&sink);
}

// As systemd does: what is too long for a datagram comes as a sealed file.
static void a_long_entry_goes_as_a_file(void **state)
{
    (void)state;
    static char line[600000];
    memset(line, 'y', sizeof(line) - 2);
    line[sizeof(line) - 2] = '\n';
    struct spy__record record = event(SPY_LEVEL_INFO);
    options.kind = SPY__SINK_JOURNALD;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    add(&record, line);
    size_t n = batch.out.len;
    assert_int_equal(send_batch(never, NULL), 1);

    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = { &byte, 1 };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    assert_int_equal(recvmsg(logger, &message, MSG_CMSG_CLOEXEC), 0);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    assert_non_null(header);
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, n);
    assert_true(pread(fd, got, 12, 0) == 12);
    assert_memory_equal(got, "PRIORITY=6\nS", 12);
    assert_int_equal(write(fd, "x", 1), -1); // sealed
    close(fd);
    spy__sink_close(&sink);

    // syslog knows no such way: too long is lost, and the next one is not.
    options.kind = SPY__SINK_SYSLOG;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    add(&record, line);
    add(&record, "short\n");
    assert_int_equal(send_batch(never, NULL), 1);
    assert_int_equal(spy__sink_error(&sink), EMSGSIZE);
    receive(&n);
    assert_non_null(strstr(got, "]: short"));
    spy__sink_close(&sink);
}

static void a_logger_that_comes_and_goes(void **state)
{
    (void)state;
    struct spy__record record = event(SPY_LEVEL_INFO);
    stop_logger();
    assert_int_equal(spy__sink_open(&sink, &options), 0); // it may come later
    add(&record, "one\n");
    assert_int_equal(send_batch(never, NULL), 0);
    assert_int_equal(spy__sink_error(&sink), ENOENT);
    start_logger();
    add(&record, "two\n");
    assert_int_equal(send_batch(never, NULL), 1);
    size_t n;
    assert_non_null(strstr(receive(&n), "two"));
    stop_logger(); // started again: the next line finds the new one
    start_logger();
    add(&record, "three\n");
    assert_int_equal(send_batch(never, NULL), 1);
    assert_non_null(strstr(receive(&n), "three"));
    assert_int_equal(spy__sink_error(&sink), 0);
    spy__sink_close(&sink);

    static char long_path[200];
    memset(long_path, 'p', sizeof(long_path) - 1);
    options.socket = long_path;
    assert_int_equal(spy__sink_open(&sink, &options), -ENAMETOOLONG);
}

static void a_logger_that_is_stuck(void **state)
{
    (void)state;
    int asked = 0;
    unsigned sent = 0, n;
    struct spy__record record = event(SPY_LEVEL_INFO);
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    do { // its queue gets full
        for (int i = 0; i < 100; i++) {
            add(&record, "line\n");
        }
        n = send_batch(third_time, &asked);
        sent += n;
    } while (n == 100);
    assert_int_equal(asked, 3);
    assert_int_equal(spy__sink_error(&sink), ETIMEDOUT);
    assert_int_equal(written[SPY_LEVEL_INFO], sent);
    unsigned received = 0;
    while (recv(logger, got, sizeof(got), 0) > 0) {
        received++;
    }
    assert_int_equal(received, sent);
    spy__sink_close(&sink);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(syslog_lines),
        TEST(every_day_has_its_name),
        TEST(journald_entries),
        TEST(a_long_entry_goes_as_a_file),
        TEST(a_logger_that_comes_and_goes),
        TEST(a_logger_that_is_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
