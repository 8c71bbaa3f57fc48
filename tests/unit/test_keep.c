// What is kept of a record, and by whom.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "record/recent/keep.h"

static unsigned decided[SPY__TRACE_OUTCOMES], lost;

static void note_decided(const struct spy__trace *trace)
{
    decided[trace->outcome]++;
}

static void note_lost(void)
{
    lost++;
}

static int open_keep(bool recent)
{
    static const struct spy__journal_options journal; // in memory
    return spy__keep_open(&(struct spy__keep_options){ .journal = &journal,
                                                       .recent = recent,
                                                       .slow_ns = 1000,
                                                       .decided = note_decided,
                                                       .span_lost = note_lost });
}

static void give(enum spy__record_kind kind, uint64_t trace, bool root)
{
    spy__keep_give(&(struct spy__record){ .kind = kind,
                                          .level = SPY_LEVEL_INFO,
                                          .time_ns = 5,
                                          .duration_ns = 2000,
                                          .correlation_id = "id",
                                          .trace_lo = trace,
                                          .root = root,
                                          .event = "something" });
}

static uint64_t count_window(void)
{
    uint64_t first, next;
    spy__window_range(spy__keep_window(), &first, &next);
    return next - first;
}

static void a_record_goes_to_all_who_want_it(void **state)
{
    (void)state;
    struct spy__journal_reader *reader;
    struct spy__journal_entry entry;
    struct spy__wire_view view;
    memset(decided, 0, sizeof(decided));
    assert_int_equal(open_keep(true), 0);
    assert_int_equal(spy__journal_reader_open(&reader, spy__keep_journal(), "a",
                                              1u << SPY__KIND_EVENT | 1u << SPY__KIND_SPAN),
                     0);
    give(SPY__KIND_LOG, 1, false);
    give(SPY__KIND_EVENT, 1, false);
    give(SPY__KIND_SPAN, 1, true);
    spy__keep_flush();
    assert_int_equal(count_window(), 3);
    assert_int_equal(decided[SPY__TRACE_SLOW], 1);
    const struct spy__traces *traces = spy__keep_lock_traces();
    assert_non_null(spy__traces_find(traces, "id"));
    spy__keep_unlock_traces();
    const enum spy__record_kind expected[] = { SPY__KIND_EVENT, SPY__KIND_SPAN };
    for (size_t i = 0; i < 2; i++) {
        assert_true(spy__journal_reader_next(reader, &entry));
        assert_int_equal(entry.kind, expected[i]);
        assert_int_equal(spy__wire_read(&view, entry.bytes, entry.n), 0);
        assert_int_equal(view.record.kind, expected[i]);
        assert_string_equal(view.record.event, "something");
    }
    assert_false(spy__journal_reader_next(reader, &entry));
    give(SPY__KIND_SPAN, 2, false);
    spy__journal_reader_close(reader);
    spy__keep_close();
    assert_int_equal(decided[SPY__TRACE_TRUNCATED], 1); // it was open at the end
}

static void without_windows_the_journal_has_its_own(void **state)
{
    (void)state;
    struct spy__journal_reader *reader;
    struct spy__journal_entry entry;
    give(SPY__KIND_LOG, 1, false); // nothing is open
    spy__keep_flush();
    assert_int_equal(open_keep(false), 0);
    assert_null(spy__keep_window());
    assert_null(spy__keep_lock_traces());
    assert_int_equal(
        spy__journal_reader_open(&reader, spy__keep_journal(), "a", 1u << SPY__KIND_EVENT), 0);
    give(SPY__KIND_SPAN, 1, true);
    give(SPY__KIND_EVENT, 1, false);
    spy__keep_flush();
    assert_true(spy__journal_reader_next(reader, &entry));
    assert_false(spy__journal_reader_next(reader, &entry));
    spy__journal_reader_close(reader);
    spy__keep_close();
    spy__keep_close();
}

