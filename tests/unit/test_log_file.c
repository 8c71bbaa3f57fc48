// The log file: what is kept through rotations, reopening, torn lines and a file system that
// refuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "record/output/sink.h"

static char dir[64], path[96];
static struct spy__batch batch;
static char batch_bytes[1 << 16];
static struct spy__sink sink;
static struct spy__sink_options options;
static uint64_t written[SPY__LEVELS];

static int set_up(void **state)
{
    (void)state;
    strncpy(dir, "/tmp/test_log_file.XXXXXX", sizeof(dir));
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/app.log", dir);
    options = (struct spy__sink_options){ .kind = SPY__SINK_FILE,
                                          .file = { .path = path, .files_max = 3 } };
    memset(written, 0, sizeof(written));
    spy__buf_init_fixed(&batch.out, batch_bytes, sizeof(batch_bytes));
    batch.count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    spy__clock_fake(NULL);
    chmod(dir, 0700);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void add(const char *line)
{
    spy__buf_puts(&batch.out, line);
    batch.ends[batch.count] = (uint32_t)batch.out.len;
    batch.levels[batch.count++] = SPY_LEVEL_INFO;
}

// Writes what was added; returns how many records reached the file.
static unsigned write_batch(void)
{
    unsigned n = spy__sink_write(&sink, &batch, never, NULL, written);
    spy__buf_reset(&batch.out);
    batch.count = 0;
    return n;
}

static unsigned write_line(const char *line)
{
    add(line);
    return write_batch();
}

static void assert_file(const char *suffix, const char *expected)
{
    char name[PATH_MAX], text[4096] = "";
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (!expected) {
        assert_int_equal(fd, -1);
        return;
    }
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    close(fd);
    assert_string_equal(text, expected);
}

static void put_file(const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    close(fd);
}

static void a_file_is_made_and_appended_to(void **state)
{
    (void)state;
    struct stat st;
    mode_t mask = umask(0);
    put_file("old\n", 4);
    unlink(path);
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(write_line("one\n"), 1);
    spy__sink_close(&sink);
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    assert_int_equal(write_line("two\n"), 1);
    spy__sink_close(&sink);
    assert_file("", "one\ntwo\n");
    assert_int_equal(written[SPY_LEVEL_INFO], 2);
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    options.file.path = "/no/such/folder/app.log";
    assert_int_equal(spy__sink_open(&sink, &options), -ENOENT);
    options.file.path = dir;
    assert_int_equal(spy__sink_open(&sink, &options), -EISDIR);
    assert_int_equal(mkfifo(path, 0600), 0); // nobody reads it: an error, and no wait
    options.file.path = path;
    assert_int_equal(spy__sink_open(&sink, &options), -ENXIO);
    options = (struct spy__sink_options){ .kind = SPY__SINK_FD, .fd = 9999 };
    assert_int_equal(spy__sink_open(&sink, &options), -EBADF);
}

// No file grows past max_bytes, and no line is cut in two.
static void rotation_by_size(void **state)
{
    (void)state;
    options.file.max_bytes = 20;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    for (int i = 0; i < 9; i++) { // 9 bytes each: two a file, in one batch
        char line[16];
        snprintf(line, sizeof(line), "line %03d\n", i);
        add(line);
    }
    assert_int_equal(write_batch(), 9);
    assert_file("", "line 008\n");
    assert_file(".1", "line 006\nline 007\n");
    assert_file(".2", "line 004\nline 005\n");
    assert_file(".3", "line 002\nline 003\n");
    assert_file(".4", NULL);
    // A line that is longer than a file may be has one of its own.
    assert_int_equal(write_line("longer than twenty bytes\n"), 1);
    assert_int_equal(write_line("x\n"), 1);
    assert_file("", "x\n");
    assert_file(".1", "longer than twenty bytes\n");
    assert_int_equal(written[SPY_LEVEL_INFO], 11);
    spy__sink_close(&sink);
}

static void rotation_by_age(void **state)
{
    (void)state;
    struct spy__fake_clock clock = { 1000, UINT64_C(1700000000000000000) };
    spy__clock_fake(&clock);
    options.file.max_age_s = 60;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    clock.realtime_ns += UINT64_C(3600000000000); // an empty file has no age
    assert_int_equal(write_line("one\n"), 1);
    clock.realtime_ns += UINT64_C(59999999999);
    assert_int_equal(write_line("two\n"), 1);
    assert_file("", "one\ntwo\n");
    clock.realtime_ns += 1;
    assert_int_equal(write_line("three\n"), 1);
    assert_file("", "three\n");
    assert_file(".1", "one\ntwo\n");
    clock.realtime_ns = 5; // the clock was set back: no rotation
    assert_int_equal(write_line("four\n"), 1);
    assert_file("", "three\nfour\n");
    spy__sink_close(&sink);
}

static void a_rotation_that_fails_loses_nothing(void **state)
{
    (void)state;
    char in_the_way[PATH_MAX];
    struct spy__fake_clock clock = { 1000, UINT64_C(1700000000000000000) };
    spy__clock_fake(&clock);
    snprintf(in_the_way, sizeof(in_the_way), "%s.1", path);
    assert_int_equal(mkdir(in_the_way, 0700), 0); // a file cannot take a folder's name
    options.file.max_bytes = 8;
    options.file.files_max = 1;
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(write_line("line\n"), 1);
    }
    assert_file("", "line\nline\nline\nline\nline\n");
    assert_int_equal(spy__sink_file_error(&sink), EISDIR);
    assert_int_equal(spy__sink_error(&sink), 0);
    // Later it works again.
    assert_int_equal(rmdir(in_the_way), 0);
    assert_int_equal(write_line("soon\n"), 1);
    assert_file(".1", NULL);
    clock.monotonic_ns += UINT64_C(10000000001);
    assert_int_equal(write_line("late\n"), 1);
    assert_file("", "late\n");
    assert_file(".1", "line\nline\nline\nline\nline\nsoon\n");
    assert_int_equal(spy__sink_file_error(&sink), 0);
    spy__sink_close(&sink);
}

