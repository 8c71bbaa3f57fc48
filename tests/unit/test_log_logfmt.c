// The logfmt form of log lines, and what all forms have in common: a line is whole or not there, and
// special characters are found wherever they stand.
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
#include "encode/line.h"
#include "encode/log_console.h"
#include "encode/log_json.h"
#include "encode/log_logfmt.h"
#include "log_form.h"

// ---- logfmt

static void logfmt_whole(void **state)
{
    (void)state;
    struct spy__record record = full();
    spy__encode_log_logfmt(&line, &record, &named);
    assert_line("timestamp=2024-02-29T23:59:58.123456Z level=warn event=request_failed logger=http "
                "service=memegen environment=test correlation_id=c-1 "
                "trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331 "
                "i=-9223372036854775808 u=18446744073709551615 d=0.25 nan=NaN yes=true "
                "s=\"a \\\"b\\\"\\n\\u001b[m\" traceback=\"[0x55d0 0x0]\"\n");
    record = (struct spy__record){ .level = SPY_LEVEL_DEBUG, .correlation_id = "", .event = "x" };
    spy__encode_log_logfmt(&line, &record, &bare);
    assert_line("timestamp=1970-01-01T00:00:00.000000Z level=debug event=x\n");
}

static void logfmt_stacks(void **state)
{
    (void)state;
    static const struct spy__frame frames[] = {
        { .address = 1, .function = "operator\"\"_x", .file = "a\\b.cc", .line = 7 },
        { .address = 0x7f01, .module = "libx.so.1", .offset = 0x1f3c },
    };
    struct spy_field field = spy__frames("traceback", frames, 2);
    struct spy__record record = {
        .correlation_id = "", .event = "x", .fields = &field, .field_count = 1
    };
    spy__encode_log_logfmt(&line, &record, &bare);
    assert_line("timestamp=1970-01-01T00:00:00.000000Z level=default event=x "
                "traceback=\"[operator''_x(a/b.cc:7) libx.so.1+0x1f3c]\"\n");
}

// The rules of go-logfmt's encode.go, and of its reader's newer refusal of single quotes.
static void logfmt_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text;
    } cases[] = {
        { "plain", "plain" },
        { "/api/v1/memes?n=1", "\"/api/v1/memes?n=1\"" },
        { "a\\b", "a\\b" }, // a backslash alone stands for itself
        { "a\\ b", "\"a\\\\ b\"" },
        { "two words", "\"two words\"" },
        { "", "\"\"" },
        { "null", "\"null\"" },
        { "nullable", "nullable" },
        { " ", "\" \"" },
        { "=", "\"=\"" },
        { "it's", "\"it's\"" },
        { "\x7f", "\"\x7f\"" },
        { "caf\xc3\xa9", "caf\xc3\xa9" },
        { "caf\xc3\xa9 au lait", "\"caf\xc3\xa9 au lait\"" },
        { "\xff", "\"\xef\xbf\xbd\"" },
        { "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
        { "a long value that spans more than sixteen", "\"a long value that spans more than "
                                                       "sixteen\"" },
        { "a-long-value-that-spans-more-than-sixteen",
          "a-long-value-that-spans-more-than-sixteen" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__line l;
        spy__line_end(&l, spy__logfmt_value(&l, spy__line_begin(&l, &line), cases[i].value,
                                            strlen(cases[i].value)));
        line.len--; // the newline
        assert_line(cases[i].text);
    }
}

static void logfmt_keys(void **state)
{
    (void)state;
    struct spy_field fields[] = { spy_int("bad key", 1),    spy_int("\"=\n", 2),
                                  spy_int("k\xc3\xa9y", 3), spy_int("\xff", 4),
                                  spy_int("level", 5),      spy_int("it's", 6) };
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "two words",
                                  .module = "",
                                  .fields = fields,
                                  .field_count = 6 };
    spy__encode_log_logfmt(&line, &record, &bare);
    assert_line("timestamp=1970-01-01T00:00:00.000000Z level=info event=\"two words\" bad_key=1 "
                "___=2 k\xc3\xa9y=3 _=4 level_=5 it_s=6\n");
}

// Reads the next pair as go-logfmt's decode.go does. Returns false at the line's end; fails where
// that would. The value's escapes are undone by jansson: they are JSON's.
static bool logfmt_next(const char **at, char *key, json_t **ret_value)
{
    const char *p = *at;
    while (*p == ' ') {
        p++;
    }
    if (*p == '\n') {
        return false;
    }
    size_t n = strcspn(p, "= \"'\n");
    assert_true(n > 0 && p[n] == '=');
    memcpy(key, p, n);
    key[n] = '\0';
    p += n + 1;
    if (*p == '"') {
        const char *end = p + 1;
        while (*end != '"') {
            assert_true((unsigned char)*end >= ' ');
            end += *end == '\\' ? 2 : 1;
        }
        end++;
        *ret_value = json_loadb(p, (size_t)(end - p), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        p = end;
    } else {
        n = strcspn(p, "= \"'\n");
        *ret_value = json_stringn(p, n);
        p += n;
    }
    assert_non_null(*ret_value);
    assert_true(*p == ' ' || *p == '\n');
    *at = p;
    return true;
}

static void logfmt_is_read_back(void **state)
{
    (void)state;
    spy__random_seed(7);
    for (int round = 0; round < 20000; round++) {
        char bytes[48];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            uint64_t r = spy__random_u64();
            bytes[i] = (char)(r % 2 ? r >> 8 & 0x7f : r % 16 ? 'a' + (r >> 8) % 26 : r >> 8);
        }
        size_t n = spy__random_u64() % sizeof(bytes);
        struct spy_field fields[] = { spy_strn("value", bytes, n), spy_int("last", round) };
        struct spy__record record = { .level = SPY_LEVEL_INFO,
                                      .correlation_id = "c",
                                      .event = "x",
                                      .fields = fields,
                                      .field_count = 2 };
        spy__encode_log_logfmt(&line, &record, &named);
        spy__buf_putc(&line, '\0');
        const char *at = line.bytes;
        char key[64];
        json_t *value;
        int pairs = 0;
        for (; logfmt_next(&at, key, &value); pairs++) {
            if (strcmp(key, "value") == 0 && spy__utf8_valid(bytes, n)) {
                assert_int_equal(json_string_length(value), n);
                assert_memory_equal(json_string_value(value), bytes, n);
            }
            json_decref(value);
        }
        assert_int_equal(pairs, 8);
        assert_string_equal(key, "last");
        spy__buf_reset(&line);
    }
}

