// Rows of events: golden bytes for both tables, and validity for any bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "encode/clickhouse_binary.h"

// 2024-02-29T23:59:58.123456789Z
#define LEAP_NS UINT64_C(1709251198123456789)

static const struct spy__rows_style current = { .service = "memegen", .environment = "test" },
                                    paths = { .service = "memegen",
                                              .environment = "test",
                                              .paths = true },
                                    old = { .service = "memegen",
                                            .environment = "test",
                                            .old = true },
                                    bare;

static struct spy__buf rows, scratch;

static int set_up(void **state)
{
    (void)state;
    spy__buf_init(&rows, 1u << 20);
    spy__buf_init(&scratch, 1u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__buf_done(&rows);
    spy__buf_done(&scratch);
    return 0;
}

static void assert_row(const struct spy__record *record, const struct spy__rows_style *style,
                       const char *expected)
{
    spy__encode_clickhouse_row(&rows, record, style, &scratch);
    assert_false(rows.failed);
    spy__buf_putc(&rows, '\0');
    assert_string_equal(rows.bytes, expected);
    spy__buf_reset(&rows);
}

static const uintptr_t stack[] = { 0x55d0, 0 };

static const struct spy_field every_type[] = {
    { "template_id", SPY_FIELD_STR, .len = 9, .value = { .s = "a \"b\"\n\x1b[m" } },
    { "i", SPY_FIELD_INT, .value = { .i = INT64_MIN } },
    { "u", SPY_FIELD_UINT, .value = { .u = UINT64_MAX } },
    { "d", SPY_FIELD_DOUBLE, .value = { .d = 0.25 } },
    { "nan", SPY_FIELD_DOUBLE, .value = { .d = NAN } },
    { "inf", SPY_FIELD_DOUBLE, .value = { .d = -INFINITY } },
    { "yes", SPY_FIELD_BOOL, .value = { .b = true } },
    { "bytes", SPY_FIELD_STR, .len = 4, .value = { .s = "\xff\xc3\xa9\0" } },
    { "stack", SPY_FIELD_ADDRS, .len = 2, .value = { .addrs = stack } },
    { "none", SPY_FIELD_NONE },
};

static struct spy__record full(void)
{
    return (struct spy__record){
        .level = SPY_LEVEL_INFO,
        .time_ns = LEAP_NS,
        .correlation_id = "c-1",
        .trace_hi = 0x0af7651916cd43dd,
        .trace_lo = 0x8448eb211c80319c,
        .event = "meme_generated",
        .fields = every_type,
        .field_count = sizeof(every_type) / sizeof(every_type[0]),
        .event_hi = 0x018df6e1c4db7000,
        .event_lo = 0x8000000000000001,
    };
}

static void whole(void **state)
{
    (void)state;
    struct spy__record record = full();
    assert_row(&record, &current,
               "{\"event_id\":\"018df6e1-c4db-7000-8000-000000000001\","
               "\"event_type\":\"meme_generated\",\"timestamp\":1709251198123456,"
               "\"service\":\"memegen\",\"environment\":\"test\",\"correlation_id\":\"c-1\","
               "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"properties\":{"
               "\"template_id\":\"a \\\"b\\\"\\n\\u001b[m\",\"i\":-9223372036854775808,"
               "\"u\":18446744073709551615,\"d\":0.25,\"nan\":null,\"inf\":null,\"yes\":true,"
               "\"bytes\":\"\xef\xbf\xbd\xc3\xa9\\u0000\",\"stack\":[\"0x55d0\",\"0x0\"],"
               "\"none\":null}}\n");
}

static void whole_for_old_servers(void **state)
{
    (void)state;
    struct spy__record record = full();
    record.field_count = 4;
    const char *expected = "{\"event_id\":\"018df6e1-c4db-7000-8000-000000000001\","
                           "\"event_type\":\"meme_generated\",\"timestamp\":1709251198,"
                           "\"microsecond\":123456,"
                           "\"service\":\"memegen\",\"environment\":\"test\","
                           "\"correlation_id\":\"c-1\","
                           "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"properties\":\"{"
                           "\\\"template_id\\\":\\\"a \\\\\\\"b\\\\\\\"\\\\n\\\\u001b[m\\\","
                           "\\\"i\\\":-9223372036854775808,\\\"u\\\":18446744073709551615,"
                           "\\\"d\\\":0.25}\"}\n";
    assert_row(&record, &old, expected);
    assert_row(&record, &old, expected); // scratch is used again
}

static void binary(void **state)
{
    (void)state;
    struct spy__record record = full();
    char text[200], row[512];
    memset(text, 'x', sizeof(text));
    const struct spy_field fields[] = { spy_double("d", 0.25), spy_strn("t", text, sizeof(text)) };
    record.fields = fields;
    record.field_count = 2;
    // Numbers are little endian, the id's halves each; 217 = 0xd9 0x01 bytes of properties.
    static const char golden[] = "\x00\x70\xdb\xc4\xe1\xf6\x8d\x01\x01\0\0\0\0\0\0\x80"
                                 "\x0e"
                                 "meme_generated"
                                 "\xc0\xfd\x7e\x0e\x8e\x12\x06\x00"
                                 "\x07"
                                 "memegen"
                                 "\x04"
                                 "test"
                                 "\x03"
                                 "c-1"
                                 "\x20"
                                 "0af7651916cd43dd8448eb211c80319c"
                                 "\xd9\x01{\"d\":0.25,\"t\":\"";
    size_t n = sizeof(golden) - 1;
    memcpy(row, golden, n);
    memset(row + n, 'x', sizeof(text));
    memcpy(row + n + sizeof(text), "\"}", 2);
    spy__encode_clickhouse_binary(&rows, &record, &current, &scratch);
    assert_false(rows.failed);
    assert_int_equal(rows.len, n + sizeof(text) + 2);
    assert_memory_equal(rows.bytes, row, rows.len);
    spy__buf_reset(&rows);

    struct spy__record empty = { .correlation_id = "", .event = "x" };
    spy__encode_clickhouse_binary(&rows, &empty, &bare, &scratch);
    assert_int_equal(rows.len, 16 + 2 + 8 + 4 + 3);
    assert_memory_equal(rows.bytes + 26, "\0\0\0\0\x02{}", 7);
    spy__buf_reset(&rows);
}

// Behind the columns before it: what of the row is the properties.
static void assert_paths(const struct spy__record *record, const char *expected, size_t n)
{
    spy__encode_clickhouse_binary(&rows, record, &paths, &scratch);
    assert_false(rows.failed);
    assert_true(rows.len > n);
    assert_memory_equal(rows.bytes + rows.len - n, expected, n);
    spy__buf_reset(&rows);
}

static void properties_as_paths(void **state)
{
    (void)state;
    struct spy__record record = full();
    // Seven of ten are values; those without a declared type have theirs before them.
    static const char golden[] = "\x20"
                                 "0af7651916cd43dd8448eb211c80319c"
                                 "\x07"
                                 "\x0btemplate_id\x0a"
                                 "a \"b\"\n\x1b[m"
                                 "\x01i\x0a\0\0\0\0\0\0\0\x80"
                                 "\x01u\x04\xff\xff\xff\xff\xff\xff\xff\xff"
                                 "\x01"
                                 "d\x0e\0\0\0\0\0\0\xd0\x3f"
                                 "\x03yes\x2d\x01"
                                 "\x05"
                                 "bytes\x15\x06\xef\xbf\xbd\xc3\xa9\0"
                                 "\x05stack\x1e\x23\x15\x02\0\x06"
                                 "0x55d0\0\x03"
                                 "0x0";
    char expected[sizeof(golden)];
    memcpy(expected, golden, sizeof(golden));
    expected[33 + 1 + 1 + 11] = 9; // the template's length
    assert_true(spy__clickhouse_fits(&record));
    assert_paths(&record, expected, sizeof(golden) - 1);

    const struct spy_field numbers[] = { spy_int("quality_score", -1), spy_uint("u", 5),
                                         spy_double("generation_time", 0.5) };
    record.fields = numbers;
    record.field_count = 3;
    assert_true(spy__clickhouse_fits(&record));
    static const char declared[] = "\x03\x0dquality_score\0\0\0\x80\xbf"
                                   "\x01u\x0a\x05\0\0\0\0\0\0\0"
                                   "\x0fgeneration_time\0\0\0\0\x3f";
    assert_paths(&record, declared, sizeof(declared) - 1);
    record.field_count = 0;
    assert_paths(&record, "\0", 1);
}

// Wrong types, and a declared path twice, which the engine would misread.
static void what_paths_cannot_say(void **state)
{
    (void)state;
    const struct spy_field wrong[][2] = {
        { spy_str("quality_score", "abc"), spy_str("x", "y") },
        { spy_bool("quality_score", true), spy_str("x", "y") },
        { spy_str("x", "y"), spy_int("template_id", 1) },
        { spy_str("user_id", "a"), spy_str("user_id", "b") },
    };
    const struct spy_field right[][2] = {
        { spy_double("quality_score", NAN), spy_double("quality_score", 1) },
        { spy_str("x", "y"), spy_str("x", "z") },
        { spy_str("Template_id", "a"), spy_int("user", 1) },
    };
    struct spy__record record = full();
    record.field_count = 2;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        record.fields = wrong[i];
        assert_false(spy__clickhouse_fits(&record));
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        record.fields = right[i];
        assert_true(spy__clickhouse_fits(&record));
    }
}

