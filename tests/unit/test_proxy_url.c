// What the page may ask of Prometheus: the addresses made of good questions, and why bad ones are none.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "serve/proxy_url.h"

#define P(name, value)                                                                             \
    {                                                                                              \
        name, value, sizeof(value) - 1                                                             \
    }
#define BASE "http://p:9090/x/"

static int ask(struct spy__buf *url, const char *path, const struct spy__proxy_param *params,
               size_t count, const char **ret_why)
{
    spy__buf_reset(url);
    *ret_why = NULL;
    return spy__proxy_url(url, BASE, path, params, count, ret_why);
}

static void questions_become_addresses(void **state)
{
    static const struct {
        const char *path;
        struct spy__proxy_param params[5];
        const char *url;
    } cases[] = {
        { "query", { P("query", "up") }, "http://p:9090/x/api/v1/query?query=up&timeout=8s" },
        { "query",
          { P("query", "a{b=~\"\xc3\xbc&c=d#%/\"} +1"), P("time", "1.25") },
          "http://p:9090/x/api/v1/query?query=a%7Bb%3D~%22%C3%BC%26c%3Dd%23%25%2F%22%7D%20%2B1"
          "&time=1.25&timeout=8s" },
        { "query_range",
          { P("query", "up"), P("start", "0"), P("end", "10999.999999999"), P("step", "1") },
          "http://p:9090/x/api/v1/query_range?query=up&start=0&end=10999.999999999&step=1"
          "&timeout=8s" },
        { "series",
          { P("match[]", "a"), P("match[]", "b") },
          "http://p:9090/x/api/v1/series?match%5B%5D=a&match%5B%5D=b" },
        { "label/_a9/values",
          { P("start", "1"), P("end", "2") },
          "http://p:9090/x/api/v1/label/_a9/values?start=1&end=2" },
        { "labels", { { 0 } }, "http://p:9090/x/api/v1/labels" },
        { "alerts", { { 0 } }, "http://p:9090/x/api/v1/alerts" },
        { "rules", { { 0 } }, "http://p:9090/x/api/v1/rules" },
    };
    struct spy__buf url;
    const char *why;
    (void)state;
    spy__buf_init(&url, 1 << 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count = 0;
        while (count < 5 && cases[i].params[count].name) {
            count++;
        }
        assert_int_equal(ask(&url, cases[i].path, cases[i].params, count, &why), 0);
        assert_string_equal(url.bytes, cases[i].url);
    }
    spy__buf_done(&url);
}

static void what_is_not_listed_is_no_question(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "query/",
        "QUERY",
        "query_exemplars",
        "targets",
        "metadata",
        "status/config",
        "admin/tsdb/snapshot",
        "../query",
        "label//values",
        "label/9/values",
        "label/a/b/values",
        "label/a",
        "label/a/values/",
        "label/a%2e/values",
        "label/../values",
    };
    struct spy__buf url;
    const char *why;
    (void)state;
    spy__buf_init(&url, 1 << 16);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(ask(&url, paths[i], NULL, 0, &why), -ENOENT);
    }
    char name[160];
    memset(name, 'a', sizeof(name));
    memcpy(name, "label/", 6);
    memcpy(name + 6 + 129, "/values", 8);
    assert_int_equal(ask(&url, name, NULL, 0, &why), -ENOENT); // 129 letters
    memcpy(name + 6 + 128, "/values", 8);
    assert_int_equal(ask(&url, name, NULL, 0, &why), 0);
    spy__buf_done(&url);
}

