// What a start makes of the files that an earlier run left: torn, damaged, strange.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal_rig.h"
#include "record/journal/segment.h"

#define ALL UINT32_MAX

// A journal of n entries in segments of 1 KiB, and reader "a" that has committed none of them but
// the first.
static void leave_behind(struct journal_rig *rig, unsigned n)
{
    struct spy__journal_entry entry;
    rig->options.segment_bytes = 1024;
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    journal_rig_append(rig, 1, 0, n);
    journal_rig_expect(a, 0, &entry);
    spy__journal_reader_commit(a, &entry.end);
    spy__journal_reader_close(a);
    journal_rig_close(rig);
}

// Reads all that is there. Returns how many; they rise.
static unsigned read_rest(struct journal_rig *rig, uint64_t *ret_first)
{
    struct spy__journal_entry entry;
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    unsigned n = 0;
    uint64_t last = 0;
    while (spy__journal_reader_next(a, &entry)) {
        *ret_first = n == 0 ? entry.start.sequence : *ret_first;
        assert_true(entry.start.sequence > last);
        last = entry.start.sequence;
        n++;
    }
    spy__journal_reader_close(a);
    return n;
}

static size_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

static void flip(const char *path, size_t offset, size_t n)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = offset; i < offset + n; i++) {
        unsigned char c;
        assert_int_equal(pread(fd, &c, 1, (off_t)i), 1);
        c ^= 0xff;
        assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
    }
    close(fd);
}

static void write_file(const struct journal_rig *rig, const char *name, const void *bytes, size_t n)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/journal/%s", rig->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void a_torn_tail_is_cut(void **state)
{
    struct journal_rig *rig = *state;
    char path[128];
    uint64_t first = 0;
    leave_behind(rig, 12);
    journal_rig_path(rig, 0, path);
    size_t size = size_of(path);
    unsigned last = 11;
    // Shorter and shorter, by one byte a run; each run appends nothing.
    for (size_t cut = size; cut > 0; cut--) {
        if (journal_rig_count(rig, "") == 0) {
            break;
        }
        if (size_of(path) > cut) {
            assert_int_equal(truncate(path, (off_t)cut), 0);
        }
        journal_rig_open(rig, false);
        unsigned n = read_rest(rig, &first);
        journal_rig_close(rig);
        assert_true(n == last || n + 1 == last);
        last = n;
    }
    assert_int_equal(last, 0);
    assert_int_equal(rig->told[SPY__JOURNAL_ASIDE] + rig->told[SPY__JOURNAL_DAMAGED], 0);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 0);
}

// Entries of all lengths, which lie over the ends of what is read and written at once.
static void long_entries_among_short_ones_are_read_again(void **state)
{
    struct journal_rig *rig = *state;
    static const size_t lengths[] = { 1,      SPY__ENTRY_BYTES_MAX,
                                      7,      SPY__JOURNAL_BUFFER - 100,
                                      90,     SPY__JOURNAL_BUFFER,
                                      300000, SPY__ENTRY_BYTES_MAX - 9,
                                      200000, 200000,
                                      8 };
    const size_t count = sizeof(lengths) / sizeof(lengths[0]);
    static unsigned char bytes[SPY__ENTRY_BYTES_MAX];
    struct spy__journal_entry entry;
    for (int run = 0; run < 2; run++) { // the second one reads what the first one left
        rig->options.segment_bytes = rig->options.bytes_max = 0;
        journal_rig_open(rig, false);
        struct spy__journal_reader *a = journal_rig_reader(rig, "a", 2);
        for (size_t i = 0; run == 0 && i < count; i++) {
            memset(bytes, (int)i + 1, sizeof(bytes));
            spy__journal_append(rig->journal, 1, bytes, lengths[i]);
        }
        spy__journal_flush(rig->journal);
        for (size_t i = 0; i < count; i++) {
            assert_true(spy__journal_reader_next(a, &entry));
            assert_int_equal(entry.n, lengths[i]);
            memset(bytes, (int)i + 1, entry.n);
            assert_memory_equal(entry.bytes, bytes, entry.n);
        }
        assert_false(spy__journal_reader_next(a, &entry));
        spy__journal_reader_close(a);
        journal_rig_close(rig);
    }
    assert_int_equal(rig->told[SPY__JOURNAL_DAMAGED], 0);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 0);
}

static void after_a_cut_it_goes_on_elsewhere(void **state)
{
    struct journal_rig *rig = *state;
    char path[128];
    uint64_t first = 0;
    leave_behind(rig, 12);
    journal_rig_path(rig, 0, path);
    assert_int_equal(truncate(path, (off_t)size_of(path) - 3), 0);
    journal_rig_open(rig, false);
    struct spy__journal_reader *b = journal_rig_reader(rig, "b", ALL);
    journal_rig_append(rig, 1, 12, 20);
    spy__journal_reader_close(b);
    assert_int_equal(journal_rig_count(rig, ""), 2);
    assert_int_equal(read_rest(rig, &first), 10 + 8);
    assert_int_equal(first, 2);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 0);
}