static void smallest(void **state)
{
    (void)state;
    struct spy__record record = { .correlation_id = "", .event = "x" };
    assert_row(&record, &bare,
               "{\"event_id\":\"00000000-0000-0000-0000-000000000000\",\"event_type\":\"x\","
               "\"timestamp\":0,\"service\":\"\",\"environment\":\"\",\"correlation_id\":\"\","
               "\"trace_id\":\"\",\"properties\":{}}\n");
}

static void without_room(void **state)
{
    (void)state;
    struct spy__record record = full();
    for (size_t room = 0; room < 400; room += 7) {
        char storage[400];
        struct spy__buf small, big;
        spy__buf_init_fixed(&small, storage, room);
        spy__buf_init(&big, 1u << 20);
        spy__encode_clickhouse_row(&small, &record, &old, &scratch);
        assert_true(small.failed);
        spy__buf_reset(&small);
        if (room < 250) {
            spy__encode_clickhouse_binary(&small, &record, &current, &scratch);
            assert_true(small.failed);
            spy__buf_reset(&small);
            spy__encode_clickhouse_binary(&small, &record, &paths, &scratch);
            assert_true(small.failed || room >= 180);
        }
        if (room < 150) { // less than its properties take
            spy__buf_reset(&small);
            spy__encode_clickhouse_row(&big, &record, &old, &small);
            assert_true(big.failed);
        }
        spy__buf_done(&big);
    }
}