static void bad_parameters_are_told(void **state)
{
    static const struct {
        const char *path;
        struct spy__proxy_param params[5];
        const char *why;
    } cases[] = {
        { "query", { { 0 } }, "missing" },
        { "query", { { "query", NULL, 0 } }, "empty" },
        { "query", { P("query", "") }, "empty" },
        { "query", { P("query", "up"), P("query", "up") }, "twice" },
        { "query", { P("query", "up"), P("step", "1") }, "does not take" },
        { "query", { P("query", "up"), P("", "1") }, "does not take" },
        { "query", { P("query", "a\0b") }, "UTF-8" },
        { "query", { P("query", "\xff") }, "UTF-8" },
        { "query", { P("query", "up"), P("time", "1e3") }, "seconds" },
        { "query", { P("query", "up"), P("time", "-1") }, "seconds" },
        { "query", { P("query", "up"), P("time", ".5") }, "seconds" },
        { "query", { P("query", "up"), P("time", "5.") }, "seconds" },
        { "query", { P("query", "up"), P("time", "1.0000000001") }, "seconds" },
        { "query", { P("query", "up"), P("time", "1000000000000") }, "seconds" },
        { "query", { P("query", "up"), P("time", "100000000001") }, "seconds" },
        { "query_range", { P("query", "up"), P("start", "1"), P("end", "2") }, "missing" },
        { "query_range",
          { P("query", "up"), P("start", "2"), P("end", "1"), P("step", "1") },
          "before" },
        { "query_range",
          { P("query", "up"), P("start", "1"), P("end", "2"), P("step", "0.0001") },
          "seconds" },
        { "query_range",
          { P("query", "up"), P("start", "0"), P("end", "11000"), P("step", "1") },
          "11000" },
        { "query_range",
          { P("query", "up"), P("start", "0"), P("end", "34560001"), P("step", "86400") },
          "400 days" },
        { "labels", { P("start", "0"), P("end", "34560001") }, "400 days" },
        { "alerts", { P("query", "up") }, "does not take" },
    };
    struct spy__buf url;
    const char *why;
    (void)state;
    spy__buf_init(&url, 1 << 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count = 0;
        while (count < 5 && cases[i].params[count].name) {
            count++;
        }
        assert_int_equal(ask(&url, cases[i].path, cases[i].params, count, &why), -EINVAL);
        assert_non_null(strstr(why, cases[i].why));
    }
    struct spy__proxy_param many[SPY__PROXY_PARAMS_MAX + 1];
    for (size_t i = 0; i < SPY__PROXY_PARAMS_MAX + 1; i++) {
        many[i] = (struct spy__proxy_param)P("match[]", "a");
    }
    assert_int_equal(ask(&url, "series", many, SPY__PROXY_PARAMS_MAX, &why), 0);
    assert_int_equal(ask(&url, "series", many, SPY__PROXY_PARAMS_MAX + 1, &why), -EINVAL);
    static char large[8193];
    memset(large, 'a', sizeof(large));
    const struct spy__proxy_param long_one = { "query", large, sizeof(large) };
    assert_int_equal(ask(&url, "query", &long_one, 1, &why), -EINVAL);
    spy__buf_done(&url);
}

static void without_memory_there_is_no_address(void **state)
{
    static const struct spy__proxy_param up = P("query", "up");
    struct spy__buf url;
    const char *why;
    (void)state;
    spy__buf_init(&url, 1 << 16);
    alloc_fail_after(0);
    int rc = spy__proxy_url(&url, BASE, "query", &up, 1, &why);
    alloc_fail_never();
    assert_int_equal(rc, -ENOMEM);
    spy__buf_done(&url);
    spy__buf_init(&url, 20); // past its maximum
    assert_int_equal(spy__proxy_url(&url, BASE, "query", &up, 1, &why), -ENOMEM);
    spy__buf_done(&url);
}

static void a_base_is_an_address_without_a_query(void **state)
{
    static const char *const good[] = { "http://127.0.0.1:9090", "https://p", "http://[::1]:1/a/",
                                        "https://user:secret@p/prometheus" };
    static const char *const bad[] = { "",           "p:9090",     "ftp://p",        "http://",
                                       "http:///a",  "http://:80", "http://p?a",     "http://p#a",
                                       "http://p q", "http://p\n", "http://\xc3\xbc" };
    char large[1100] = "http://";
    const char *why;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(spy__proxy_base_ok(good[i], &why));
        assert_null(why);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(spy__proxy_base_ok(bad[i], &why));
        assert_non_null(why);
    }
    memset(large + 7, 'a', sizeof(large) - 8);
    assert_false(spy__proxy_base_ok(large, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_become_addresses),
        cmocka_unit_test(what_is_not_listed_is_no_question),
        cmocka_unit_test(bad_parameters_are_told),
        cmocka_unit_test(without_memory_there_is_no_address),
        cmocka_unit_test(a_base_is_an_address_without_a_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
