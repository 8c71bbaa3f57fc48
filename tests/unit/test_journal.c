// The journal while it runs: order, kinds, cursors, caps, what each reader loses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "journal_rig.h"
#include "record/journal/segment.h"

#define ALL UINT32_MAX
#define LINES 1000

static void what_is_appended_is_read_in_order(struct journal_rig *rig, bool in_memory)
{
    struct spy__journal_entry entry;
    rig->options.segment_bytes = 4096;
    journal_rig_open(rig, in_memory);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    for (unsigned i = 0; i < LINES; i += 100) {
        journal_rig_append(rig, 1, i, i + 100);
    }
    for (unsigned i = 0; i < LINES; i++) {
        journal_rig_expect(a, i, &entry);
        assert_int_equal(entry.kind, 1);
        assert_int_equal(entry.end.given, i + 1);
    }
    assert_false(spy__journal_reader_next(a, &entry));
    struct spy__journal_state look;
    spy__journal_look(rig->journal, &look);
    assert_in_range(look.segments, 10, 20);
    assert_int_equal(look.in_memory, in_memory);
    if (!in_memory) {
        assert_int_equal(journal_rig_count(rig, ""), look.segments);
    }
    // What all have read goes; the segment that is written to stays.
    spy__journal_reader_commit(a, &entry.end);
    spy__journal_look(rig->journal, &look);
    assert_int_equal(look.segments, 1);
    struct spy__journal_lag lag;
    spy__journal_reader_lag(a, &lag);
    assert_int_equal(lag.entries, 0);
    assert_int_equal(lag.bytes, 0);
    spy__journal_reader_close(a);
    journal_rig_close(rig);
    if (!in_memory) {
        assert_int_equal(journal_rig_count(rig, ""), 0);
        assert_int_equal(journal_rig_count(rig, ".cursor"), 1);
    }
}

static void order_in_files(void **state)
{
    what_is_appended_is_read_in_order(*state, false);
}

static void order_in_memory(void **state)
{
    what_is_appended_is_read_in_order(*state, true);
}

static void each_reader_takes_its_kinds(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    struct spy__journal_lag lag;
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", 1u << 2);
    struct spy__journal_reader *b = journal_rig_reader(rig, "b", 1u << 2 | 1u << 3);
    assert_int_equal(spy__journal_wanted(rig->journal), 1u << 2 | 1u << 3);
    for (unsigned i = 0; i < 30; i++) {
        journal_rig_append(rig, 1 + i % 3, i, i + 1); // kind 1 is nobody's
    }
    spy__journal_reader_lag(a, &lag);
    assert_int_equal(lag.entries, 10);
    spy__journal_reader_lag(b, &lag);
    assert_int_equal(lag.entries, 20);
    for (unsigned i = 0; i < 30; i++) {
        if (i % 3 == 1) {
            journal_rig_expect(a, i, &entry);
            assert_int_equal(entry.kind, 2);
        }
        if (i % 3 != 0) {
            journal_rig_expect(b, i, &entry);
        }
    }
    assert_false(spy__journal_reader_next(a, &entry));
    assert_false(spy__journal_reader_next(b, &entry));
    spy__journal_reader_close(b);
    assert_int_equal(spy__journal_wanted(rig->journal), 1u << 2);
    spy__journal_reader_close(a);
    assert_int_equal(spy__journal_wanted(rig->journal), 0);
}

static void a_cursor_goes_on_in_the_next_run(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    struct spy__journal_lag lag;
    uint64_t last_segment = 0;
    unsigned next = 0;
    rig->options.segment_bytes = 1024;
    // Each run appends 100, reads 90 and commits 80; the clock stands still, or goes back.
    for (unsigned run = 0; run < 5; run++) {
        rig->clock.realtime_ns -= run == 3 ? 1000000 : 0;
        journal_rig_open(rig, false);
        struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
        journal_rig_append(rig, 1, 100 * run, 100 * run + 100);
        spy__journal_reader_lag(a, &lag);
        assert_int_equal(lag.entries, 100 * (run + 1) - next);
        for (unsigned i = 0; i < 90; i++) {
            journal_rig_expect(a, next + i, &entry);
            assert_true(entry.start.segment >= last_segment);
            if (i == 79) {
                spy__journal_reader_commit(a, &entry.end);
                last_segment = entry.end.segment;
            }
        }
        next += 80;
        spy__journal_reader_close(a);
        journal_rig_close(rig);
    }
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CAP], 0);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 0);
}

