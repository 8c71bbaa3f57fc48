// Addresses of ClickHouse, with and without secrets in them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backends/clickhouse_url.h"

static void taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct spy__clickhouse_url url;
    } cases[] = {
        { "http://localhost", { "http://localhost:8123", "", "", "", true } },
        { "http://127.0.0.1:9000/", { "http://127.0.0.1:9000", "", "", "", true } },
        { "https://ch.example.com", { "https://ch.example.com:8443", "", "", "", false } },
        { "https://me:p%40ss%2F%25@ch.example.com:443/memes",
          { "https://ch.example.com:443", "me", "p@ss/%", "memes", false } },
        { "http://me@[::1]:1/a%20b", { "http://[::1]:1", "me", "", "a b", true } },
        { "http://[fe80::1]", { "http://[fe80::1]:8123", "", "", "", false } },
        { "http://u:p:q@h", { "http://h:8123", "u", "p:q", "", false } },
        { "http://127.evil.example", { "http://127.evil.example:8123", "", "", "", false } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__clickhouse_url url;
        const char *why;
        assert_int_equal(spy__clickhouse_url_parse(&url, cases[i].text, &why), 0);
        assert_string_equal(url.base, cases[i].url.base);
        assert_string_equal(url.user, cases[i].url.user);
        assert_string_equal(url.password, cases[i].url.password);
        assert_string_equal(url.database, cases[i].url.database);
        assert_int_equal(url.loopback, cases[i].url.loopback);
    }
}

static void refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "localhost:8123",
        "clickhouse://localhost:9000",
        "http://",
        "http://:8123",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "http://h:99999999999999999999",
        "http://h:80x",
        "http://a b",
        "http://h\r\nX: y",
        "http://[::1",
        "http://[]",
        "http://[x]",
        "http://h/a/b",
        "http://h/%0d%0aX",
        "http://h/?database=x",
        "http://h/a#b",
        "http://u%0a@h",
        "http://u:%zz@h",
        "http://u:%4@h",
        "http://u:%@h",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__clickhouse_url url = { .base = "untouched" };
        const char *why = NULL;
        assert_int_equal(spy__clickhouse_url_parse(&url, cases[i], &why), -22);
        assert_non_null(why);
        assert_string_equal(url.base, "untouched");
    }
    char text[600] = "http://";
    memset(text + 7, 'a', 500);
    struct spy__clickhouse_url url;
    const char *why;
    assert_int_equal(spy__clickhouse_url_parse(&url, text, &why), -22); // a host too long
    text[7 + 200] = '@';
    assert_int_equal(spy__clickhouse_url_parse(&url, text, &why), -22); // a user too long
    text[7 + 128] = ':';
    text[7 + 100] = '@', text[7 + 101] = 'h', text[7 + 102] = '\0';
    assert_int_equal(spy__clickhouse_url_parse(&url, text, &why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