static void damage_costs_what_it_hit_and_is_counted(void **state)
{
    struct journal_rig *rig = *state;
    char path[128];
    uint64_t first = 0;
    leave_behind(rig, 100);
    unsigned segments = journal_rig_count(rig, "");
    assert_in_range(segments, 3, 8);
    journal_rig_path(rig, 1, path);
    flip(path, 200, 8); // one entry, or two
    flip(path, 600, 1);
    flip(path, 0, 16); // the head, which its entries do not need
    journal_rig_open(rig, false);
    unsigned n = read_rest(rig, &first);
    assert_in_range(n, 99 - 4, 99 - 1);
    assert_int_equal(first, 2);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 99 - n);
    assert_int_equal(rig->told[SPY__JOURNAL_DAMAGED], 1);
    assert_int_equal(rig->err, -EBADMSG);
}

static void the_damaged_end_of_a_segment_is_counted_too(void **state)
{
    struct journal_rig *rig = *state;
    char path[128];
    uint64_t first = 0;
    leave_behind(rig, 100);
    journal_rig_path(rig, 1, path);
    size_t size = size_of(path);
    flip(path, size - 100, 90);
    journal_rig_open(rig, false);
    unsigned n = read_rest(rig, &first);
    assert_in_range(n, 99 - 4, 99 - 1);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 99 - n);
    assert_int_equal(rig->told[SPY__JOURNAL_DAMAGED], 1);
    assert_true(size_of(path) < size);
}

static void an_unreadable_segment_is_set_aside(void **state)
{
    struct journal_rig *rig = *state;
    char path[128];
    uint64_t first = 0;
    leave_behind(rig, 100);
    unsigned segments = journal_rig_count(rig, "");
    journal_rig_path(rig, 1, path);
    flip(path, 0, size_of(path));
    journal_rig_path(rig, 2, path);
    flip(path, 8, 1); // another version
    journal_rig_open(rig, false);
    unsigned n = read_rest(rig, &first);
    assert_int_equal(n + rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 99);
    assert_in_range(n, 30, 80);
    assert_int_equal(rig->told[SPY__JOURNAL_ASIDE], 2);
    assert_int_equal(rig->err, -EPROTO);
    assert_int_equal(journal_rig_count(rig, ".corrupt"), 2);
    assert_int_equal(journal_rig_count(rig, ""), segments - 2);
}

static void what_was_set_aside_does_not_pile_up(void **state)
{
    struct journal_rig *rig = *state;
    char name[32];
    static const char rubbish[400 << 10];
    leave_behind(rig, 1);
    for (unsigned i = 1; i <= 20; i++) {
        snprintf(name, sizeof(name), "%016x", i);
        write_file(rig, name, rubbish, sizeof(rubbish));
    }
    journal_rig_open(rig, false);
    assert_int_equal(rig->told[SPY__JOURNAL_ASIDE], 20);
    assert_int_equal(journal_rig_count(rig, ".corrupt"), 8);
}

static void strange_files_are_left_alone(void **state)
{
    struct journal_rig *rig = *state;
    static const char *const names[] = { "README", "0123", "0123456789ABCDEF", "0123456789abcdef0",
                                         "x.segment" };
    char path[160];
    uint64_t first = 0;
    leave_behind(rig, 5);
    for (size_t i = 0; i < 5; i++) {
        write_file(rig, names[i], "text", 4);
    }
    write_file(rig, "b.cursor", "short", 5);
    write_file(rig, "000000000000000f", "", 0);
    snprintf(path, sizeof(path), "%s/journal/00000000000000ff", rig->dir);
    assert_int_equal(mkfifo(path, 0600), 0); // opening it does not hang
    journal_rig_open(rig, false);
    assert_int_equal(read_rest(rig, &first), 4);
    assert_int_equal(rig->told[SPY__JOURNAL_ASIDE], 1);
    assert_int_equal(rig->told[SPY__JOURNAL_DAMAGED], 1); // the cursor
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/journal/%s", rig->dir, names[i]);
        assert_int_equal(size_of(path), 4);
    }
    assert_int_equal(journal_rig_count(rig, ".cursor"), 2);
}

static void a_damaged_cursor_begins_anew(void **state)
{
    struct journal_rig *rig = *state;
    char path[160];
    uint64_t first = 0;
    leave_behind(rig, 30);
    snprintf(path, sizeof(path), "%s/journal/a.cursor", rig->dir);
    for (size_t i = 0; i < size_of(path); i++) {
        flip(path, i, 1);
        journal_rig_open(rig, false);
        assert_int_equal(read_rest(rig, &first), 30);
        journal_rig_close(rig);
        flip(path, i, 1);
    }
    journal_rig_open(rig, false);
    assert_int_equal(read_rest(rig, &first), 29);
}

