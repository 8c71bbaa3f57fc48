// Retries: what is worth one, how long to wait, and what Retry-After says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "memegen/llm/retry.h"

// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
#define NOV_6_1994 784111777

static void check(enum http_outcome outcome, long status, const char *error_type, bool worth)
{
    struct http_answer answer = { .outcome = outcome, .status = status };
    const char *is = retry_error_type(&answer);
    if (!is != !error_type || (is && strcmp(is, error_type) != 0) ||
        retry_is_worth(&answer) != worth) {
        fail_msg("outcome %d, status %ld: %s", (int)outcome, status, is ? is : "well");
    }
}

static void test_statuses(void **state)
{
    (void)state;
    check(HTTP_ANSWERED, 200, NULL, false);
    check(HTTP_ANSWERED, 204, NULL, false);
    check(HTTP_ANSWERED, 301, "rejected", false);
    check(HTTP_ANSWERED, 400, "rejected", false);
    check(HTTP_ANSWERED, 401, "rejected", false);
    check(HTTP_ANSWERED, 404, "rejected", false);
    check(HTTP_ANSWERED, 408, "timeout", true);
    check(HTTP_ANSWERED, 409, "rejected", true);
    check(HTTP_ANSWERED, 429, "status_429", true);
    check(HTTP_ANSWERED, 500, "status_5xx", true);
    check(HTTP_ANSWERED, 501, "status_5xx", false);
    check(HTTP_ANSWERED, 503, "status_5xx", true);
    check(HTTP_ANSWERED, 599, "status_5xx", true);
    check(HTTP_ANSWERED, 999, "rejected", false);
}

static void test_the_network(void **state)
{
    (void)state;
    check(HTTP_TIMED_OUT, 0, "timeout", true);
    check(HTTP_UNREACHABLE, 0, "refused", true);
    check(HTTP_CUT_OFF, 200, "bad_answer", true);
    check(HTTP_TOO_LONG, 200, "bad_answer", false);
    check(HTTP_STOPPED, 0, "internal", false);
    check(HTTP_BROKEN, 0, "internal", false);
}

static void test_backoff(void **state)
{
    (void)state;
    assert_int_equal(retry_backoff_ms(0, 0), 0);
    assert_int_equal(retry_backoff_ms(5, 0), 0);
    assert_int_equal(retry_backoff_ms(0, 1), RETRY_BASE_MS);
    assert_int_equal(retry_backoff_ms(1, 0.5), RETRY_BASE_MS);
    assert_int_equal(retry_backoff_ms(3, 1), RETRY_BASE_MS * 8);
    assert_int_equal(retry_backoff_ms(15, 1), RETRY_CAP_MS);
    assert_int_equal(retry_backoff_ms(4000000000u, 1), RETRY_CAP_MS);
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *value;
        int64_t ms;
    } cases[] = {
        { "0", 0 },
        { "2", 2000 },
        { "007", 7000 },
        { "86400", 86400000 },
        { "99999999999999999999", 86400000 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", 10000 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 10000 },
        { "Sun Nov  6 08:49:37 1994", 10000 },
        { "Sun, 06 Nov 1994 08:49:20 GMT", 0 },
        { "Sun, 06 Nov 2094 08:49:20 GMT", 86400000 },
        { "", -1 },
        { "-1", -1 },
        { "1.5", -1 },
        { "2 ", -1 },
        { "soon", -1 },
        { "Sun, 06 Nov 1994 08:49:37", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT, 3", -1 },
        { "Son, 06 Nov 1994 08:49:37 GMT", -1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = retry_after_ms(cases[i].value, NOV_6_1994 - 10);
        if (ms != cases[i].ms) {
            fail_msg("\"%s\": %lld", cases[i].value, (long long)ms);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_the_network),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
