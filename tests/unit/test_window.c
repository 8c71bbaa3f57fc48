// The window of recent records: what is kept, in what order, and what is found in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "record/recent/window.h"

static _Alignas(8) unsigned char bytes[SPY__RECORD_MAX];
static struct spy__window *window;
static struct spy__window_record found;

static int set_up(void **state)
{
    (void)state;
    window = spy__window_new();
    assert_non_null(window);
    return spy__window_record_init(&found);
}

static int tear_down(void **state)
{
    (void)state;
    spy__window_record_done(&found);
    spy__window_free(window);
    return 0;
}

static void append(const struct spy__record *record)
{
    size_t n = spy__wire_write(bytes, sizeof(bytes), record);
    assert_true(n > 0);
    spy__window_append(window, record->kind, record->level, bytes, n);
}

static void append_line(enum spy_level level, const char *correlation_id, const char *event,
                        const struct spy_field *fields, size_t n)
{
    append(&(struct spy__record){ .kind = SPY__KIND_LOG,
                                  .level = level,
                                  .time_ns = 1,
                                  .correlation_id = correlation_id,
                                  .trace_hi = 0xabc,
                                  .trace_lo = 0xdef,
                                  .event = event,
                                  .module = "http",
                                  .fields = fields,
                                  .field_count = n });
}

static unsigned count(const struct spy__window_query *query)
{
    unsigned n = 0, back = 0;
    uint64_t first, next;
    spy__window_range(window, &first, &next);
    for (uint64_t at = first; spy__window_find_after(window, query, at, &found);
         at = found.number + 1) {
        assert_true(found.number >= at && found.number < next);
        n++;
    }
    for (uint64_t at = next; spy__window_find_before(window, query, at, &found);
         at = found.number) {
        assert_true(found.number < at);
        back++;
    }
    assert_int_equal(n, back);
    return n;
}

static void an_empty_one_has_nothing(void **state)
{
    (void)state;
    uint64_t first, next;
    const struct spy__window_query all = { 0 };
    spy__window_range(window, &first, &next);
    assert_int_equal(first, next);
    assert_false(spy__window_find_after(window, &all, 0, &found));
    assert_false(spy__window_find_after(window, &all, 1000, &found));
    assert_false(spy__window_find_before(window, &all, 0, &found));
    assert_false(spy__window_find_before(window, &all, UINT64_MAX, &found));
}

static void the_newest_ten_thousand_are_kept(void **state)
{
    (void)state;
    uint64_t first, next;
    for (unsigned i = 0; i < SPY__WINDOW_RECORDS + 500; i++) {
        append_line(SPY_LEVEL_INFO, "", "line", (struct spy_field[]){ spy_uint("i", i) }, 1);
    }
    spy__window_range(window, &first, &next);
    assert_int_equal(next - first, SPY__WINDOW_RECORDS);
    for (uint64_t at = first; at < next; at++) {
        assert_true(spy__window_find_after(window, &(struct spy__window_query){ 0 }, at, &found));
        assert_int_equal(found.number, at);
        assert_int_equal(found.view.record.fields[0].value.u, at - 1);
    }
}

static void its_bytes_are_bounded(void **state)
{
    (void)state;
    static char text[SPY__FIELD_STR_MAX + 1];
    static const char *const keys[6] = { "a", "b", "c", "d", "e", "f" };
    uint64_t first, next, last_first = 0;
    memset(text, 'x', SPY__FIELD_STR_MAX);
    for (unsigned i = 0; i < 3000; i++) {
        struct spy_field fields[6];
        size_t n = 1 + i % 6;
        for (size_t f = 0; f < n; f++) {
            fields[f] = spy_strn(keys[f], text, 1 + (i * 997 + f * 31) % SPY__FIELD_STR_MAX);
        }
        append_line(SPY_LEVEL_INFO, "", "line", fields, n);
        spy__window_range(window, &first, &next);
        assert_int_equal(next, i + 2);
        assert_true(first >= last_first);
        last_first = first;
        if (i % 100 == 99) {
            assert_int_equal(count(&(struct spy__window_query){ 0 }), next - first);
        }
    }
    // About 14 KiB each.
    assert_in_range(next - first, 200, 400);
    for (uint64_t at = first; at < next; at++) {
        assert_true(spy__window_find_after(window, &(struct spy__window_query){ 0 }, at, &found));
        assert_int_equal(found.view.record.field_count, 1 + (at - 1) % 6);
    }
}

