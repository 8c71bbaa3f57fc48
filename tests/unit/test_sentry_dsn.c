// DSNs, and what is none.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backends/sentry_dsn.h"

static void taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct spy__sentry_dsn dsn;
    } cases[] = {
        { "https://abc@sentry.example.com/42",
          { "https://sentry.example.com:443", "/api/42/envelope/", "abc", "", false } },
        { "http://abc:def@127.0.0.1:8969/1",
          { "http://127.0.0.1:8969", "/api/1/envelope/", "abc", "def", true } },
        { "https://k@o123.ingest.us.sentry.io/456",
          { "https://o123.ingest.us.sentry.io:443", "/api/456/envelope/", "k", "", false } },
        { "http://k@h/a/b.c/7/", { "http://h:80", "/a/b.c/api/7/envelope/", "k", "", false } },
        { "http://k:@[::1]:9000/x-1",
          { "http://[::1]:9000", "/api/x-1/envelope/", "k", "", true } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__sentry_dsn dsn;
        const char *why;
        assert_int_equal(spy__sentry_dsn_parse(&dsn, cases[i].text, &why), 0);
        assert_string_equal(dsn.base, cases[i].dsn.base);
        assert_string_equal(dsn.path, cases[i].dsn.path);
        assert_string_equal(dsn.key, cases[i].dsn.key);
        assert_string_equal(dsn.secret, cases[i].dsn.secret);
        assert_int_equal(dsn.loopback, cases[i].dsn.loopback);
    }
}

static void refuse(const char *text)
{
    struct spy__sentry_dsn dsn = { .base = "untouched" };
    const char *why = NULL;
    assert_int_equal(spy__sentry_dsn_parse(&dsn, text, &why), -EINVAL);
    assert_non_null(why);
    assert_string_equal(dsn.base, "untouched");
    assert_null(strstr(why, "s3cret"));
}

static void refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "s3cret",
        "s3cret@h/1",
        "ftp://s3cret@h/1",
        "https://h/1",
        "https://@h/1",
        "https://:s3cret@h/1",
        "https://s3cret@/1",
        "https://s3cret@h",
        "https://s3cret@h/",
        "https://s3cret@h//",
        "https://s3cret@h/a b",
        "https://s3cret@h/a b/1",
        "https://s3cret@h/1?x=y",
        "https://s3cret@h/1#x",
        "https://s3cret@h/1\r\nX: y",
        "https://s3cret@h:0/1",
        "https://s3cret@h:x/1",
        "https://s3cret,x=y@h/1",
        "https://k:s3cret\"@h/1",
        "https://s3cret@h/%2f/1",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refuse(cases[i]);
    }
    char text[2 * SPY__SENTRY_PATH_MAX] = "http://k@h/";
    memset(text + 11, '1', SPY__SENTRY_PATH_MAX - 12); // too long with what stands around it
    refuse(text);
    memset(text + 11, '1', SPY__SENTRY_PATH_MAX);
    refuse(text);
    memset(text, 0, sizeof(text));
    memcpy(text, "http://", 7);
    memset(text + 7, 'k', SPY__SENTRY_KEY_MAX + 1);
    memcpy(text + 8 + SPY__SENTRY_KEY_MAX, "@h/1", 4);
    refuse(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
