// The pump's table of keys: what it knows of a key is that key's, whatever others came by, and a line
// has the same bytes with it as without.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "encode/log_json.h"
#include "log_form.h"
#include "record/mask/keys.h"
#include "record/wire.h"

static struct spy__keys keys;
static _Alignas(8) unsigned char wire[SPY__RECORD_MAX + SPY__WIRE_SLACK];
static struct spy__wire_view view;

// Reads a record of these fields back, with the table.
static void read_back(const struct spy_field *fields, size_t n)
{
    const struct spy__record record = { .level = SPY_LEVEL_INFO,
                                        .time_ns = LEAP_NS,
                                        .correlation_id = "",
                                        .event = "x",
                                        .fields = fields,
                                        .field_count = n };
    size_t bytes = spy__wire_write(wire, sizeof(wire), &record);
    assert_true(bytes > 0);
    assert_int_equal(spy__wire_read_keys(&view, wire, bytes, &keys), 0);
    assert_int_equal(view.record.field_count, n);
}

static void assert_known(size_t i)
{
    const char *text = view.fields[i].key;
    const struct spy__key *key = view.keys[i];
    assert_non_null(key);
    assert_int_equal(key->len, strlen(text));
    assert_int_equal(key->kind, spy__key_kind(&keys.words, text, strlen(text)));
}

// Keys of every length that share all their bytes but one are all told from each other.
static void every_length_and_every_byte(void **state)
{
    (void)state;
    char text[SPY__KEY_KNOWN_MAX + 1];
    for (size_t n = 1; n <= SPY__KEY_KNOWN_MAX; n++) {
        memset(text, 'k', n);
        text[n] = '\0';
        const struct spy_field same = spy_int(text, 1);
        read_back(&same, 1);
        assert_known(0);
        const struct spy__key first = *view.keys[0];
        for (size_t i = 0; i < n; i++) {
            text[i] = 'x';
            const struct spy_field other = spy_int(text, 1);
            read_back(&other, 1);
            assert_known(0);
            const struct spy__key *key = view.keys[0];
            assert_true(key->first != first.first || key->middle != first.middle ||
                        key->last != first.last);
            text[i] = 'k';
        }
    }
}

static void what_they_name(void **state)
{
    (void)state;
    assert_int_equal(spy__mask_words_parse(&keys.words, "iban"), 0);
    const struct spy_field fields[] = {
        spy_str("password", "x"),
        spy_str("path", "x"),
        spy_int("tokens", 1),
        spy_str("user_iban", "x"),
        spy_str("p", "x"),
        spy_str("a_key_that_has_24_bytes_", "x"),
        spy_str("another_one_of_23_bytes", "x"),
    };
    for (int again = 0; again < 3; again++) {
        read_back(fields, 7);
        const enum spy__key_kind kinds[] = { SPY__KEY_SECRET, SPY__KEY_CLEAN, SPY__KEY_TOKEN,
                                             SPY__KEY_SECRET, SPY__KEY_CLEAN };
        for (size_t i = 0; i < 5; i++) {
            assert_known(i);
            assert_int_equal(view.keys[i]->kind, kinds[i]);
        }
        assert_null(view.keys[5]);
        assert_known(6);
    }
}

// With thousands of keys in use, they take each other's places, but never within a record.
static void more_than_there_is_room_for(void **state)
{
    (void)state;
    char text[SPY_FIELDS_MAX][24];
    struct spy_field fields[SPY_FIELDS_MAX];
    size_t unknown = 0;
    spy__random_seed(5);
    for (int round = 0; round < 500; round++) {
        for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
            (void)snprintf(text[i], sizeof(text[i]), "%s%zu_%u", i % 5 == 0 ? "token" : "k", i,
                           (unsigned)(spy__random_u64() % 100));
            fields[i] = spy_int(text[i], 1);
        }
        read_back(fields, SPY_FIELDS_MAX);
        for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
            if (!view.keys[i]) {
                unknown++;
                continue;
            }
            assert_known(i);
            for (size_t j = 0; j < i; j++) {
                assert_ptr_not_equal(view.keys[i], view.keys[j]);
            }
        }
    }
    assert_in_range(unknown, 1, 500 * SPY_FIELDS_MAX / 5); // 6 % by chance
}

// ---- a line's bytes

static const char *const odd[] = {
    "a",
    "status_code",
    "level",
    "event",
    "cached",
    "trace_id",
    "k\"q",
    "k\\",
    "tab\t",
    "caf\xc3\xa9",
    "bad\xff",
    "correlation_id",
    "service",
    "a_key_that_has_24_bytes_",
    "another_one_of_23_bytes",
    "a_key_that_is_longer_than_all_that_are_known",
    "\x01\x02\x03",
    "timestamp",
    "recovered",
    "duration_ms",
    "user_agent",
    "twenty_seven_with_quotes\"",
    "environment_and_more__",
};
#define ODD (sizeof(odd) / sizeof(odd[0]))

static struct spy_field any_field(const char *key)
{
    static const char text[] = "curl/7.88 \"quoted\"\n\xc3\xa9\xff plain and long enough for more";
    size_t from = spy__random_u64() % sizeof(text);
    switch (spy__random_u64() % 4) {
    case 0:
        return spy_int(key, (int64_t)spy__random_u64());
    case 1:
        return spy_double(key, (double)(spy__random_u64() % 100000) / 1024);
    case 2:
        return spy_bool(key, spy__random_u64() & 1);
    default:
        return spy_strn(key, text + from, spy__random_u64() % (sizeof(text) - from));
    }
}

static void a_line_is_the_same(void **state)
{
    (void)state;
    static char room[2][16384];
    struct spy__buf with, without;
    spy__buf_init_fixed(&with, room[0], sizeof(room[0]));
    spy__buf_init_fixed(&without, room[1], sizeof(room[1]));
    spy__random_seed(6);
    for (int round = 0; round < 20000; round++) {
        struct spy_field fields[12];
        size_t n = spy__random_u64() % 12, first = spy__random_u64();
        for (size_t i = 0; i < n; i++) {
            fields[i] = any_field(odd[(first + i) % ODD]);
        }
        read_back(fields, n);
        struct spy__record plain = view.record;
        plain.keys = NULL;
        spy__buf_reset(&with);
        spy__buf_reset(&without);
        // Now and then there is no room, at any place of the line.
        with.cap = without.cap = round % 4 ? sizeof(room[0]) : spy__random_u64() % 1024;
        spy__encode_log_json(&with, &view.record, &named);
        spy__encode_log_json(&without, &plain, &named);
        assert_int_equal(with.failed, without.failed);
        assert_int_equal(with.len, without.len);
        assert_memory_equal(with.bytes, without.bytes, with.len);
    }
}

static int set_up_keys(void **state)
{
    memset(&keys, 0, sizeof(keys));
    return set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_length_and_every_byte, set_up_keys, tear_down),
        cmocka_unit_test_setup_teardown(what_they_name, set_up_keys, tear_down),
        cmocka_unit_test_setup_teardown(more_than_there_is_room_for, set_up_keys, tear_down),
        cmocka_unit_test_setup_teardown(a_line_is_the_same, set_up_keys, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
