// The bytes of a `sessions` item.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "encode/sentry_sessions.h"

static void assert_json(const struct spy__sentry_sessions *sessions, const char *json)
{
    struct spy__buf out;
    spy__buf_init(&out, 4096);
    spy__encode_sentry_sessions(&out, sessions);
    assert_false(out.failed);
    spy__buf_putc(&out, '\0');
    assert_string_equal(out.bytes, json);
    spy__buf_done(&out);
}

static void test_each_count(void **state)
{
    (void)state;
    // 2026-01-31T09:26:53.620201Z; the minute of it is told.
    assert_json(&(struct spy__sentry_sessions){ .release = "memegen@1.2",
                                                .environment = "production",
                                                .started_ns = UINT64_C(1769851613620201000),
                                                .exited = 12,
                                                .errored = 3 },
                "{\"aggregates\":[{\"started\":\"2026-01-31T09:26:00.000000Z\",\"exited\":12,"
                "\"errored\":3}],\"attrs\":{\"release\":\"memegen@1.2\","
                "\"environment\":\"production\"}}");
    assert_json(
        &(struct spy__sentry_sessions){ .release = "a\"b", .environment = "", .crashed = 1 },
        "{\"aggregates\":[{\"started\":\"1970-01-01T00:00:00.000000Z\",\"crashed\":1}],"
        "\"attrs\":{\"release\":\"a\\\"b\"}}");
    assert_json(&(struct spy__sentry_sessions){ .release = "r", .abnormal = 1 },
                "{\"aggregates\":[{\"started\":\"1970-01-01T00:00:00.000000Z\",\"abnormal\":1}],"
                "\"attrs\":{\"release\":\"r\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_count) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