static void a_reader_of_an_earlier_run_keeps_its_entries(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    struct spy__journal_position last;
    rig->options.segment_bytes = 1024;
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", 1u << 1);
    struct spy__journal_reader *b = journal_rig_reader(rig, "b", 1u << 2);
    journal_rig_append(rig, 1, 0, 50);
    journal_rig_append(rig, 2, 50, 100);
    journal_rig_expect(a, 0, &entry);
    spy__journal_reader_commit(a, &entry.end);
    journal_rig_expect(b, 50, &entry);
    spy__journal_reader_commit(b, &entry.end);
    spy__journal_reader_close(a);
    spy__journal_reader_close(b);
    journal_rig_close(rig);

    journal_rig_open(rig, false);
    b = journal_rig_reader(rig, "b", 1u << 2);
    assert_int_equal(journal_rig_drain(b, &last), 49);
    spy__journal_reader_commit(b, &last);
    spy__journal_reader_close(b);
    journal_rig_close(rig);

    journal_rig_open(rig, false);
    a = journal_rig_reader(rig, "a", 1u << 1);
    assert_int_equal(journal_rig_drain(a, &last), 49);
    spy__journal_reader_commit(a, &last);
    spy__journal_reader_close(a);
    journal_rig_close(rig);
    assert_int_equal(journal_rig_count(rig, ""), 0);
}

static void past_its_bytes_the_oldest_goes(struct journal_rig *rig, bool in_memory)
{
    struct spy__journal_entry entry;
    struct spy__journal_position last;
    struct spy__journal_state look;
    rig->options.segment_bytes = 1024;
    rig->options.bytes_max = 10240;
    journal_rig_open(rig, in_memory);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", 1u << 1);
    struct spy__journal_reader *b = journal_rig_reader(rig, "b", ALL);
    journal_rig_append(rig, 1, 0, 10);
    for (unsigned i = 0; i < 10; i++) {
        journal_rig_expect(a, i, &entry);
    }
    for (unsigned i = 10; i < LINES; i++) {
        journal_rig_append(rig, 1 + i % 2, i, i + 1);
    }
    spy__journal_look(rig->journal, &look);
    assert_in_range(look.bytes, 8192, 10240);
    unsigned read_a = journal_rig_drain(a, &last), read_b = journal_rig_drain(b, &last);
    assert_in_range(read_a, 1, 400);
    assert_in_range(read_b, 2 * read_a - 1, 2 * read_a + 1);
    assert_int_equal(read_a + rig->lost[0][SPY__JOURNAL_LOST_CAP], (LINES - 10) / 2);
    assert_int_equal(read_b + rig->lost[1][SPY__JOURNAL_LOST_CAP], LINES);
    assert_int_equal(rig->lost[1][SPY__JOURNAL_LOST_CORRUPT], 0);
    struct spy__journal_lag lag;
    spy__journal_reader_lag(b, &lag);
    assert_int_equal(lag.lost[SPY__JOURNAL_LOST_CAP], LINES - read_b);

    // a had read ten before it lost the rest; now it wants them again.
    uint64_t before = rig->lost[0][SPY__JOURNAL_LOST_CAP];
    spy__journal_reader_rewind(a);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CAP], before + 10);
    assert_int_equal(journal_rig_drain(a, &last), read_a);
    spy__journal_reader_rewind(a);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CAP], before + 10);
    assert_int_equal(journal_rig_drain(a, &last), read_a);
    spy__journal_reader_commit(a, &last);
    spy__journal_reader_close(a);
    spy__journal_reader_close(b);
}

static void bytes_in_files(void **state)
{
    past_its_bytes_the_oldest_goes(*state, false);
}

static void bytes_in_memory(void **state)
{
    past_its_bytes_the_oldest_goes(*state, true);
}

static void what_was_read_and_dropped_can_be_committed(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    struct spy__journal_position last;
    rig->options.segment_bytes = 512;
    rig->options.bytes_max = 4096;
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    journal_rig_append(rig, 1, 0, 20);
    assert_int_equal(journal_rig_drain(a, &last), 20);
    journal_rig_append(rig, 1, 20, 220);
    uint64_t lost = rig->lost[0][SPY__JOURNAL_LOST_CAP];
    spy__journal_reader_commit(a, &last);
    assert_true(spy__journal_reader_next(a, &entry));
    assert_int_equal(journal_rig_drain(a, &last) + 1 + lost, 200);
    spy__journal_reader_rewind(a);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CAP], lost);
    spy__journal_reader_close(a);
}