static void reopening(void **state)
{
    (void)state;
    char moved[PATH_MAX];
    snprintf(moved, sizeof(moved), "%s.moved", path);
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    assert_int_equal(write_line("one\n"), 1);
    assert_int_equal(rename(path, moved), 0); // as logrotate does
    assert_int_equal(write_line("two\n"), 1);
    spy__sink_reopen(&sink);
    assert_int_equal(write_line("three\n"), 1);
    assert_file(".moved", "one\ntwo\n");
    assert_file("", "three\n");
    // Where it cannot be opened again, the old one stays.
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    spy__sink_reopen(&sink);
    assert_int_equal(spy__sink_file_error(&sink), EISDIR);
    assert_int_equal(write_line("four\n"), 1);
    assert_int_equal(rmdir(path), 0);
    spy__sink_reopen(&sink);
    assert_int_equal(spy__sink_file_error(&sink), 0);
    assert_int_equal(write_line("five\n"), 1);
    assert_file("", "five\n");
    spy__sink_close(&sink);
}

static void a_torn_last_line_is_cut(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof(text));
    struct {
        size_t n;
        size_t newline_at; // SIZE_MAX: none
        size_t left;
    } cases[] = {
        { 0, SIZE_MAX, 0 },
        { 5, 4, 5 },
        { 5, 3, 4 },
        { 5, 0, 1 },
        { 5, SIZE_MAX, 0 },
        { 20000, 0, 1 },
        { 20000, 15904, 15905 },
        { 20000, 15903, 15904 },
        { 20000, SIZE_MAX, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stat st;
        if (cases[i].newline_at != SIZE_MAX) {
            text[cases[i].newline_at] = '\n';
        }
        put_file(text, cases[i].n);
        memset(text, 'x', sizeof(text));
        assert_int_equal(spy__sink_open(&sink, &options), 0);
        spy__sink_mend(&sink, true, false);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, cases[i].left);
        spy__sink_close(&sink);
    }
    // Longer than any line of ours can be: it is left as it is.
    put_file("", 0);
    assert_int_equal(truncate(path, 3 << 20), 0);
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    spy__sink_mend(&sink, true, false);
    assert_int_equal(write_line("x\n"), 1);
    assert_int_equal(lseek(sink.file.stream.fd, 0, SEEK_END), (3 << 20) + 3); // it got its newline
    spy__sink_close(&sink);
    // A device has nothing to cut.
    options.file.path = "/dev/null";
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    spy__sink_mend(&sink, true, true);
    assert_int_equal(write_line("x\n"), 1);
    spy__sink_close(&sink);
}