static void a_query_finds_what_it_asks_for(void **state)
{
    (void)state;
    const struct spy_field text[] = { spy_str("path", "/api/<script>"), spy_int("status", -500) };
    const struct spy_field yes[] = { spy_bool("cached", true), spy_uint("bytes", 77),
                                     spy_double("ms", 1.5) };
    append_line(SPY_LEVEL_DEBUG, "id-1", "started", text, 2);
    append_line(SPY_LEVEL_WARN, "id-2", "Slow", yes, 3);
    append_line(SPY_LEVEL_ERROR, "id-1", "failed", NULL, 0);
    append(&(struct spy__record){ .kind = SPY__KIND_SPAN,
                                  .level = SPY_LEVEL_INFO,
                                  .correlation_id = "id-1",
                                  .event = "agent",
                                  .duration_ns = 5 });
    const struct {
        struct spy__window_query query;
        unsigned expected;
    } cases[] = {
        { { 0 }, 4 },
        { { .kinds = 1u << SPY__KIND_LOG }, 3 },
        { { .kinds = 1u << SPY__KIND_SPAN }, 1 },
        { { .kinds = 1u << SPY__KIND_EVENT }, 0 },
        { { .level = SPY_LEVEL_WARN }, 3 }, // a span has no level
        { { .level = SPY_LEVEL_ERROR, .kinds = 1u << SPY__KIND_LOG }, 1 },
        { { .id = "id-1" }, 3 },
        { { .id = "id-" }, 0 },
        { { .id = "" }, 0 },
        { { .id = "0000000000000abc0000000000000def" }, 3 },
        { { .id = "00000000000000000000000000000000" }, 0 },
        { { .text = "SLOW" }, 1 },
        { { .text = "http" }, 3 },
        { { .text = "<Script>" }, 1 },
        { { .text = "-50" }, 1 },
        { { .text = "77" }, 1 },
        { { .text = "true" }, 1 },
        { { .text = "cache" }, 1 },
        { { .text = "nowhere" }, 0 },
        { { .text = "/api", .id = "id-2" }, 0 },
        { { .text = "/api", .id = "id-1", .level = SPY_LEVEL_DEBUG }, 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(count(&cases[i].query), cases[i].expected);
    }
}

static void one_that_matches_is_found_behind_many_that_do_not(void **state)
{
    (void)state;
    append_line(SPY_LEVEL_ERROR, "", "first", NULL, 0);
    for (unsigned i = 0; i < 5000; i++) {
        append_line(SPY_LEVEL_DEBUG, "", "debug", NULL, 0);
    }
    append_line(SPY_LEVEL_ERROR, "", "last", NULL, 0);
    const struct spy__window_query errors = { .level = SPY_LEVEL_ERROR };
    assert_true(spy__window_find_after(window, &errors, 2, &found));
    assert_string_equal(found.view.record.event, "last");
    assert_true(spy__window_find_before(window, &errors, found.number, &found));
    assert_string_equal(found.view.record.event, "first");
    assert_false(spy__window_find_before(window, &errors, found.number, &found));
}

// ---- after a crash

static size_t read_memory(void *to, uintptr_t from, size_t n)
{
    memcpy(to, (const void *)from, n);
    return n;
}

static size_t holes; // reads that fail, from this one on

static size_t read_with_holes(void *to, uintptr_t from, size_t n)
{
    if (holes == 0) {
        return 0;
    }
    holes--;
    return read_memory(to, from, n);
}

// Appends what no record of ours may look like to a handler: too short, no context, another kind.
static void append_others(void)
{
    append(&(struct spy__record){ .kind = SPY__KIND_LOG,
                                  .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "of nobody" });
    append(&(struct spy__record){ .kind = SPY__KIND_EVENT,
                                  .level = SPY_LEVEL_INFO,
                                  .correlation_id = "mine",
                                  .event = "of another kind" });
    memset(bytes, 0, 8);
    spy__window_append(window, SPY__KIND_LOG, SPY_LEVEL_INFO, bytes, 8);
    append_line(SPY_LEVEL_INFO, "mine_too", "line", NULL, 0);
    append_line(SPY_LEVEL_INFO, "min", "line", NULL, 0);
}

// What was picked is the lines `first` to `last`; returns how many.
static unsigned check_picked(size_t from, size_t to, uint64_t first)
{
    static _Alignas(8) unsigned char record[SPY__RECORD_MAX];
    struct spy__wire_view view;
    unsigned n = 0;
    for (; from < to; n++) {
        memcpy(record, bytes + from, to - from < sizeof(record) ? to - from : sizeof(record));
        assert_int_equal(spy__wire_read(&view, record, to - from), 0);
        assert_string_equal(view.record.correlation_id, "mine");
        assert_int_equal(view.record.fields[0].value.u, first + n);
        from += view.bytes;
    }
    return n;
}

static void a_crash_picks_its_own(void **state)
{
    (void)state;
    struct spy__window_pick pick = { .kinds = 1u << SPY__KIND_LOG | 1u << SPY__KIND_SPAN,
                                     .correlation_id = "mine",
                                     .read = read_memory };
    size_t from;
    assert_int_equal(spy__window_pick(window, &pick, bytes, sizeof(bytes), &from), 0);
    for (unsigned i = 0; i < 150; i++) {
        append_line(SPY_LEVEL_INFO, "mine", "line", (struct spy_field[]){ spy_uint("i", i) }, 1);
        append_others();
    }
    size_t to = spy__window_pick(window, &pick, bytes, sizeof(bytes), &from);
    assert_int_equal(check_picked(from, to, 50), SPY__WINDOW_PICK_MAX);
    // The newest, where there is less room.
    size_t some = (to - from) / 4 + 8;
    to = spy__window_pick(window, &pick, bytes, some, &from);
    assert_int_equal(check_picked(from, to, 125), 25);
    assert_int_equal(spy__window_pick(window, &pick, bytes, 0, &from), 0);
    // By the trace's id, where there is no other: all of these have it.
    pick.correlation_id = "";
    assert_int_equal(spy__window_pick(window, &pick, bytes, sizeof(bytes), &from), 0);
    pick.trace_hi = 0xabc;
    pick.trace_lo = 0xdef;
    assert_true(spy__window_pick(window, &pick, bytes, sizeof(bytes), &from) > 0);
}

static void a_pick_ends_at_memory_that_is_not_there(void **state)
{
    (void)state;
    const struct spy__window_pick pick = { .kinds = 1u << SPY__KIND_LOG,
                                           .correlation_id = "mine",
                                           .read = read_with_holes };
    for (unsigned i = 0; i < 10; i++) {
        append_line(SPY_LEVEL_INFO, "mine", "line", (struct spy_field[]){ spy_uint("i", i) }, 1);
    }
    // Two numbers, two looks a record, its bytes, a number again.
    for (size_t reads = 0; reads < 40; reads++) {
        size_t from;
        holes = reads;
        size_t to = spy__window_pick(window, &pick, bytes, sizeof(bytes), &from);
        assert_true(to >= from);
        if (reads >= 33) {
            assert_int_equal(check_picked(from, to, 0), 10);
        }
    }
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    struct spy__window_record record;
    alloc_fail_after(0);
    struct spy__window *none = spy__window_new();
    int err = spy__window_record_init(&record);
    alloc_fail_never();
    assert_null(none);
    assert_true(err < 0);
    spy__window_free(none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_one_has_nothing),
        TEST(the_newest_ten_thousand_are_kept),
        TEST(its_bytes_are_bounded),
        TEST(a_query_finds_what_it_asks_for),
        TEST(one_that_matches_is_found_behind_many_that_do_not),
        TEST(a_crash_picks_its_own),
        TEST(a_pick_ends_at_memory_that_is_not_there),
        TEST(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
