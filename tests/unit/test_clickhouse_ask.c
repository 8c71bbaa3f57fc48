// A person's question to ClickHouse: limits by the server's version, readonly last, secrets in
// headers alone.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "backends/clickhouse_ask.h"

#define COMMON                                                                                     \
    "/?database=d%20b&wait_end_of_query=1&default_format=JSONCompact"                              \
    "&output_format_json_quote_64bit_integers=1&output_format_json_quote_denormals=1"              \
    "&max_execution_time=10&max_memory_usage=536870912"

static void a_version_is_asked_with_what_it_knows(void **state)
{
    static const struct {
        unsigned version;
        const char *path;
    } cases[] = {
        { 26007, COMMON "&limit=1001&readonly=1" },
        { 21001, COMMON "&limit=1001&readonly=1" },
        { 20012, COMMON "&max_result_rows=1000&max_result_bytes=4194304"
                        "&result_overflow_mode=break&readonly=1" },
        { 18016, COMMON "&max_result_rows=1000&max_result_bytes=4194304"
                        "&result_overflow_mode=break&readonly=1" },
    };
    struct spy__clickhouse_url url;
    const char *why;
    static struct spy__request request;
    (void)state;
    assert_int_equal(spy__clickhouse_url_parse(&url, "http://u:p%40ss@h:1/d%20b", &why), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spy__clickhouse_question(&request, &url, cases[i].version);
        assert_string_equal(request.path, cases[i].path);
        assert_int_equal(request.header_count, 2);
        assert_string_equal(request.headers[0], "X-ClickHouse-User: u");
        assert_string_equal(request.headers[1], "X-ClickHouse-Key: p@ss");
        assert_int_equal(request.encoding, SPY__ENCODING_NONE);
    }
}

// The longest names, each byte of the database's escaped.
static void the_longest_address_has_room(void **state)
{
    static struct spy__request request;
    struct spy__clickhouse_url url = { .base = "http://h:1" };
    (void)state;
    memset(url.user, 'u', SPY__CLICKHOUSE_NAME_MAX);
    memset(url.password, '%', SPY__CLICKHOUSE_NAME_MAX);
    memset(url.database, '\xff', SPY__CLICKHOUSE_NAME_MAX);
    spy__clickhouse_question(&request, &url, 1);
    assert_string_equal(request.path + strlen(request.path) - 11, "&readonly=1");
}

static void an_address_that_is_none(void **state)
{
    const struct spy__tls tls = { .ca = NULL };
    struct spy__clickhouse_asker *asker = NULL;
    const char *why = NULL;
    (void)state;
    assert_int_equal(spy__clickhouse_asker_new(&asker, "ftp://secret", &tls, &why), -EINVAL);
    assert_null(strstr(why, "secret"));
    assert_null(asker);
    alloc_fail_after(0);
    assert_int_equal(spy__clickhouse_asker_new(&asker, "http://h", &tls, &why), -ENOMEM);
    alloc_fail_never();
    assert_null(asker);
    spy__clickhouse_asker_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_asked_with_what_it_knows),
        cmocka_unit_test(the_longest_address_has_room),
        cmocka_unit_test(an_address_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