static void what_is_too_old_goes(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    rig->options.age_max_s = 800;
    journal_rig_open(rig, true);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    for (unsigned i = 0; i < 20; i++) {
        journal_rig_append(rig, 1, i, i + 1);
        rig->clock.realtime_ns += 101000000000u;
        rig->clock.monotonic_ns += 101000000000u;
        spy__journal_flush(rig->journal);
    }
    assert_in_range(rig->lost[0][SPY__JOURNAL_LOST_CAP], 11, 13);
    journal_rig_expect(a, (unsigned)rig->lost[0][SPY__JOURNAL_LOST_CAP], &entry);
    spy__journal_reader_close(a);
}

static bool is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

static void a_reader_is_woken_for_what_it_wants(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    journal_rig_open(rig, true);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", 1u << 1);
    struct spy__journal_reader *b = journal_rig_reader(rig, "b", 1u << 2);
    int fd = spy__journal_reader_fd(a);
    assert_false(spy__journal_reader_next(a, &entry));
    assert_false(is_readable(fd));
    journal_rig_append(rig, 2, 0, 1);
    assert_false(is_readable(fd));
    journal_rig_append(rig, 1, 1, 2);
    assert_true(is_readable(fd));
    journal_rig_append(rig, 1, 2, 3);
    journal_rig_expect(a, 1, &entry);
    journal_rig_expect(a, 2, &entry);
    assert_false(spy__journal_reader_next(a, &entry));
    assert_false(is_readable(fd));
    spy__journal_reader_close(a);
    spy__journal_reader_close(b);
}

static void readers_have_names(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_reader *readers[SPY__JOURNAL_READERS_MAX], *other = NULL;
    static const char *const bad[] = { "",   "A",   "a/b",
                                       "..", "a b", "0123456789012345678901234567890123" };
    journal_rig_open(rig, false);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(spy__journal_reader_open(&other, rig->journal, bad[i], 1), -EINVAL);
    }
    for (unsigned i = 0; i < SPY__JOURNAL_READERS_MAX; i++) {
        char name[] = { 'a', (char)('a' + i), 0 };
        readers[i] = journal_rig_reader(rig, name, 1);
    }
    assert_int_equal(spy__journal_reader_open(&other, rig->journal, "z", 1), -ENFILE);
    assert_int_equal(spy__journal_reader_open(&other, rig->journal, "aa", 1), -EBUSY);
    for (unsigned i = 0; i < SPY__JOURNAL_READERS_MAX; i++) {
        spy__journal_reader_close(readers[i]);
    }
    assert_int_equal(spy__journal_reader_open(&other, rig->journal, "aa", 2), -EINVAL);
    assert_null(other);
}

static void a_directory_that_is_none_is_told(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    char dir[sizeof(rig->dir)];
    memcpy(dir, rig->dir, sizeof(dir));
    memcpy(rig->dir, "/dev/null", 10);
    journal_rig_open(rig, false);
    memcpy(rig->dir, dir, sizeof(dir));
    assert_int_equal(rig->told[SPY__JOURNAL_IN_MEMORY], 1);
    assert_int_equal(rig->err, -ENOTDIR);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    journal_rig_append(rig, 1, 0, 1);
    journal_rig_expect(a, 0, &entry);
    spy__journal_reader_commit(a, &entry.end);
    spy__journal_reader_close(a);
}

// A disk that is full: the limit of a file's size is one that a test may set.
static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_counted_and_told_once(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_position last;
    struct spy__journal_state look;
    signal(SIGXFSZ, SIG_IGN);
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    struct spy__journal_reader *b = journal_rig_reader(rig, "b", 1u << 2);
    journal_rig_append(rig, 1, 0, 10);
    set_file_limit(1000);
    for (unsigned i = 10; i < 110; i++) { // in the middle of a write, then at its start
        journal_rig_append(rig, 1, 10 * i, 10 * i + 10);
        rig->clock.monotonic_ns += i % 10 == 0 ? 1100000000u : 0; // a new file is tried
    }
    spy__journal_look(rig->journal, &look);
    uint64_t lost = rig->lost[0][SPY__JOURNAL_LOST_WRITE];
    assert_in_range(lost, 500, 1000);
    assert_true(rig->told[SPY__JOURNAL_FAILS] - rig->told[SPY__JOURNAL_WORKS] <= 1);
    assert_int_equal(rig->err, -EFBIG);
    set_file_limit(0);
    unsigned fails = rig->told[SPY__JOURNAL_FAILS];
    journal_rig_append(rig, 1, 0, 7);
    rig->clock.monotonic_ns += 2000000000u;
    journal_rig_append(rig, 1, 0, 7);
    spy__journal_look(rig->journal, &look);
    assert_true(look.failing);
    assert_true(rig->told[SPY__JOURNAL_FAILS] <= fails + 1);
    set_file_limit(RLIM_INFINITY);
    rig->clock.monotonic_ns += 2000000000u;
    journal_rig_append(rig, 2, 0, 7);
    spy__journal_look(rig->journal, &look);
    assert_false(look.failing);
    assert_int_equal(rig->told[SPY__JOURNAL_FAILS], rig->told[SPY__JOURNAL_WORKS]);
    assert_int_equal(journal_rig_drain(a, &last) + rig->lost[0][SPY__JOURNAL_LOST_WRITE],
                     10 + 1000 + 14 + 7);
    assert_int_equal(journal_rig_drain(b, &last), 7);
    assert_int_equal(rig->lost[1][SPY__JOURNAL_LOST_WRITE], 0);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 0);
    spy__journal_reader_close(a);
    spy__journal_reader_close(b);
}