static void a_cursor_beyond_the_end_waits_for_the_next_segment(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    char path[128];
    leave_behind(rig, 10);
    // Power was lost: the cursor is newer than the segment's end, then than all segments.
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    for (unsigned i = 1; i < 10; i++) {
        journal_rig_expect(a, i, &entry);
    }
    spy__journal_reader_rewind(a);
    journal_rig_expect(a, 1, &entry);
    struct spy__journal_position beyond = entry.end;
    beyond.offset = 4096;
    spy__journal_reader_close(a);
    journal_rig_path(rig, 0, path);
    uint64_t old = beyond.segment;
    for (unsigned round = 0; round < 2; round++) {
        a = journal_rig_reader(rig, "a", ALL);
        beyond.segment += 1000 * round;
        spy__journal_reader_commit(a, &beyond);
        spy__journal_reader_close(a);
        journal_rig_close(rig);
        rig->clock.realtime_ns = old; // the clock stands still too
        journal_rig_open(rig, false);
        a = journal_rig_reader(rig, "a", ALL);
        assert_false(spy__journal_reader_next(a, &entry));
        journal_rig_append(rig, 1, 70 + round, 71 + round);
        journal_rig_expect(a, 70 + round, &entry);
        assert_true(entry.start.segment > beyond.segment);
        spy__journal_reader_close(a);
    }
}

static void a_cursor_that_cannot_be_written_is_told_once(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    char path[160];
    leave_behind(rig, 30);
    snprintf(path, sizeof(path), "%s/journal/a.tmp", rig->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    for (unsigned i = 1; i < 5; i++) {
        journal_rig_expect(a, i, &entry);
        spy__journal_reader_commit(a, &entry.end);
    }
    assert_int_equal(rig->told[SPY__JOURNAL_CURSOR], 1);
    assert_int_equal(rig->err, -EISDIR);
    assert_int_equal(rmdir(path), 0);
    spy__journal_reader_commit(a, &entry.end);
    spy__journal_reader_close(a);
    journal_rig_close(rig);
    journal_rig_open(rig, false);
    a = journal_rig_reader(rig, "a", ALL);
    journal_rig_expect(a, 5, &entry);
    spy__journal_reader_close(a);
}

// A process that appends as fast as it can, and says in *flushed how far it is.
static void append_for_ever(struct journal_rig *rig, unsigned from, volatile unsigned *flushed)
{
    spy__clock_fake(NULL);
    journal_rig_open(rig, false);
    (void)journal_rig_reader(rig, "a", ALL);
    for (unsigned i = from;; i += 7) {
        journal_rig_append(rig, 1, i, i + 7);
        __atomic_store_n(flushed, i + 7, __ATOMIC_RELEASE);
    }
}

static void what_was_flushed_survives_a_kill(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    unsigned *flushed =
        mmap(NULL, sizeof(*flushed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(flushed != MAP_FAILED);
    spy__clock_fake(NULL);
    rig->options.segment_bytes = 2048;
    unsigned next = 0;
    for (unsigned round = 0; round < 20; round++) {
        unsigned from = next;
        *flushed = from;
        pid_t child = fork();
        if (child == 0) {
            append_for_ever(rig, from, flushed);
        }
        while (__atomic_load_n(flushed, __ATOMIC_ACQUIRE) < from + 100 + 10 * round) {
            sched_yield();
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);

        journal_rig_open(rig, false);
        struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
        for (; next < *flushed; next++) {
            journal_rig_expect(a, next, &entry);
        }
        // A flush that was under way may be there, whole entries of it.
        struct spy__journal_position end = entry.end;
        next += journal_rig_drain(a, &end);
        assert_in_range(next, *flushed, *flushed + 7);
        spy__journal_reader_commit(a, &end);
        spy__journal_reader_close(a);
        journal_rig_close(rig);
    }
    assert_int_equal(rig->told[SPY__JOURNAL_DAMAGED] + rig->told[SPY__JOURNAL_ASIDE], 0);
    assert_int_equal(rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 0);
    munmap(flushed, sizeof(*flushed));
}

static void a_file_that_vanishes_is_counted(void **state)
{
    struct journal_rig *rig = *state;
    struct spy__journal_entry entry;
    struct spy__journal_position last;
    char path[128];
    leave_behind(rig, 100);
    journal_rig_open(rig, false);
    struct spy__journal_reader *a = journal_rig_reader(rig, "a", ALL);
    journal_rig_expect(a, 1, &entry);
    journal_rig_path(rig, 1, path);
    assert_int_equal(unlink(path), 0);
    unsigned n = journal_rig_drain(a, &last);
    assert_in_range(n, 50, 90);
    assert_int_equal(n + rig->lost[0][SPY__JOURNAL_LOST_CORRUPT], 98);
    spy__journal_reader_close(a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, journal_rig_set_up, journal_rig_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_torn_tail_is_cut),
        TEST(long_entries_among_short_ones_are_read_again),
        TEST(after_a_cut_it_goes_on_elsewhere),
        TEST(damage_costs_what_it_hit_and_is_counted),
        TEST(the_damaged_end_of_a_segment_is_counted_too),
        TEST(an_unreadable_segment_is_set_aside),
        TEST(what_was_set_aside_does_not_pile_up),
        TEST(strange_files_are_left_alone),
        TEST(a_damaged_cursor_begins_anew),
        TEST(a_cursor_beyond_the_end_waits_for_the_next_segment),
        TEST(a_cursor_that_cannot_be_written_is_told_once),
        TEST(what_was_flushed_survives_a_kill),
        TEST(a_file_that_vanishes_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
