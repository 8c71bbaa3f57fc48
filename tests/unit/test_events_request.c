// What a request to the event store asks for, by its URL parameters and headers.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/events/request.h"

static struct events_text text(const char *string)
{
    return (struct events_text){ string, strlen(string) };
}

static int param(struct events_request *r, const char *name, const char *value)
{
    const char *why = NULL;
    int status = events_request_param(r, text(name), text(value), &why);
    assert_int_equal(status != 0, why != NULL);
    return status;
}

static int header(struct events_request *r, const char *name, const char *value)
{
    const char *why = NULL;
    int status = events_request_header(r, name, value, &why);
    assert_int_equal(status != 0, why != NULL);
    return status;
}

static void parameters_settings_and_the_rest(void **state)
{
    struct events_request r = { 0 };
    (void)state;
    assert_int_equal(param(&r, "query", "SELECT 1"), 0);
    assert_int_equal(param(&r, "query", "SELECT 2"), 0);
    assert_int_equal(param(&r, "database", "d"), 0);
    assert_int_equal(param(&r, "default_format", "JSON"), 0);
    assert_int_equal(param(&r, "query_id", "q"), 0);
    assert_int_equal(param(&r, "param_a", "1"), 0);
    assert_int_equal(param(&r, "param_", ""), 0);
    assert_int_equal(param(&r, "max_threads", "2"), 0);
    assert_int_equal(param(&r, "wait_end_of_query", "1"), 0);
    assert_int_equal(param(&r, "buffer_size", "4096"), 0);
    assert_int_equal(param(&r, "compress", "0"), 0);
    assert_int_equal(param(&r, "client_protocol_version", "54460"), 0);
    assert_true(events_text_is(r.query, "SELECT 1"));
    assert_true(events_text_is(r.database, "d"));
    assert_true(events_text_is(r.format, "JSON"));
    assert_true(events_text_is(r.query_id, "q"));
    assert_int_equal(r.protocol_version, 54460);
    assert_int_equal(r.params_count, 2);
    assert_true(events_text_is(r.params[0].name, "a"));
    assert_true(events_text_is(r.params[0].value, "1"));
    assert_true(events_text_is(r.params[1].name, ""));
    assert_int_equal(r.settings_count, 1);
    assert_true(events_text_is(r.settings[0].name, "max_threads"));
    assert_true(events_text_is(r.settings[0].value, "2"));
}

static void what_is_not_offered(void **state)
{
    struct events_request r = { 0 };
    (void)state;
    assert_int_equal(param(&r, "session_id", "s"), 501);
    assert_int_equal(param(&r, "session_timeout", "60"), 501);
    assert_int_equal(param(&r, "session_check", "1"), 501);
    assert_int_equal(param(&r, "close_session", "1"), 501);
    assert_int_equal(param(&r, "role", "r"), 501);
    assert_int_equal(param(&r, "compress", "1"), 501);
    assert_int_equal(param(&r, "decompress", "1"), 501);
    assert_int_equal(param(&r, "stacktrace", "1"), 501);
    assert_int_equal(header(&r, "Content-Encoding", "br"), 501);
    assert_int_equal(header(&r, "Content-Encoding", "gzip, zstd"), 501);
    assert_int_equal(header(&r, "content-type", "Multipart/form-data; boundary=x"), 501);
    assert_int_equal(header(&r, "X-ClickHouse-SSL-Certificate-Auth", "on"), 501);
    assert_int_equal(header(&r, "X-ClickHouse-SSL-Certificate-Auth", "off"), 0);
    assert_int_equal(param(&r, "client_protocol_version", "-1"), 400);
    assert_int_equal(param(&r, "client_protocol_version", "99999999999999999999"), 400);
    assert_int_equal(r.settings_count, 0);
}

static void settings_and_parameters_are_so_many(void **state)
{
    struct events_request r = { 0 };
    (void)state;
    for (size_t i = 0; i < EVENTS_SETTINGS_MAX; i++) {
        assert_int_equal(param(&r, "max_threads", "1"), 0);
        assert_int_equal(param(&r, "param_x", "1"), 0);
    }
    assert_int_equal(param(&r, "max_threads", "1"), 400);
    assert_int_equal(param(&r, "param_x", "1"), 400);
    assert_int_equal(param(&r, "query", "SELECT 1"), 0);
}