static void give_of_run(uint64_t run, uint32_t slot, uint64_t sequence, bool recovered)
{
    spy__keep_give(&(struct spy__record){ .kind = SPY__KIND_EVENT,
                                          .level = SPY_LEVEL_INFO,
                                          .recovered = recovered,
                                          .id = { run, slot, sequence },
                                          .time_ns = 5,
                                          .correlation_id = "",
                                          .event = "something" });
}

static void open_in(const char *state_dir, struct spy__journal_reader **ret)
{
    const struct spy__journal_options journal = { .state_dir = state_dir };
    assert_int_equal(spy__keep_open(&(struct spy__keep_options){ .journal = &journal }), 0);
    assert_int_equal(spy__journal_reader_open(ret, spy__keep_journal(), "a", 1u << SPY__KIND_EVENT),
                     0);
}

// A process died between the journal's flush and the release of its rings: what the next one finds
// in both goes into the journal once.
static void what_the_journal_has_is_not_recovered_twice(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-keep-XXXXXX", command[64];
    struct spy__journal_reader *reader;
    struct spy__journal_entry entry;
    struct spy__wire_view view;
    assert_non_null(mkdtemp(folder));
    open_in(folder, &reader);
    give_of_run(5, 1, 7, false);
    give_of_run(5, 512, 3, false);
    give_of_run(5, 1, 8, false);
    spy__journal_reader_close(reader);
    spy__keep_close();

    open_in(folder, &reader);
    give_of_run(5, 1, 7, true);
    give_of_run(5, 1, 8, true);
    give_of_run(5, 1, 9, true);
    give_of_run(5, 512, 3, true);
    give_of_run(5, 2, 1, true);      // another ring
    give_of_run(6, 1, 7, true);      // another process
    give_of_run(5, 1, 8, false);     // that is not of a dead one
    give_of_run(5, 100000, 1, true); // such a ring there is not
    spy__keep_flush();
    static const uint64_t expected[][3] = { { 5, 1, 7 }, { 5, 512, 3 },   { 5, 1, 8 },
                                            { 5, 1, 9 }, { 5, 2, 1 },     { 6, 1, 7 },
                                            { 5, 1, 8 }, { 5, 100000, 1 } };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(spy__journal_reader_next(reader, &entry));
        assert_int_equal(spy__wire_read(&view, entry.bytes, entry.n), 0);
        assert_int_equal(view.record.id.run, expected[i][0]);
        assert_int_equal(view.record.id.slot, expected[i][1]);
        assert_int_equal(view.record.id.sequence, expected[i][2]);
    }
    assert_false(spy__journal_reader_next(reader, &entry));
    spy__journal_reader_close(reader);
    spy__keep_close();
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void a_forked_child_keeps_nothing(void **state)
{
    (void)state;
    assert_int_equal(open_keep(true), 0);
    give(SPY__KIND_LOG, 1, false);
    spy__keep_lock_traces();
    pid_t child = fork();
    if (child == 0) {
        give(SPY__KIND_SPAN, 1, true);
        spy__keep_flush();
        bool nothing = count_window() == 1;
        spy__keep_close();
        // It may begin anew.
        if (open_keep(true) != 0) {
            _exit(2);
        }
        give(SPY__KIND_SPAN, 1, true);
        bool one = count_window() == 1;
        spy__keep_close();
        _exit(nothing && one ? 0 : 1);
    }
    spy__keep_unlock_traces();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    give(SPY__KIND_LOG, 1, false);
    assert_int_equal(count_window(), 2);
    spy__keep_close();
}

// Writes a record of the ring with this number, as a window has it.
static size_t write_own(unsigned char *to, size_t cap, uint64_t sequence)
{
    const struct spy__record record = { .kind = SPY__KIND_LOG,
                                        .level = SPY_LEVEL_INFO,
                                        .id = { .run = 9, .slot = 2, .sequence = sequence },
                                        .time_ns = 5,
                                        .correlation_id = "id",
                                        .event = "of the dead" };
    size_t n = spy__wire_write(to, cap, &record);
    assert_true(n > 0);
    return n;
}

