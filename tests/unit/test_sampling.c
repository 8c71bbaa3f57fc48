// Which traces are in the sample: the caller's word, its number, a route's rate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/recent/sampling.h"

static void reads_routes(void **state)
{
    struct spy__sampling s = { .rate = 0.1 };
    (void)state;
    assert_int_equal(spy__sampling_parse(&s, NULL), 0);
    assert_int_equal(s.count, 0);
    assert_int_equal(spy__sampling_parse(&s, " GET /healthz=0 ,/memes/{id} = 0.25, PUT  /a=b=1"),
                     0);
    assert_int_equal(s.count, 3);
    assert_string_equal(s.routes[0].method, "GET");
    assert_string_equal(s.routes[0].route, "/healthz");
    assert_true(s.routes[0].rate == 0);
    assert_string_equal(s.routes[1].method, "");
    assert_string_equal(s.routes[1].route, "/memes/{id}");
    assert_true(s.routes[1].rate == 0.25);
    assert_string_equal(s.routes[2].route, "/a=b");
    assert_true(s.rate == 0.1);
    assert_int_equal(spy__sampling_parse(&s, "  "), 0);
    assert_int_equal(s.count, 0);
    static const char *const bad[] = { "x",         "/a=",        "=1",
                                       "/a=1.1",    "/a=-1",      "/a=1e0",
                                       "/a=.",      "GET /a b=1", "ABCDEFGHIJKLMNOP /=1",
                                       "/a=1,,/b=1" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(spy__sampling_parse(&s, bad[i]), -22);
    }
    char many[5 * (SPY__SAMPLING_ROUTES_MAX + 1) + 1];
    for (unsigned i = 0; i <= SPY__SAMPLING_ROUTES_MAX; i++) {
        memcpy(many + (size_t)5 * i, "/a=1,", 6);
    }
    assert_int_equal(spy__sampling_parse(&s, many), -22);
    double rate = 0;
    assert_true(spy__sampling_read_rate(&rate, "0.125"));
    assert_true(rate == 0.125);
    assert_false(spy__sampling_read_rate(&rate, "nan"));
    assert_false(spy__sampling_read_rate(&rate, ""));
}

static struct spy__record root_of(uint64_t lo, struct spy_field *fields, size_t n)
{
    return (struct spy__record){ .kind = SPY__KIND_SPAN,
                                 .root = true,
                                 .trace_hi = 1,
                                 .trace_lo = lo,
                                 .fields = fields,
                                 .field_count = n };
}

static void decides(void **state)
{
    struct spy__sampling s = { .rate = 0.1 };
    (void)state;
    assert_int_equal(spy__sampling_parse(&s, "GET /healthz=0, /all=1"), 0);
    struct spy_field fields[] = { spy_str("method", "GET"), spy_str("route", "/healthz"),
                                  spy_double(SPY__SAMPLE_RAND, 0.05),
                                  spy_bool(SPY__PARENT_SAMPLED, true) };
    // The caller's word goes before everything.
    struct spy__record root = root_of(1, fields, 4);
    assert_true(spy__sampling_keeps(&s, &root));
    fields[3] = spy_bool(SPY__PARENT_SAMPLED, false);
    fields[1] = spy_str("route", "/all");
    assert_false(spy__sampling_keeps(&s, &root));
    // Without one, its number against the route's rate.
    root.field_count = 3;
    assert_true(spy__sampling_keeps(&s, &root));
    fields[1] = spy_str("route", "/healthz");
    assert_false(spy__sampling_keeps(&s, &root));
    assert_true(spy__sampling_rate(&s, &root) == 0);
    fields[0] = spy_str("method", "POST"); // another route: the rate of all
    assert_true(spy__sampling_keeps(&s, &root));
    fields[2] = spy_double(SPY__SAMPLE_RAND, 0.1);
    assert_false(spy__sampling_keeps(&s, &root));
}

static void the_sample_is_as_large_as_it_should_be(void **state)
{
    enum { TRACES = 100000 };
    const struct spy__sampling s = { .rate = 0.1 };
    unsigned kept = 0;
    (void)state;
    for (uint64_t i = 1; i <= TRACES; i++) {
        struct spy__record root = root_of(i * 0x9e3779b97f4a7c15u, NULL, 0);
        bool keeps = spy__sampling_keeps(&s, &root);
        assert_true(keeps == spy__sampling_keeps_id(&s, 1, root.trace_lo));
        kept += keeps;
        double rand = spy__sampling_rand(1, root.trace_lo);
        assert_true(rand >= 0 && rand < 1);
    }
    // Ten standard deviations of a fair draw: sqrt(100000 * 0.1 * 0.9) = 95.
    assert_in_range(kept, 10000 - 950, 10000 + 950);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_routes),
        cmocka_unit_test(decides),
        cmocka_unit_test(the_sample_is_as_large_as_it_should_be),
    };
    return cmocka_run_group_tests_name("sampling", tests, NULL, NULL);
}
