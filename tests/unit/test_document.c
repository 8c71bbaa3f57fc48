// Documents: what was written is read, and nothing else is.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/document.h"
#include "record/journal/watermarks.h"
#include "record/wire.h"

static const struct spy__document example = {
    .event_hi = 0x0102030405060708,
    .event_lo = 0x1112131415161718,
    .id = { .run = 7, .slot = 3, .sequence = 99 },
    .trace = "{\"trace_id\":\"1\"}",
    .trace_n = 16,
    .items = { { "transaction", 5, "{\"a\":1}", 7 }, { "profile", 0, "{}", 2 } },
    .item_count = 2,
    .totals = { 1, 2, 3, 4, 5, 6, 7, 8 },
};

// 8-aligned, as the journal's entries are.
static union {
    uint64_t aligned;
    char bytes[1024];
} room;

static size_t write_example(void)
{
    size_t n = spy__document_write(room.bytes, sizeof(room.bytes), &example);
    assert_int_not_equal(n, 0);
    return n;
}

static void read_as_it_was_written(void **state)
{
    (void)state;
    struct spy__document read;
    assert_int_equal(spy__document_read(&read, room.bytes, write_example()), 0);
    assert_int_equal(read.event_hi, example.event_hi);
    assert_int_equal(read.event_lo, example.event_lo);
    assert_int_equal(read.id.run, 7);
    assert_int_equal(read.id.slot, 3);
    assert_int_equal(read.id.sequence, 99);
    assert_int_equal(read.trace_n, 16);
    assert_memory_equal(read.trace, example.trace, 16);
    assert_int_equal(read.item_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(read.items[i].type, example.items[i].type);
        assert_int_equal(read.items[i].count, example.items[i].count);
        assert_int_equal(read.items[i].n, example.items[i].n);
        assert_memory_equal(read.items[i].bytes, example.items[i].bytes, read.items[i].n);
    }
    assert_memory_equal(read.totals, example.totals, sizeof(read.totals));
}

static void one_that_is_cut_or_longer_is_none(void **state)
{
    (void)state;
    struct spy__document read;
    size_t n = write_example();
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(spy__document_read(&read, room.bytes, i), -EBADMSG);
        assert_int_equal(spy__document_write(room.bytes + 512, i, &example), 0);
    }
    assert_int_equal(spy__document_read(&read, room.bytes, n + 1), -EBADMSG);
    room.bytes[7]++; // the version
    assert_int_equal(spy__document_read(&read, room.bytes, n), -ENOTSUP);
    room.bytes[0]++;
    assert_int_equal(spy__document_read(&read, room.bytes, n), -EBADMSG);
}

static void what_breaks_the_rules_is_not_written(void **state)
{
    (void)state;
    struct spy__document d = example;
    d.item_count = 0;
    assert_int_equal(spy__document_write(room.bytes, sizeof(room.bytes), &d), 0);
    d.item_count = SPY__DOCUMENT_ITEMS_MAX + 1;
    assert_int_equal(spy__document_write(room.bytes, sizeof(room.bytes), &d), 0);
    d = example;
    d.items[1].n = 0;
    assert_int_equal(spy__document_write(room.bytes, sizeof(room.bytes), &d), 0);
    d = example;
    memcpy(d.items[0].type, "has \"quotes\"", 13);
    assert_int_equal(spy__document_write(room.bytes, sizeof(room.bytes), &d), 0);
    memset(d.items[0].type, 'a', sizeof(d.items[0].type)); // no end
    assert_int_equal(spy__document_write(room.bytes, sizeof(room.bytes), &d), 0);
    d = example;
    d.trace_n = SPY__DOCUMENT_TRACE_BYTES_MAX + 1;
    assert_int_equal(spy__document_write(room.bytes, SIZE_MAX, &d), 0);
    d = example;
    d.items[0].n = SPY__DOCUMENT_ITEM_BYTES_MAX + 1;
    assert_int_equal(spy__document_write(room.bytes, SIZE_MAX, &d), 0);
}

static void the_longest_fits_into_the_journal(void **state)
{
    (void)state;
    char *text = calloc(1, SPY__DOCUMENT_ITEM_BYTES_MAX), *to = malloc(2u << 20);
    struct spy__document d = example, read;
    assert_non_null(text);
    assert_non_null(to);
    d.trace = text;
    d.trace_n = SPY__DOCUMENT_TRACE_BYTES_MAX;
    for (size_t i = 0; i < SPY__DOCUMENT_ITEMS_MAX; i++) {
        d.items[i].bytes = text;
        d.items[i].n = SPY__DOCUMENT_ITEM_BYTES_MAX;
    }
    size_t n = spy__document_write(to, 2u << 20, &d);
    assert_in_range(n, 2 * SPY__DOCUMENT_ITEM_BYTES_MAX, 2u << 20);
    assert_int_equal(spy__document_read(&read, to, n), 0);
    free(text);
    free(to);
}

static void no_document_is_a_record_and_none_the_other_way(void **state)
{
    (void)state;
    static struct spy__wire_view view;
    struct spy__document read;
    size_t n = write_example();
    assert_int_equal(spy__wire_read(&view, room.bytes, n), -EBADMSG);
    const struct spy__record record = {
        .kind = SPY__KIND_ERROR, .level = SPY_LEVEL_ERROR, .correlation_id = "", .event = "failed"
    };
    n = spy__wire_write(room.bytes, sizeof(room.bytes), &record);
    assert_int_not_equal(n, 0);
    assert_int_equal(spy__document_read(&read, room.bytes, n), -EBADMSG);
}

static void it_stands_for_the_record_that_it_was_made_of(void **state)
{
    (void)state;
    static struct spy__watermarks marks;
    size_t n = write_example();
    spy__watermarks_note(&marks, room.bytes, n);
    assert_true(spy__watermarks_hold(&marks, &(struct spy__record_id){ 7, 3, 99 }));
    assert_true(spy__watermarks_hold(&marks, &(struct spy__record_id){ 7, 3, 98 }));
    assert_false(spy__watermarks_hold(&marks, &(struct spy__record_id){ 7, 3, 100 }));
    assert_false(spy__watermarks_hold(&marks, &(struct spy__record_id){ 7, 2, 1 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_as_it_was_written),
        cmocka_unit_test(one_that_is_cut_or_longer_is_none),
        cmocka_unit_test(what_breaks_the_rules_is_not_written),
        cmocka_unit_test(the_longest_fits_into_the_journal),
        cmocka_unit_test(no_document_is_a_record_and_none_the_other_way),
        cmocka_unit_test(it_stands_for_the_record_that_it_was_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
