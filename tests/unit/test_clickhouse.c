// The ClickHouse backend: requests by the server's version, the same bytes for the same records,
// secrets in headers alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "backends/clickhouse.h"
#include "base/clock.h"
#include "encode/clickhouse_binary.h"
#include "record/wire.h"

#define RECORDS 3

static const char *const headers[] = { "X-ClickHouse-Server-Display-Name: vm" };
static _Alignas(8) unsigned char wire[RECORDS][1024];
static struct spy__bytes records[RECORDS];
static struct spy__delivery delivery = { .records = records,
                                         .count = RECORDS,
                                         .token = "j1/0-4 2" };
static struct spy__buf body, row;
static struct spy__request request;

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDS; i++) {
        const struct spy_field fields[] = { spy_str("template_id", "a\"b"), spy_uint("n", i) };
        const struct spy__record record = { .kind = i == 1 ? SPY__KIND_LOG : SPY__KIND_EVENT,
                                            .level = SPY_LEVEL_INFO,
                                            .time_ns = 1709251198123456789u + i,
                                            .correlation_id = "c",
                                            .event = "meme_generated",
                                            .fields = fields,
                                            .field_count = 2,
                                            .event_hi = 1,
                                            .event_lo = i };
        records[i] =
            (struct spy__bytes){ wire[i], spy__wire_write(wire[i], sizeof(wire[i]), &record) };
        assert_true(records[i].n > 0);
    }
    spy__buf_init(&body, 1 << 20);
    spy__buf_init(&row, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__buf_done(&body);
    spy__buf_done(&row);
    return 0;
}

static struct spy__answer answer_of(long status, const char *text)
{
    return (struct spy__answer){ status, headers, 1, text, strlen(text), NULL };
}

static struct spy__clickhouse *make(const char *url, bool no_migrate)
{
    struct spy__clickhouse *ch = NULL;
    const char *why = NULL;
    const struct spy__clickhouse_options options = {
        .url = url, .service = "memegen", .environment = "test", .no_migrate = no_migrate
    };
    assert_int_equal(spy__clickhouse_new(&ch, &options, &why), 0);
    return ch;
}

// Ready to insert into a server of this version, which has all its migrations or wants none.
static struct spy__clickhouse *ready_with(const char *url, const char *version, const char *type)
{
    struct spy__clickhouse *ch = make(url, true);
    assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 1);
    struct spy__answer answer = answer_of(200, version);
    assert_int_equal(spy__clickhouse_prepared(ch, &answer).kind, SPY__SENT);
    assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 1);
    answer = answer_of(404, "Code: 60. DB::Exception: no table");
    assert_int_equal(spy__clickhouse_prepared(ch, &answer).kind, SPY__SENT);
    if (spy__clickhouse_prepare(ch, &request, &body) == 1) { // of the current schema
        answer = answer_of(200, type);
        assert_int_equal(spy__clickhouse_prepared(ch, &answer).kind, SPY__SENT);
    }
    assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 0);
    return ch;
}

// Whose properties are of a type that we do not know.
static struct spy__clickhouse *ready(const char *url, const char *version)
{
    return ready_with(url, version, "JSON\n");
}

static void a_current_server(void **state)
{
    (void)state;
    struct spy__clickhouse *ch = ready("http://me:secret@127.0.0.1/memes", "26.7.2.1\n");
    assert_string_equal(spy__clickhouse_base(ch), "http://127.0.0.1:8123");
    assert_int_equal(spy__clickhouse_encode(ch, &delivery, &body, &request), 2);
    assert_string_equal(request.path,
                        "/?database=memes&wait_end_of_query=1&query=INSERT%20INTO%20analytics_"
                        "events%20%28event_id%2C"
                        "event_type%2Ctimestamp%2Cservice%2Cenvironment%2Ccorrelation_id%2Ctrace_"
                        "id%2Cproperties%29%20"
                        "FORMAT%20RowBinary&async_insert=0&insert_deduplication_token=j1%2F0-4%202&"
                        "deduplicate_blocks_in_dependent_materialized_views=1&input_format_binary_"
                        "read_json_as_string=1&"
                        "type_json_skip_duplicated_paths=1");
    assert_int_equal(request.header_count, 2);
    assert_string_equal(request.headers[0], "X-ClickHouse-User: me");
    assert_string_equal(request.headers[1], "X-ClickHouse-Key: secret");
    assert_int_equal(request.encoding, SPY__ENCODING_NONE); // loopback
    assert_non_null(memmem(body.bytes, body.len, "{\"template_id\":\"a\\\"b\",\"n\":2}", 28));
    struct spy__buf again;
    spy__buf_init(&again, 1 << 20);
    assert_int_equal(spy__clickhouse_encode(ch, &delivery, &again, &request), 2);
    assert_int_equal(again.len, body.len);
    assert_memory_equal(again.bytes, body.bytes, body.len);
    spy__buf_done(&again);
    spy__clickhouse_free(ch);
    spy__clickhouse_free(NULL);
}

