// Both forms of a log line: golden bytes, and validity for any bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "base/utf8.h"
#include "encode/log_console.h"
#include "encode/line.h"
#include "encode/log_json.h"
#include "encode/log_logfmt.h"
#include "log_form.h"

static void json_whole(void **state)
{
    (void)state;
    struct spy__record record = full();
    spy__encode_log_json(&line, &record, &named);
    assert_line(
        "{\"timestamp\":\"2024-02-29T23:59:58.123456Z\",\"level\":\"warn\",\"event\":\"request_"
        "failed\","
        "\"logger\":\"http\",\"service\":\"memegen\",\"environment\":\"test\",\"correlation_id\":"
        "\"c-1\","
        "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\","
        "\"i\":-9223372036854775808,\"u\":18446744073709551615,\"d\":0.25,\"nan\":null,\"yes\":"
        "true,"
        "\"s\":\"a "
        "\\\"b\\\"\\n\\u001b[m\",\"traceback\":[{\"address\":\"0x55d0\"},{\"address\":\"0x0\"}]}"
        "\n");
}

static void json_smallest(void **state)
{
    (void)state;
    struct spy__record record = { .level = SPY_LEVEL_DEBUG, .correlation_id = "", .event = "x" };
    spy__encode_log_json(&line, &record, &bare);
    assert_line(
        "{\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"debug\",\"event\":\"x\"}\n");
}

static void the_id_of_a_record_that_may_come_again(void **state)
{
    (void)state;
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "x",
                                  .id = { 0xfedcba98, UINT32_MAX, UINT64_MAX } };
    spy__encode_log_json(&line, &record, &bare);
    assert_line("{\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"info\",\"event\":\"x\","
                "\"record_id\":\"fedcba98.4294967295.18446744073709551615\"}\n");
    record.recovered = true;
    record.id = (struct spy__record_id){ 0x1b2c3d4e, 0, 17 };
    spy__encode_log_json(&line, &record, &bare);
    assert_line("{\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"info\",\"event\":\"x\","
                "\"record_id\":\"1b2c3d4e.0.17\",\"recovered\":true}\n");
    spy__encode_log_logfmt(&line, &record, &bare);
    assert_line("timestamp=1970-01-01T00:00:00.000000Z level=info event=x "
                "record_id=1b2c3d4e.0.17 recovered=true\n");
    spy__encode_log_console(&line, &record, &bare);
    assert_line("00:00:00.000000 info  x recovered=true\n");
}

static void json_keys_of_ours_are_kept(void **state)
{
    (void)state;
    struct spy_field fields[] = {
        spy_str("correlation_id", "forged"), spy_str("trace_id", "forged"),
        spy_str("span_id", "forged"),        spy_str("level", "forged"),
        spy_str("event", "forged"),          spy_str("timestamp", "forged"),
        spy_str("service", "forged"),        spy_str("logger", "forged"),
        spy_str("environment", "forged"),    spy_str("levels", "fine"),
        spy_str("record_id", "forged"),      spy_str("recovered", "forged"),
    };
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "x",
                                  .fields = fields,
                                  .field_count = 12 };
    spy__encode_log_json(&line, &record, &bare);
    json_t *root = json_loadb(line.bytes, line.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "correlation_id_")), "forged");
    assert_null(json_object_get(root, "correlation_id"));
    assert_string_equal(json_string_value(json_object_get(root, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(root, "levels")), "fine");
    json_decref(root);
}

static void times(void **state)
{
    (void)state;
    static const struct {
        uint64_t s;
        const char *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00." },          { 951782399, "2000-02-28T23:59:59." },
        { 951782400, "2000-02-29T00:00:00." },  { 951868800, "2000-03-01T00:00:00." },
        { 1704067199, "2023-12-31T23:59:59." }, { 4107542400, "2100-03-01T00:00:00." },
        { 4107456000, "2100-02-28T00:00:00." }, { 18446744072, "2554-07-21T23:34:32." },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[SPY__TIME_LEN];
        spy__time_print(text, cases[i].s * 1000000000u + 987654321);
        assert_memory_equal(text, cases[i].text, 20);
        assert_memory_equal(text + 20, "987654Z", 7);
    }
}

