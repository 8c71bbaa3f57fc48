// A segment's bytes: entries are found, and damage takes no more than it hit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "record/journal/segment.h"

#define ID 0x1122334455667788u
#define ENTRIES 5

static const char *const texts[ENTRIES] = { "one", "two two", "three three three", "4",
                                            "fivefive" };

// Five entries behind a head. Returns the length.
static size_t write_five(char *to)
{
    size_t n = SPY__SEGMENT_HEAD;
    spy__segment_head_write(to, ID, 100);
    for (unsigned i = 0; i < ENTRIES; i++) {
        spy__entry_write(to + n, ID, n, 100 + i, i, texts[i], strlen(texts[i]));
        n += spy__entry_size(strlen(texts[i]));
    }
    return n;
}

// Which entries are found, as a set of bits; what is found is whole.
static unsigned find_all(const char *bytes, size_t n)
{
    unsigned found = 0;
    uint64_t from = SPY__SEGMENT_HEAD;
    struct spy__entry entry;
    while (spy__segment_find(bytes + from, n - from, true, ID, from, &entry, &from)) {
        assert_in_range(entry.sequence, 100, 100 + ENTRIES - 1);
        unsigned i = (unsigned)(entry.sequence - 100);
        assert_int_equal(entry.kind, i);
        assert_int_equal(entry.n, strlen(texts[i]));
        assert_memory_equal(entry.bytes, texts[i], entry.n);
        assert_true(entry.start >= from);
        found |= 1u << i;
        from = entry.end;
    }
    assert_int_equal(from, n);
    return found;
}

static void entries_are_found(void **state)
{
    (void)state;
    char bytes[512];
    uint64_t first = 0;
    size_t n = write_five(bytes);
    assert_int_equal(find_all(bytes, n), 31);
    assert_int_equal(spy__segment_head_read(bytes, n, ID, &first), SPY__HEAD_GOOD);
    assert_int_equal(first, 100);
}

static void a_head_that_is_not_ours_is_told(void **state)
{
    (void)state;
    char bytes[512];
    uint64_t first = 7;
    size_t n = write_five(bytes);
    assert_int_equal(spy__segment_head_read(bytes, n, ID + 1, &first), SPY__HEAD_BAD);
    assert_int_equal(spy__segment_head_read(bytes, SPY__SEGMENT_HEAD - 1, ID, &first),
                     SPY__HEAD_BAD);
    bytes[8]++; // the version
    assert_int_equal(spy__segment_head_read(bytes, n, ID, &first), SPY__HEAD_OTHER);
    bytes[0]++;
    assert_int_equal(spy__segment_head_read(bytes, n, ID, &first), SPY__HEAD_BAD);
    assert_int_equal(first, 7);
}

static void any_bit_that_flips_costs_one_entry_at_most(void **state)
{
    (void)state;
    char bytes[512];
    size_t n = write_five(bytes);
    size_t end = SPY__SEGMENT_HEAD;
    for (unsigned i = 0; i < ENTRIES; i++) {
        size_t start = end;
        end += spy__entry_size(strlen(texts[i]));
        for (size_t bit = start * 8; bit < end * 8; bit++) {
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
            unsigned found = find_all(bytes, n);
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(found | 1u << i, 31);
            // Only the zeros at its end are not covered by the check.
            size_t padding = start + SPY__ENTRY_HEAD + strlen(texts[i]);
            assert_int_equal(found == 31, bit / 8 >= padding);
        }
    }
}

static void a_segment_cut_anywhere_keeps_what_is_whole(void **state)
{
    (void)state;
    char bytes[512];
    size_t n = write_five(bytes);
    for (size_t cut = SPY__SEGMENT_HEAD; cut <= n; cut++) {
        unsigned expected = 0;
        size_t end = SPY__SEGMENT_HEAD;
        for (unsigned i = 0; i < ENTRIES; i++) {
            end += spy__entry_size(strlen(texts[i]));
            expected |= end <= cut ? 1u << i : 0;
        }
        assert_int_equal(find_all(bytes, cut), expected);
    }
}

static void an_entry_in_another_place_is_none(void **state)
{
    (void)state;
    char bytes[512], moved[512] = { 0 };
    struct spy__entry entry;
    uint64_t from;
    size_t n = write_five(bytes);
    assert_false(spy__segment_find(bytes, n, true, ID + 1, 0, &entry, &from));
    memcpy(moved + 8, bytes, n);
    assert_false(spy__segment_find(moved, n + 8, true, ID, 0, &entry, &from));
}

static void more_bytes_are_asked_for(void **state)
{
    (void)state;
    char bytes[512];
    struct spy__entry entry;
    uint64_t from = 0;
    size_t n = write_five(bytes);
    size_t first = spy__entry_size(strlen(texts[0]));
    for (size_t have = 0; have < first; have++) {
        assert_false(spy__segment_find(bytes + SPY__SEGMENT_HEAD, have, false, ID,
                                       SPY__SEGMENT_HEAD, &entry, &from));
        assert_int_equal(from, SPY__SEGMENT_HEAD);
    }
    // From the midst of an entry on, the next one is found.
    assert_true(spy__segment_find(bytes + SPY__SEGMENT_HEAD + 5, n - SPY__SEGMENT_HEAD - 5, false,
                                  ID, SPY__SEGMENT_HEAD + 5, &entry, &from));
    assert_int_equal(entry.sequence, 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found),
        cmocka_unit_test(a_head_that_is_not_ours_is_told),
        cmocka_unit_test(any_bit_that_flips_costs_one_entry_at_most),
        cmocka_unit_test(a_segment_cut_anywhere_keeps_what_is_whole),
        cmocka_unit_test(an_entry_in_another_place_is_none),
        cmocka_unit_test(more_bytes_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