// Any bytes in any place: each row is one line, and JSON; so is the text of an old row's properties.
static void valid_for_any_bytes(void **state)
{
    (void)state;
    spy__random_seed(1);
    for (int round = 0; round < 3000; round++) {
        char text[4][24];
        for (size_t i = 0; i < 4; i++) {
            for (size_t k = 0; k < sizeof(text[i]) - 1; k++) {
                text[i][k] = (char)(spy__random_u64() % 255 + 1);
            }
            text[i][sizeof(text[i]) - 1] = '\0';
        }
        struct spy_field field = spy_strn(text[0], text[1], spy__random_u64() % sizeof(text[1]));
        struct spy__record record = { .time_ns = spy__random_u64(),
                                      .correlation_id = text[2],
                                      .event = text[3],
                                      .fields = &field,
                                      .field_count = 1 };
        const struct spy__rows_style *style = round % 2 ? &old : &current;
        spy__encode_clickhouse_row(&rows, &record, style, &scratch);
        assert_ptr_equal(memchr(rows.bytes, '\n', rows.len), rows.bytes + rows.len - 1);
        json_t *row =
            json_loadb(rows.bytes, rows.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert_non_null(row);
        const json_t *properties = json_object_get(row, "properties");
        json_t *inner = round % 2 ? json_loadb(json_string_value(properties),
                                               json_string_length(properties), JSON_ALLOW_NUL, NULL)
                                  : json_deep_copy(properties);
        assert_int_equal(json_object_size(inner), 1);
        json_decref(inner);
        json_decref(row);
        spy__buf_reset(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(whole_for_old_servers),
        cmocka_unit_test(binary),
        cmocka_unit_test(properties_as_paths),
        cmocka_unit_test(what_paths_cannot_say),
        cmocka_unit_test(smallest),
        cmocka_unit_test(without_room),
        cmocka_unit_test(valid_for_any_bytes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