static void long_entries_and_none(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    static char bytes[SPY__ENTRY_BYTES_MAX + 1];
    memset(bytes, 'x', sizeof(bytes));
    rig->options.segment_bytes = 1000;
    journal_rig_open(rig, true);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    for (unsigned i = 0; i < 3; i++) {
        spy__journal_append(rig->journal, 1, bytes, SPY__ENTRY_BYTES_MAX - i);
    }
    spy__journal_append(rig->journal, 1, bytes, sizeof(bytes));
    spy__journal_append(rig->journal, 1, bytes, 0);
    spy__journal_flush(rig->journal);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(spy__journal_reader_next(a, &entry));
        assert_int_equal(entry.n, SPY__ENTRY_BYTES_MAX - i);
    }
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_WRITE], 2);
    spy__journal_reader_close(a);
}

static void a_forked_child_leaves_the_files_alone(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_position last;
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    journal_rig_append(rig, 1, 0, 10);
    spy__journal_append(rig->journal, 1, "buffered", 8);
    pid_t child = fork();
    if (child == 0) {
        spy__journal_reader_close(a);
        spy__journal_close(rig->journal);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    spy__journal_flush(rig->journal);
    assert_int_equal(journal_rig_drain(a, &last), 11);
    spy__journal_reader_close(a);
}

// One run with an entry that is read. False: something had no memory.
static bool run_once(struct journal_rig *rig)
{
    struct spy__journal_reader *a;
    struct spy__journal_entry entry;
    struct spy__journal_lag lag;
    bool done = false;
    if (spy__journal_open(&rig->journal, &rig->options) != 0) {
        return false;
    }
    if (spy__journal_reader_open(&a, rig->journal, "a", ALL) == 0) {
        spy__journal_append(rig->journal, 1, "text", 4);
        spy__journal_flush(rig->journal);
        done = spy__journal_reader_next(a, &entry);
        spy__journal_reader_lag(a, &lag);
        assert_int_equal(lag.lost[SPY__JOURNAL_LOST_MEMORY], !done);
        if (done) {
            spy__journal_reader_commit(a, &entry.end);
        }
        spy__journal_reader_close(a);
    }
    journal_rig_close(rig);
    return done;
}

static void every_allocation_may_fail(void **state)
{
    struct journal_rig *rig = *state;
    rig->options.bytes_max = 1 << 20;
    for (unsigned round = 0; round < 3; round++) { // in memory, in files, in files with a cursor
        rig->options.state_dir = round == 0 ? NULL : rig->dir; // the rig's callbacks are not needed
        bool done = false;
        for (long n = 0; !done; n++) {
            alloc_fail_after(n);
            done = run_once(rig);
            alloc_fail_never();
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, journal_rig_set_up, journal_rig_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(order_in_files),
        TEST(order_in_memory),
        TEST(each_reader_takes_its_kinds),
        TEST(a_cursor_goes_on_in_the_next_run),
        TEST(a_reader_of_an_earlier_run_keeps_its_entries),
        TEST(bytes_in_files),
        TEST(bytes_in_memory),
        TEST(what_was_read_and_dropped_can_be_committed),
        TEST(what_is_too_old_goes),
        TEST(a_reader_is_woken_for_what_it_wants),
        TEST(readers_have_names),
        TEST(a_directory_that_is_none_is_told),
        TEST(a_full_disk_is_counted_and_told_once),
        TEST(long_entries_and_none),
        TEST(a_forked_child_leaves_the_files_alone),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