static void assert_insert(struct spy__clickhouse *ch, bool as_paths)
{
    assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 0);
    assert_int_equal(spy__clickhouse_encode(ch, &delivery, &body, &request), 2);
    assert_int_equal(strstr(request.path, "_read_json_as_string=0") != NULL, as_paths);
    assert_int_equal(memmem(body.bytes, body.len, "{\"template_id\"", 14) != NULL, !as_paths);
}

// Where the column is the known one; what is refused so goes as text before a row is blamed, and
// the column is looked at again.
static void properties_go_as_paths(void **state)
{
    (void)state;
    struct spy__clickhouse *ch =
        ready_with("http://localhost", "26.7.2.1\n", SPY__CLICKHOUSE_PROPERTIES_TYPE "\n");
    assert_insert(ch, true);
    struct spy__answer answer = answer_of(413, "too large for the proxy");
    assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__SPLIT);
    assert_insert(ch, true);
    answer = answer_of(500, "Code: 252. DB::Exception: Too many parts");
    assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__RETRY);
    assert_insert(ch, true);
    answer = answer_of(400, "Code: 117. DB::Exception: no");
    assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__RETRY);
    assert_insert(ch, false);
    assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__SPLIT);
    assert_insert(ch, false);
    answer = answer_of(200, "");
    assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__SENT);
    assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 1);
    assert_non_null(memmem(body.bytes, body.len, "version()", 9));
    spy__clickhouse_free(ch);
}

// One record that cannot go as paths takes its batch with it: an insert has one form.
static void a_batch_has_one_form(void **state)
{
    (void)state;
    struct spy__clickhouse *ch =
        ready_with("http://localhost", "26.7.2.1\n", SPY__CLICKHOUSE_PROPERTIES_TYPE "\n");
    static _Alignas(8) unsigned char odd[1024];
    const struct spy_field field = spy_int("user_id", 5);
    const struct spy__record record = { .kind = SPY__KIND_EVENT,
                                        .level = SPY_LEVEL_INFO,
                                        .correlation_id = "c",
                                        .event = "x",
                                        .fields = &field,
                                        .field_count = 1 };
    const struct spy__bytes before = records[2];
    records[2] = (struct spy__bytes){ odd, spy__wire_write(odd, sizeof(odd), &record) };
    assert_insert(ch, false);
    records[2] = before;
    assert_insert(ch, true);
    spy__clickhouse_free(ch);
}

static void settings_are_the_version_s(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bool async, token, binary;
        enum spy__encoding encoding;
    } cases[] = {
        { "18.16.1\n", false, false, false, SPY__ENCODING_GZIP },
        { "21.8.3.1\n", false, false, false, SPY__ENCODING_ZSTD },
        { "21.11.1.1\n", true, false, false, SPY__ENCODING_ZSTD },
        { "24.8.1.1\n", true, true, false, SPY__ENCODING_ZSTD },
        { "25.3.1.1\n", true, true, true, SPY__ENCODING_ZSTD },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__clickhouse *ch = ready("https://ch.example.com", cases[i].version);
        assert_int_equal(spy__clickhouse_encode(ch, &delivery, &body, &request), 2);
        assert_int_equal(request.header_count, 0);
        assert_int_equal(strstr(request.path, "async_insert=0") != NULL, cases[i].async);
        assert_int_equal(strstr(request.path, "_token=") != NULL, cases[i].token);
        assert_int_equal(strstr(request.path, "FORMAT%20RowBinary") != NULL, cases[i].binary);
        assert_int_equal(strstr(request.path, "%2Cmicrosecond%2C") == NULL, cases[i].binary);
        assert_int_equal(request.encoding, cases[i].encoding);
        assert_int_equal(body.bytes[0] == '{', !cases[i].binary);
        spy__clickhouse_free(ch);
    }
}

static void what_is_kept_of_a_dropped_one_can_be_read(void **state)
{
    (void)state;
    struct spy__clickhouse *ch = ready("http://localhost", "26.7.2.1\n");
    struct spy__fake_clock clock = { .realtime_ns = UINT64_C(1700000000000000000) };
    const struct spy__verdict verdict = { SPY__DROP, 0, "bad_row", "Code: 117. \"x\"" };
    spy__clock_fake(&clock);
    assert_int_equal(spy__clickhouse_bury(ch, &delivery, &verdict, &row), 2);
    spy__clock_fake(NULL);
    delivery.count = 1;
    static const char begins[] = "{\"dropped_at\":1700000000,\"reason\":\"bad_row\","
                                 "\"text\":\"Code: 117. \\\"x\\\"\",\"row\":{\"event_id\":";
    assert_memory_equal(row.bytes, begins, sizeof(begins) - 1);
    const char *end = memchr(row.bytes, '\n', row.len);
    assert_memory_equal(end + 1, begins, sizeof(begins) - 1);
    assert_ptr_equal(memchr(end + 1, '\n', row.len - (size_t)(end + 1 - row.bytes)),
                     row.bytes + row.len - 1);
    json_t *value = json_loadb(row.bytes, (size_t)(end - row.bytes), 0, NULL);
    const json_t *kept = json_object_get(value, "row");
    assert_string_equal(json_string_value(json_object_get(kept, "event_type")), "meme_generated");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(kept, "properties"), "n")),
                     0);
    json_decref(value);
    delivery.count = RECORDS;
    spy__clickhouse_free(ch);
}