// ---- all formats

typedef void encode(struct spy__buf *out, const struct spy__record *record, const void *style);
static encode *const formats[] = { spy__encode_log_json, spy__encode_log_logfmt,
                                   spy__encode_log_console };

// Every place of a special character in a text of every length, at both sides of 4, 8 and 16 bytes.
static void escapes_at_every_place(void **state)
{
    (void)state;
    static const char *const specials[] = { "\"",   "\\",   "\n",       "\x01",
                                            "\x1f", "\x7f", "\xc3\xa9", "\xff" };
    for (size_t s = 0; s < sizeof(specials) / sizeof(specials[0]); s++) {
        for (size_t n = 1; n <= 70; n++) {
            for (size_t place = 0; place < n; place++) {
                char text[80];
                memset(text, 'x', sizeof(text));
                size_t bytes = strlen(specials[s]);
                memcpy(text + place, specials[s], bytes);
                size_t len = n + bytes - 1;
                struct spy__line l;
                spy__line_end(&l, spy__line_escape(&l, spy__line_begin(&l, &line), text, len));
                line.bytes[line.len - 1] = '"';
                struct spy__buf whole;
                spy__buf_init(&whole, 1024);
                spy__buf_putc(&whole, '"');
                spy__buf_put(&whole, line.bytes, line.len);
                json_t *read = json_loadb(whole.bytes, whole.len, JSON_DECODE_ANY, NULL);
                assert_non_null(read);
                if (specials[s][0] == '\xff') {
                    assert_int_equal(json_string_length(read), n + 2);
                } else {
                    assert_int_equal(json_string_length(read), len);
                    assert_memory_equal(json_string_value(read), text, len);
                }
                json_decref(read);
                spy__buf_done(&whole);
                spy__buf_reset(&line);
            }
        }
    }
}

// A line that finds no room leaves what stands before it.
static void whole_or_not_at_all(void **state)
{
    (void)state;
    struct spy__record record = full();
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        spy__buf_reset(&line);
        formats[f](&line, &record, &named);
        const size_t len = line.len;
        for (size_t cap = 0; cap <= len + 3 * SPY__LINE_SLACK; cap++) {
            char room[4096];
            struct spy__buf out;
            memset(room, '#', sizeof(room));
            spy__buf_init_fixed(&out, room, 3 + cap);
            spy__buf_puts(&out, "{}\n");
            formats[f](&out, &record, &named);
            assert_true(out.failed ? out.len == 3 : out.len == 3 + len);
            assert_memory_equal(room, "{}\n", 3);
            assert_memory_equal(room + 3, out.failed ? room + 3 : line.bytes, out.len - 3);
            assert_int_equal(room[3 + cap], '#');
            assert_true(cap < len + 2 * SPY__LINE_SLACK || !out.failed);
        }
    }
}

// A buffer that grows on the way ends with the same line.
static void grown_as_at_once(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 'x', sizeof(text));
    struct spy_field fields[40];
    for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
        fields[i] = spy_strn("key", text, i * 100);
    }
    struct spy__record record = full();
    record.fields = fields;
    record.field_count = SPY_FIELDS_MAX;
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        struct spy__buf grown;
        spy__buf_init(&grown, 1u << 20);
        spy__buf_reset(&line);
        spy__buf_reserve(&line, 1u << 19);
        formats[f](&grown, &record, &named);
        formats[f](&line, &record, &named);
        assert_false(grown.failed || line.failed);
        assert_int_equal(grown.len, line.len);
        assert_memory_equal(grown.bytes, line.bytes, line.len);
        spy__buf_done(&grown);
    }
}

static void names_are_escaped_and_bounded(void **state)
{
    (void)state;
    struct spy__log_style odd;
    char name[300];
    memset(name, '\x01', sizeof(name));
    name[299] = '\0';
    spy__log_style_init(&odd, name, name, false);
    assert_int_equal(odd.json_len,
                     2 * 6 * SPY__LOG_NAME_MAX + strlen(",\"service\":\"\",\"environment\":\"\""));
    assert_int_equal(odd.logfmt_len,
                     2 * 6 * SPY__LOG_NAME_MAX + strlen(" service=\"\" environment=\"\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logfmt_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logfmt_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logfmt_quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logfmt_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logfmt_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_at_every_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(grown_as_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_escaped_and_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