// A file that the host opened, as with `host >>log`: others may write there too.
static void a_torn_line_of_stdout(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        bool append, died;
        const char *after;
    } cases[] = {
        { "a\n", true, true, "a\nnext\n" },
        { "a\n{\"timestamp\":\"2026-", true, true, "a\nnext\n" },
        { "a\n{\"time", true, true, "a\nnext\n" },
        { "a\n{\"timestamp\":\"2026-", true, false, "a\n{\"timestamp\":\"2026-\nnext\n" },
        { "a\nno line of ours", true, true, "a\nno line of ours\nnext\n" },
        { "{\"timestamp\":\"2026-", true, true, "next\n" },
        { "abcdefgh", false, true, "next\nfgh" }, // written at its own place
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_file(cases[i].before, strlen(cases[i].before));
        int fd = open(path, O_WRONLY | O_CLOEXEC | (cases[i].append ? O_APPEND : 0));
        options = (struct spy__sink_options){ .kind = SPY__SINK_FD, .fd = fd };
        assert_int_equal(spy__sink_open(&sink, &options), 0);
        spy__sink_mend(&sink, true, cases[i].died);
        assert_int_equal(write_line("next\n"), 1);
        spy__sink_close(&sink);
        close(fd);
        assert_file("", cases[i].after);
    }
    // A log file whose lines will not come again keeps what there is of them.
    put_file("a\n{\"time", 8);
    options = (struct spy__sink_options){ .kind = SPY__SINK_FILE,
                                          .file = { .path = path, .files_max = 3 } };
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    spy__sink_mend(&sink, false, false);
    assert_int_equal(write_line("next\n"), 1);
    spy__sink_close(&sink);
    assert_file("", "a\n{\"time\nnext\n");
}

// A disk that is full in the middle of a batch: whole lines stay, and no part of one.
static void a_full_disk_leaves_whole_lines(void **state)
{
    (void)state;
    struct rlimit old, limit;
    sigset_t block, mask;
    sigemptyset(&block);
    sigaddset(&block, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &block, &mask);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){ .rlim_cur = 12, .rlim_max = old.rlim_max };

    assert_int_equal(spy__sink_open(&sink, &options), 0);
    add("line 1\n");
    add("line 2\n");
    add("line 3\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    unsigned reached = write_batch();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(reached, 1);
    assert_int_equal(spy__sink_error(&sink), EFBIG);
    assert_int_equal(sigtimedwait(&block, NULL, &(struct timespec){ 0 }), SIGXFSZ);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);

    assert_int_equal(write_line("line 4\n"), 1);
    assert_int_equal(spy__sink_error(&sink), 0);
    assert_file("", "line 1\nline 4\n");
    assert_int_equal(written[SPY_LEVEL_INFO], 2);
    spy__sink_close(&sink);

    options.file.path = "/dev/full";
    assert_int_equal(spy__sink_open(&sink, &options), 0);
    assert_int_equal(write_line("x\n"), 0);
    assert_int_equal(spy__sink_error(&sink), ENOSPC);
    spy__sink_close(&sink);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_made_and_appended_to),
        TEST(what_cannot_be_opened),
        TEST(rotation_by_size),
        TEST(rotation_by_age),
        TEST(a_rotation_that_fails_loses_nothing),
        TEST(reopening),
        TEST(a_torn_last_line_is_cut),
        TEST(a_torn_line_of_stdout),
        TEST(a_full_disk_leaves_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