static void codings(void **state)
{
    static const struct {
        const char *accepted;
        enum events_coding coding;
    } cases[] = {
        { "", EVENTS_IDENTITY },
        { "gzip", EVENTS_GZIP },
        { "GZIP , deflate", EVENTS_GZIP },
        { "deflate, gzip, br, zstd", EVENTS_ZSTD },
        { "zstd;q=0,gzip;q=0.1", EVENTS_GZIP },
        { "zstd; q=0.000 , gzip;q=0", EVENTS_IDENTITY },
        { "zstd;q=0.001", EVENTS_ZSTD },
        { "x-gzip, gzipped", EVENTS_IDENTITY },
        { ",,;q=0;,", EVENTS_IDENTITY },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct events_request r = { 0 };
        assert_int_equal(header(&r, "accept-encoding", cases[i].accepted), 0);
        assert_int_equal(r.answer, cases[i].coding);
    }
    struct events_request r = { 0 };
    assert_int_equal(header(&r, "Content-Encoding", "Zstd "), 0);
    assert_int_equal(r.body, EVENTS_ZSTD);
    assert_int_equal(header(&r, "Content-Encoding", "gzip"), 0);
    assert_int_equal(r.body, EVENTS_GZIP);
    r.body = EVENTS_IDENTITY;
    assert_int_equal(header(&r, "Content-Encoding", "identity"), 0);
    assert_int_equal(r.body, EVENTS_IDENTITY);
    assert_false(r.may_encode);
    assert_int_equal(param(&r, "enable_http_compression", "1"), 0);
    assert_true(r.may_encode);
    assert_int_equal(r.settings_count, 1); // the engine knows it, too
}

static void a_header_counts_before_a_parameter(void **state)
{
    struct events_request r = { 0 };
    (void)state;
    assert_int_equal(header(&r, "x-clickhouse-database", "a"), 0);
    assert_int_equal(header(&r, "X-ClickHouse-Format", "CSV"), 0);
    assert_int_equal(param(&r, "database", "b"), 0);
    assert_int_equal(param(&r, "default_format", "TSV"), 0);
    assert_true(events_text_is(r.database, "a"));
    assert_true(events_text_is(r.format, "CSV"));
}

static void the_user_is_default(void **state)
{
    static const struct {
        const char *header, *value, *user, *password;
        bool right;
    } cases[] = {
        { NULL, NULL, NULL, NULL, true },
        { "Authorization", "Basic ZGVmYXVsdDo=", NULL, NULL, true },
        { "Authorization", "basic Og==", NULL, NULL, true },
        { "Authorization", "Basic ZGVmYXVsdDp4", NULL, NULL, false },
        { "Authorization", "Bearer x", NULL, NULL, false },
        { "X-ClickHouse-User", "default", NULL, NULL, true },
        { "X-ClickHouse-User", "", NULL, NULL, true },
        { "X-ClickHouse-User", "root", NULL, NULL, false },
        { "X-ClickHouse-Key", "x", NULL, NULL, false },
        { NULL, NULL, "default", "", true },
        { NULL, NULL, "default", "x", false },
        { NULL, NULL, "defaults", "", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct events_request r = { 0 };
        if (cases[i].header) {
            assert_int_equal(header(&r, cases[i].header, cases[i].value), 0);
        }
        if (cases[i].user) {
            assert_int_equal(param(&r, "user", cases[i].user), 0);
            assert_int_equal(param(&r, "password", cases[i].password), 0);
        }
        assert_int_equal(events_request_is_default_user(&r), cases[i].right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_settings_and_the_rest),
        cmocka_unit_test(what_is_not_offered),
        cmocka_unit_test(settings_and_parameters_are_so_many),
        cmocka_unit_test(codings),
        cmocka_unit_test(a_header_counts_before_a_parameter),
        cmocka_unit_test(the_user_is_default),
    };
    return cmocka_run_group_tests_name("events_request", tests, NULL, NULL);
}