static void unreadable_records_are_left_out(void **state)
{
    (void)state;
    struct spy__clickhouse *ch = ready("http://localhost", "26.7.2.1\n");
    const struct spy__bytes good = records[0];
    records[0] = (struct spy__bytes){ "12345678", 8 };
    assert_int_equal(spy__clickhouse_encode(ch, &delivery, &body, &request), 1);
    delivery.count = 1;
    assert_int_equal(spy__clickhouse_encode(ch, &delivery, &body, &request), 0);
    assert_int_equal(body.len, 0);
    delivery.count = RECORDS;
    records[0] = good;
    spy__clickhouse_free(ch);
}

static void another_server_is_asked_anew(void **state)
{
    (void)state;
    static const char *const told[] = { "Code: 60. DB::Exception: no table",
                                        "Code: 81. DB::Exception: x",
                                        "Code: 115. DB::Exception: x" };
    for (size_t i = 0; i < 3; i++) {
        struct spy__clickhouse *ch = ready("http://localhost", "26.7.2.1\n");
        struct spy__answer answer = answer_of(200, "");
        assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__SENT);
        answer = answer_of(500, "Code: 252. DB::Exception: x");
        assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__RETRY);
        assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 0);
        answer = answer_of(404, told[i]);
        assert_int_equal(spy__clickhouse_judge(ch, &answer).kind, SPY__RETRY);
        assert_int_equal(spy__clickhouse_prepare(ch, &request, &body), 1);
        assert_non_null(memmem(body.bytes, body.len, "version()", 9));
        spy__clickhouse_free(ch);
    }
}

static void what_is_longest_fits(void **state)
{
    (void)state;
    char url[1200];
    (void)snprintf(url, sizeof(url), "https://%0128d:%0128d@h/", 0, 0);
    size_t n = strlen(url);
    for (size_t i = 0; i < SPY__CLICKHOUSE_NAME_MAX; i++) { // three bytes each in the path
        memcpy(url + n + 3 * i, "%20", 4);
    }
    struct spy__clickhouse *ch = ready(url, "26.7.2.1\n");
    memset(delivery.token, '%', sizeof(delivery.token) - 1);
    assert_int_equal(spy__clickhouse_encode(ch, &delivery, &body, &request), 2);
    assert_non_null(strstr(request.path, "type_json_skip_duplicated_paths=1"));
    assert_int_equal(strlen(request.headers[1]), 18 + 128);
    spy__clickhouse_free(ch);
    memcpy(delivery.token, "t", 2);
}

static void without_memory(void **state)
{
    (void)state;
    const struct spy__clickhouse_options options = { .url = "http://localhost" };
    struct spy__clickhouse *ch = NULL;
    const char *why = NULL;
    alloc_fail_after(0);
    assert_int_equal(spy__clickhouse_new(&ch, &options, &why), -ENOMEM);
    alloc_fail_never();
    assert_null(ch);
    const struct spy__clickhouse_options bad = { .url = "ftp://me:secret@x" };
    assert_int_equal(spy__clickhouse_new(&ch, &bad, &why), -EINVAL);
    assert_null(strstr(why, "secret"));

    bool done = false;
    for (long n = 0; !done; n++) {
        ch = ready("http://localhost", "26.7.2.1\n");
        struct spy__buf fresh;
        spy__buf_init(&fresh, 1 << 20);
        alloc_fail_after(n);
        int err = spy__clickhouse_encode(ch, &delivery, &fresh, &request);
        alloc_fail_never();
        assert_true(err == -ENOMEM || err == 2);
        done = err == 2;
        spy__buf_done(&fresh);
        spy__clickhouse_free(ch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_current_server),
        cmocka_unit_test(properties_go_as_paths),
        cmocka_unit_test(a_batch_has_one_form),
        cmocka_unit_test(settings_are_the_version_s),
        cmocka_unit_test(what_is_kept_of_a_dropped_one_can_be_read),
        cmocka_unit_test(unreadable_records_are_left_out),
        cmocka_unit_test(another_server_is_asked_anew),
        cmocka_unit_test(what_is_longest_fits),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