static void console_whole(void **state)
{
    (void)state;
    struct spy__record record = full();
    spy__encode_log_console(&line, &record, &named);
    assert_line("23:59:58.123456 warn  request_failed  logger=http i=-9223372036854775808 "
                "u=18446744073709551615 d=0.25 "
                "nan=NaN yes=true s=\"a \\\"b\\\"\\n\\u001b[m\" traceback=[0x55d0 0x0] "
                "correlation_id=c-1 trace_id=0af7651916cd43dd8448eb211c80319c "
                "span_id=b7ad6b7169203331\n");
    record = (struct spy__record){ .level = SPY_LEVEL_ERROR, .correlation_id = "", .event = "x" };
    spy__encode_log_console(&line, &record, &bare);
    assert_line("00:00:00.000000 error x\n");
    struct spy_field path = spy_str("path", "/");
    record.fields = &path;
    record.field_count = 1;
    spy__encode_log_console(&line, &record, &coloured);
    assert_line("\x1b[2m00:00:00.000000\x1b[0m \x1b[31merror \x1b[0m\x1b[1mx\x1b[0m  "
                "\x1b[2mpath=\x1b[0m/\n");
}

// No control character gets through, in UTF-8's two-byte form (C1) neither.
static void console_is_safe_to_print(void **state)
{
    (void)state;
    struct spy_field fields[] = { spy_str("a", "x\x7fy"),
                                  spy_str("b", "x\xc2\x9b"
                                               "31m"),
                                  spy_str("c", ""), spy_str("d", "caf\xc3\xa9"),
                                  spy_str("bad\nkey", "k=v") };
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "two words",
                                  .fields = fields,
                                  .field_count = 5 };
    spy__encode_log_console(&line, &record, &bare);
    assert_line("00:00:00.000000 info  \"two words\"  a=\"x\\u007fy\" b=\"x\\u009b31m\" c=\"\" "
                "d=\"caf\xc3\xa9\" "
                "\"bad\\nkey\"=\"k=v\"\n");
    spy__random_seed(3);
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            uint64_t r = spy__random_u64();
            bytes[i] = (char)(r % 3 ? r >> 8 : r % 2 ? 0xc2 : 0x80 + (r >> 8) % 0x20);
        }
        fields[0] = spy_strn("a", bytes, sizeof(bytes));
        record.field_count = 1;
        spy__encode_log_console(&line, &record, &bare);
        for (size_t i = 0; i + 1 < line.len; i++) {
            unsigned char c = (unsigned char)line.bytes[i], next = (unsigned char)line.bytes[i + 1];
            assert_true(c >= 0x20 && c != 0x7f);
            assert_false(c == 0xc2 && next >= 0x80 && next < 0xa0);
        }
        assert_int_equal(line.bytes[line.len - 1], '\n');
        spy__buf_reset(&line);
    }
}

static void json_is_json_for_any_bytes(void **state)
{
    (void)state;
    spy__random_seed(5);
    for (int round = 0; round < 20000; round++) {
        char bytes[40];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (char)spy__random_u64();
        }
        bytes[39] = bytes[9] = '\0';
        struct spy_field field = spy_strn(bytes, bytes + 10, 30);
        struct spy__record record = { .level = SPY_LEVEL_INFO,
                                      .correlation_id = "",
                                      .event = bytes + 20,
                                      .module = bytes,
                                      .time_ns = spy__random_u64(),
                                      .fields = &field,
                                      .field_count = 1 };
        spy__encode_log_json(&line, &record, &named);
        assert_ptr_equal(memchr(line.bytes, '\n', line.len), line.bytes + line.len - 1);
        json_t *root =
            json_loadb(line.bytes, line.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        json_decref(root);
        spy__buf_reset(&line);
    }
}