static void give_replayed(uint64_t sequence)
{
    spy__keep_give(&(struct spy__record){ .kind = SPY__KIND_LOG,
                                          .level = SPY_LEVEL_INFO,
                                          .recovered = true,
                                          .id = { .run = 9, .slot = 2, .sequence = sequence },
                                          .time_ns = 6,
                                          .correlation_id = "id",
                                          .event = "of the dead" });
}

static void what_a_crash_had_kept_is_recalled_once(void **state)
{
    (void)state;
    static _Alignas(8) unsigned char bytes[65536];
    struct spy__window_record found;
    size_t n = 0;
    for (uint64_t i = 1; i <= 3; i++) {
        n += write_own(bytes + n, sizeof(bytes) - n, i);
    }
    assert_int_equal(spy__window_record_init(&found), 0);
    assert_int_equal(open_keep(true), 0);
    memmove(bytes + 1, bytes, n); // they may lie anywhere
    spy__keep_recall(bytes + 1, n);
    assert_int_equal(count_window(), 3);
    give_replayed(3); // its ring had not been given back
    give_replayed(4);
    assert_int_equal(count_window(), 4);
    uint64_t at = 0;
    for (uint64_t i = 1; i <= 4; i++, at = found.number + 1) {
        assert_true(spy__window_find_after(spy__keep_window(), &(struct spy__window_query){ 0 }, at,
                                           &found));
        assert_int_equal(found.view.record.id.sequence, i);
        assert_true(found.view.record.recovered);
        assert_string_equal(found.view.record.event, "of the dead");
    }
    spy__keep_close();
    assert_int_equal(open_keep(true), 0); // a start of its own
    give_replayed(3);
    assert_int_equal(count_window(), 1);
    spy__keep_close();
    spy__window_record_done(&found);
}

static void bad_bytes_recall_what_is_before_them(void **state)
{
    (void)state;
    static _Alignas(8) unsigned char bytes[65536];
    size_t n = write_own(bytes, sizeof(bytes), 1);
    size_t all = n + write_own(bytes + n, sizeof(bytes) - n, 2);
    const struct {
        size_t at, n, count;
        unsigned char value;
    } bad[] = {
        { 0, all, 2, bytes[0] }, { 0, n + 3, 1, bytes[0] }, { 0, n - 1, 0, bytes[0] },
        { 0, 0, 0, bytes[0] },   { n, all, 1, 0 },          { n + 3, all, 1, 0xff },
        { n + 4, all, 1, 99 },   { n + 40, all, 1, 0xff }, // the context's bytes
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned char *copy = malloc(bad[i].n + 1); // so that a read past it is seen
        unsigned char before = bytes[bad[i].at];
        bytes[bad[i].at] = bad[i].value;
        memcpy(copy, bytes, bad[i].n);
        bytes[bad[i].at] = before;
        assert_int_equal(open_keep(true), 0);
        spy__keep_recall(copy, bad[i].n);
        assert_int_equal(count_window(), bad[i].count);
        spy__keep_close();
        free(copy);
    }
    assert_int_equal(open_keep(true), 0);
    spy__keep_recall(NULL, 0);
    assert_int_equal(count_window(), 0);
    spy__keep_close();
    assert_int_equal(open_keep(false), 0); // nobody wants them
    spy__keep_recall(bytes, all);
    spy__keep_close();
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int err = -1;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = open_keep(true);
        alloc_fail_never();
        assert_true(err == 0 || !spy__keep_window());
    }
    lost = 0;
    alloc_fail_after(0);
    give(SPY__KIND_SPAN, 1, true);
    alloc_fail_never();
    assert_int_equal(lost, 1);
    spy__keep_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_goes_to_all_who_want_it),
        cmocka_unit_test(without_windows_the_journal_has_its_own),
        cmocka_unit_test(what_the_journal_has_is_not_recovered_twice),
        cmocka_unit_test(a_forked_child_keeps_nothing),
        cmocka_unit_test(what_a_crash_had_kept_is_recalled_once),
        cmocka_unit_test(bad_bytes_recall_what_is_before_them),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
