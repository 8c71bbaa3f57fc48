// What the value of ?profile= asks for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/wish.h"

static struct spy__wish read_wish(const char *value, const char *accept)
{
    struct spy__wish wish = { .rate_hz = 77 };
    assert_true(spy__wish_read(&wish, value, strlen(value), accept));
    return wish;
}

static void test_any_value_asks_for_the_wall_view(void **state)
{
    static const char *const values[] = { "1",    "yes", "wall", ",", "0", "1001", "99999999999999",
                                          " cpu", "CPU" };
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct spy__wish wish = read_wish(values[i], NULL);
        assert_int_equal(wish.form, SPY__WISH_HTML);
        assert_false(wish.cpu);
        assert_int_equal(wish.rate_hz, 0);
    }
}

static void test_words(void **state)
{
    (void)state;
    struct spy__wish wish = read_wish("cpu,250,pprof", NULL);
    assert_true(wish.cpu && wish.rate_hz == 250 && wish.form == SPY__WISH_PPROF);
    wish = read_wish("folded,,cpu,wall,2", NULL);
    assert_true(!wish.cpu && wish.rate_hz == 2 && wish.form == SPY__WISH_FOLDED);
    assert_int_equal(read_wish("speedscope", NULL).form, SPY__WISH_SPEEDSCOPE);
    assert_int_equal(read_wish("1000", NULL).rate_hz, 1000);
}

static void test_accept(void **state)
{
    (void)state;
    assert_int_equal(read_wish("1", "application/json").form, SPY__WISH_SPEEDSCOPE);
    assert_int_equal(read_wish("1", "text/html, application/json").form, SPY__WISH_HTML);
    assert_int_equal(read_wish("1", "*/*").form, SPY__WISH_HTML);
    assert_int_equal(read_wish("html", "application/json").form, SPY__WISH_HTML);
    assert_int_equal(read_wish("pprof", "application/json").form, SPY__WISH_PPROF);
}

static void test_nothing_and_too_much_ask_for_none(void **state)
{
    char longest[SPY__WISH_MAX + 1];
    struct spy__wish wish = { .rate_hz = 77 };
    (void)state;
    memset(longest, '1', sizeof(longest));
    assert_false(spy__wish_read(&wish, "", 0, NULL));
    assert_false(spy__wish_read(&wish, longest, sizeof(longest), NULL));
    assert_int_equal(wish.rate_hz, 77);
    assert_true(spy__wish_read(&wish, longest, SPY__WISH_MAX, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_value_asks_for_the_wall_view),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_nothing_and_too_much_ask_for_none),
    };
    return cmocka_run_group_tests_name("wish", tests, NULL, NULL);
}