static const struct spy__frame frames[] = {
    { .address = 0x5601,
      .function = "draw_text",
      .file = "memegen/render/text.c",
      .line = 88,
      .inlined = true,
      .module = "memegen",
      .build_id = "00ff" },
    { .address = 0x5601, .function = "render", .module = "memegen", .build_id = "00ff" },
    { .address = 0x7f01, .module = "libx.so.1", .build_id = "0a0b", .offset = 0x1f3c },
    { .address = 0x7f02, .module = "liby.so.1", .offset = 0xfc },
    { .address = 0x3 },
};

static const struct spy__record *with_stack(struct spy_field *field)
{
    static struct spy__record record;
    record = (struct spy__record){ .level = SPY_LEVEL_INFO,
                                   .correlation_id = "",
                                   .event = "x",
                                   .fields = field,
                                   .field_count = 1 };
    return &record;
}

static void a_stack_is_an_array_of_frames(void **state)
{
    (void)state;
    struct spy_field field = spy__frames("traceback", frames, sizeof(frames) / sizeof(frames[0]));
    spy__encode_log_json(&line, with_stack(&field), &bare);
    assert_line(
        "{\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"info\",\"event\":\"x\","
        "\"traceback\":[{\"function\":\"draw_text\",\"file\":\"memegen/render/text.c\",\"line\":88,"
        "\"inlined\":true,\"address\":\"0x5601\",\"module\":\"memegen\"},"
        "{\"function\":\"render\",\"address\":\"0x5601\",\"module\":\"memegen\"},"
        "{\"address\":\"0x7f01\",\"module\":\"libx.so.1\",\"offset\":\"0x1f3c\",\"build_id\":"
        "\"0a0b\"},"
        "{\"address\":\"0x7f02\",\"module\":\"liby.so.1\",\"offset\":\"0xfc\"},"
        "{\"address\":\"0x3\"}]}\n");
    spy__encode_log_console(&line, with_stack(&field), &bare);
    assert_line("00:00:00.000000 info  x  traceback=[draw_text(memegen/render/text.c:88) render "
                "libx.so.1+0x1f3c liby.so.1+0xfc 0x3]\n");
    field.len = 0;
    spy__encode_log_json(&line, with_stack(&field), &bare);
    assert_line("{\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"info\",\"event\":\"x\","
                "\"traceback\":[]}\n");
}

// Names come from files: they may be of any length and hold anything.
static void names_of_frames_are_any_bytes(void **state)
{
    (void)state;
    static char name[4000];
    static struct spy__frame many[SPY__FRAMES_MAX];
    struct spy_field field = spy__frames("traceback", many, SPY__FRAMES_MAX);
    memset(name, 'x', sizeof(name) - 1);
    memcpy(name, "\x1b[m\n\xff\"", 6);
    for (size_t i = 0; i < SPY__FRAMES_MAX; i++) {
        many[i] = (struct spy__frame){ .address = UINTPTR_MAX,
                                       .function = i % 2 ? name : NULL,
                                       .file = name,
                                       .line = UINT32_MAX,
                                       .inlined = true,
                                       .module = name,
                                       .build_id = name,
                                       .offset = UINT64_MAX };
    }
    spy__encode_log_json(&line, with_stack(&field), &named);
    assert_true(line.len < 100u << 10);
    assert_ptr_equal(memchr(line.bytes, '\n', line.len), line.bytes + line.len - 1);
    json_t *root = json_loadb(line.bytes, line.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *first = json_array_get(json_object_get(root, "traceback"), 0);
    assert_int_equal(json_array_size(json_object_get(root, "traceback")), SPY__FRAMES_MAX);
    assert_memory_equal(json_string_value(json_object_get(first, "file")), "\x1b[m\n\xef\xbf\xbd\"",
                        8);
    json_decref(root);
    spy__buf_reset(&line);
    spy__encode_log_console(&line, with_stack(&field), &bare);
    for (size_t i = 0; i + 1 < line.len; i++) {
        assert_in_range(line.bytes[i], ' ', '~');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_smallest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_id_of_a_record_that_may_come_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_keys_of_ours_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(console_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(console_is_safe_to_print, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_is_json_for_any_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stack_is_an_array_of_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_frames_are_any_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
