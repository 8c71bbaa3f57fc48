// Numbers to text: forms, tables, and the two properties of a shortest double, over random bits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"
#include "base/random.h"

#define ROUND_TRIPS 2000000
#define SHORTEST_SEARCHES 150000

static const char *print(double v)
{
    static char text[SPY__NUMBER_MAX + 1];
    size_t n = spy__double_print(text, v);
    assert_true(n < SPY__NUMBER_MAX);
    text[n] = 0;
    return text;
}

static void integers(void **state)
{
    (void)state;
    char text[SPY__NUMBER_MAX + 1], expected[SPY__NUMBER_MAX + 1];
    uint64_t v = 1;
    for (int i = 0; i < 64; i++, v *= 2) {
        for (uint64_t near = v - 2; near != v + 3; near++) {
            text[spy__u64_print(text, near)] = 0;
            snprintf(expected, sizeof(expected), "%llu", (unsigned long long)near);
            assert_string_equal(text, expected);
            text[spy__i64_print(text, (int64_t)near)] = 0;
            snprintf(expected, sizeof(expected), "%lld", (long long)near);
            assert_string_equal(text, expected);
        }
    }
    for (uint64_t ten = 1, i = 0; i < 20; i++, ten *= 10) {
        text[spy__u64_print(text, ten - 1)] = 0;
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)ten - 1);
        assert_string_equal(text, expected);
        text[spy__i64_print(text, -(int64_t)ten)] = 0;
        snprintf(expected, sizeof(expected), "%lld", -(long long)ten);
        assert_string_equal(text, expected);
    }
    text[spy__i64_print(text, INT64_MIN)] = 0;
    assert_string_equal(text, "-9223372036854775808");
}

static void known_doubles(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } known[] = {
        { 0.0, "0" },
        { -0.0, "-0" },
        { 1, "1" },
        { -1.5, "-1.5" },
        { 0.1, "0.1" },
        { 0.3, "0.3" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 100, "100" },
        { 999999, "999999" },
        { 1e6, "1e+06" },
        { 1048576, "1.048576e+06" },
        { 1234567, "1.234567e+06" },
        { 1e20, "1e+20" },
        { 123456789012345680000.0, "1.2345678901234568e+20" },
        { 1e21, "1e+21" },
        { 1.5e21, "1.5e+21" },
        { 1e22, "1e+22" },
        { 1e23, "1e+23" },
        { 9.5e-3, "0.0095" },
        { 1e-4, "0.0001" },
        { 1.25e-4, "0.000125" },
        { 1e-5, "1e-05" },
        { 1.25e-5, "1.25e-05" },
        { 1e-10, "1e-10" },
        { 1e100, "1e+100" },
        { 9007199254740991, "9.007199254740991e+15" },
        { 9007199254740992, "9.007199254740992e+15" },
        { 9007199254740994, "9.007199254740994e+15" },
        { 5e-324, "5e-324" },
        { DBL_MIN, "2.2250738585072014e-308" },
        { 2.2250738585072011e-308, "2.225073858507201e-308" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { 4.35, "4.35" },
        { 2.98023223876953125e-8, "2.9802322387695312e-08" },
        { 2251799813685248.5, "2.2517998136852485e+15" },
        { 5.764607523034235e39, "5.764607523034235e+39" },
        { 1.152921504606847e40, "1.152921504606847e+40" },
        { INFINITY, "+Inf" },
        { -INFINITY, "-Inf" },
        { NAN, "NaN" },
        { -NAN, "NaN" },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_string_equal(print(known[i].v), known[i].text);
    }
}

static void json_has_no_word_for_nan(void **state)
{
    (void)state;
    static const double values[] = { NAN, INFINITY, -INFINITY, 1e20, 1e21, -0.5 };
    static const char *const expected[] = { "null",  "null", "null", "100000000000000000000",
                                            "1e+21", "-0.5" };
    for (size_t i = 0; i < 5; i++) {
        char text[SPY__NUMBER_MAX + 1];
        text[spy__double_print_json(text, values[i])] = 0;
        assert_string_equal(text, expected[i]);
    }
}

// Significant digits in a number's text: without sign, point, exponent, and zeros at both ends.
static int digits_in(const char *text)
{
    int digits = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text == '0' && digits > 0) {
            zeros++;
        } else if (*text >= '1' && *text <= '9') {
            digits += zeros + 1;
            zeros = 0;
        }
    }
    return digits;
}

static int fewest_digits(double v)
{
    for (int n = 1; n < 17; n++) {
        char text[64];
        snprintf(text, sizeof(text), "%.*e", n - 1, v);
        if (strtod(text, NULL) == v) {
            return n;
        }
    }
    return 17;
}

static double random_double(int i)
{
    uint64_t bits = spy__random_u64();
    double v;
    memcpy(&v, &bits, sizeof(v));
    switch (i % 4) {
    case 0: // what programs print: seconds and bytes
        return (double)(bits >> 40) / 1000;
    case 1: // a power of two, where the interval is lopsided
        bits &= 0x7ff0000000000000u;
        memcpy(&v, &bits, sizeof(v));
        return v;
    default: // any bits
        return v;
    }
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    spy__random_seed(1);
    for (int i = 0; i < ROUND_TRIPS; i++) {
        double v = random_double(i);
        if (isfinite(v)) {
            const char *text = print(v);
            double back = strtod(text, NULL);
            if (memcmp(&back, &v, sizeof(v)) != 0) {
                fail_msg("%a was printed as %s", v, text);
            }
        }
    }
}

static void nothing_shorter_reads_back(void **state)
{
    (void)state;
    spy__random_seed(2);
    for (int i = 0; i < SHORTEST_SEARCHES; i++) {
        double v = random_double(i);
        if (isfinite(v) && v != 0) {
            const char *text = print(v);
            int fewest = fewest_digits(v);
            // The search rounds the exact value; at a power of two a shorter one may lie in the
            // wide half.
            if (digits_in(text) > fewest) {
                fail_msg("%a was printed as %s, %d digits do", v, text, fewest);
            }
            // Of the shortest, it is the closest.
            char close[64];
            snprintf(close, sizeof(close), "%.*e", digits_in(text) - 1, v);
            double distance = fabs(strtod(text, NULL) - v);
            assert_true(distance <= fabs(strtod(close, NULL) - v) || digits_in(text) < fewest);
        }
    }
}

// A locale whose decimal point is a comma, made where it is missing; false where it cannot be had.
static int set_comma_locale(void)
{
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        return 1;
    }
    char dir[] = "/tmp/spyglass-locale-XXXXXX", command[256];
    if (!mkdtemp(dir)) {
        return 0;
    }
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null",
             dir);
    int made = system(command) == 0;
    setenv("LOCPATH", dir, 1);
    made = made && setlocale(LC_NUMERIC, "de_DE.UTF-8");
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command) == 0 && made;
}

static void a_comma_locale_changes_nothing(void **state)
{
    (void)state;
    char text[16];
    if (!set_comma_locale()) {
        print_message("no locale with a comma can be had here\n");
        return; // cmocka 1.1.5 calls a skipped test "not ok"
    }
    snprintf(text, sizeof(text), "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    assert_string_equal(print(0.5), "0.5");
    assert_string_equal(print(1.5e30), "1.5e+30");
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(known_doubles),
        cmocka_unit_test(json_has_no_word_for_nan),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(nothing_shorter_reads_back),
        cmocka_unit_test(a_comma_locale_changes_nothing),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
