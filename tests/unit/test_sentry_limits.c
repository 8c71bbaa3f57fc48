// What the server does not want, in each form in which it says so.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "backends/sentry_limits.h"

#define S UINT64_C(1000000000)
#define NOW (1000 * S)
#define ALL ((1u << SPY__SENTRY_CATEGORIES) - 1)
#define ERROR (1u << SPY__SENTRY_ERROR)
#define TRANSACTION (1u << SPY__SENTRY_TRANSACTION)
#define PROFILE (1u << SPY__SENTRY_PROFILE)
#define SESSION (1u << SPY__SENTRY_SESSION)

static void note(struct spy__sentry_limits *limits, long status, const char *first,
                 const char *second)
{
    const char *const headers[] = { "HTTP/1.1 200 OK", first, second };
    const struct spy__answer answer = { .status = status,
                                        .headers = headers,
                                        .header_count = 1u + (first != 0) + (second != 0) };
    spy__sentry_limits_note(limits, &answer, NOW);
}

static unsigned limited_at(const struct spy__sentry_limits *limits, uint64_t ns)
{
    unsigned set = 0;
    for (unsigned i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        set |= spy__sentry_is_limited(limits, (enum spy__sentry_category)i, ns) ? 1u << i : 0;
    }
    return set;
}

static void each_form_of_a_limit(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        unsigned set;
        uint64_t ns; // how long
    } cases[] = {
        { "60:error:organization", ERROR, 60 * S },
        { "60:error;transaction:key", ERROR | TRANSACTION, 60 * S },
        { "2.5:error", ERROR, 5 * S / 2 },
        { ".25:error", ERROR, S / 4 },
        { "0.0000000001:error", 0, 0 },
        { "0:error", 0, 0 },
        { "10::organization", ALL, 10 * S },
        { "10:", ALL, 10 * S },
        { "10: ;error:x", ERROR, 10 * S }, // the empty name is none
        { " 7 : error ; profile : project : quota_exceeded : custom ", ERROR | PROFILE, 7 * S },
        { "5:replay;unknown_thing:organization", 0, 0 },
        { "5:replay;session", SESSION, 5 * S },
        { "5:metric_bucket:organization:quota:custom;spans", 0, 0 },
        { "soon:error", ERROR, 60 * S },
        { ":error", ERROR, 60 * S },
        { "-3:error", ERROR, 60 * S },
        { "1e3:error", ERROR, 60 * S },
        { "99999999999999999999:error", ERROR, 24 * 3600 * S },
        { "86401:error", ERROR, 24 * 3600 * S },
        { "60", 0, 0 },
        { ",,,", 0, 0 },
        { "Error", 0, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__sentry_limits limits = { { 0 } };
        char header[200];
        (void)snprintf(header, sizeof(header), "x-sentry-rate-limits:%s", cases[i].value);
        note(&limits, 200, header, NULL);
        if (cases[i].ns > 0) {
            assert_int_equal(limited_at(&limits, NOW), cases[i].set);
            assert_int_equal(limited_at(&limits, NOW + cases[i].ns - 1), cases[i].set);
        }
        assert_int_equal(limited_at(&limits, NOW + cases[i].ns), 0);
    }
}

static void several_limits_and_headers(void **state)
{
    (void)state;
    struct spy__sentry_limits limits = { { 0 } };
    note(&limits, 429, "X-Sentry-Rate-Limits: 60:error:key, 2700:session;profile:organization",
         "X-Sentry-Rate-Limits: 5:transaction");
    assert_int_equal(limited_at(&limits, NOW), ERROR | TRANSACTION | SESSION | PROFILE);
    assert_int_equal(limited_at(&limits, NOW + 6 * S), ERROR | SESSION | PROFILE);
    assert_int_equal(limited_at(&limits, NOW + 61 * S), SESSION | PROFILE);
}

static void the_longer_one_counts(void **state)
{
    (void)state;
    struct spy__sentry_limits limits = { { 0 } };
    note(&limits, 200, "X-Sentry-Rate-Limits: 60:error", NULL);
    note(&limits, 200, "X-Sentry-Rate-Limits: 10:error", NULL);
    assert_int_equal(limited_at(&limits, NOW + 59 * S), ERROR);
    note(&limits, 200, "X-Sentry-Rate-Limits: 100::", NULL);
    assert_int_equal(limited_at(&limits, NOW + 99 * S), ALL);
    note(&limits, 200, NULL, NULL); // says nothing, and takes nothing back
    assert_int_equal(limited_at(&limits, NOW + 99 * S), ALL);
}

static void a_refusal_without_the_header(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *first, *second;
        uint64_t ns; // 0: no limit
    } cases[] = {
        { 429, NULL, NULL, 60 * S },
        { 429, "Retry-After: 5", NULL, 5 * S },
        { 429, "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT", "Date: Sun, 06 Nov 1994 08:49:37 GMT",
          10 * S },
        { 429, "Retry-After: tomorrow", NULL, 60 * S },
        { 429, "X-Sentry-Rate-Limits:  ", "Retry-After: 5", 5 * S },
        { 429, "X-Sentry-Rate-Limits: 3:replay", "Retry-After: 5", 0 }, // the header decides
        { 503, "Retry-After: 5", NULL, 0 },
        { 200, "Retry-After: 5", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__sentry_limits limits = { { 0 } };
        note(&limits, cases[i].status, cases[i].first, cases[i].second);
        assert_int_equal(limited_at(&limits, NOW), cases[i].ns ? ALL : 0);
        assert_int_equal(limited_at(&limits, NOW + cases[i].ns), 0);
        assert_int_equal(limited_at(&limits, NOW + (cases[i].ns ? cases[i].ns - 1 : 0)),
                         cases[i].ns ? ALL : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_limit),
        cmocka_unit_test(several_limits_and_headers),
        cmocka_unit_test(the_longer_one_counts),
        cmocka_unit_test(a_refusal_without_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
