// Sixteen bytes at a time, compiled twice: as this machine does it, and the plain way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes16.h"
#include "base/random.h"

static uint64_t expected(const unsigned char *bytes, int n,
                         int (*holds)(unsigned char, unsigned char), unsigned char c)
{
    uint64_t mask = 0, one = ((uint64_t)1 << SPY__MASK_BITS) - 1;
    for (int i = 0; i < n; i++) {
        mask |= holds(bytes[i], c) ? one << (i * SPY__MASK_BITS) : 0;
    }
    return mask;
}

static int equal(unsigned char b, unsigned char c)
{
    return b == c;
}

static int outside(unsigned char b, unsigned char c)
{
    return b < c || b > 0x7f;
}

static void marks(void **state)
{
    (void)state;
    spy__random_seed(1);
    const uint64_t low = ((uint64_t)1 << 8 * SPY__MASK_BITS) - 1;
    for (int round = 0; round < 20000; round++) {
        char text[32];
        for (size_t i = 0; i < sizeof(text); i++) {
            text[i] =
                (char)(spy__random_u64() % 3 ? 0x1e + spy__random_u64() % 6 : spy__random_u64());
        }
        char c = (char)(0x1e + spy__random_u64() % 6);
        unsigned char u = (unsigned char)c, bytes[16];
        memcpy(bytes, text, 16);
        spy__bytes16 v = spy__load16(text);
        assert_int_equal(spy__mask16(spy__equal16(v, c)), expected(bytes, 16, equal, u));
        assert_int_equal(spy__mask16(spy__outside16(v, c)), expected(bytes, 16, outside, u));
        assert_int_equal(spy__mask16(spy__either16(spy__equal16(v, c), spy__outside16(v, c))),
                         expected(bytes, 16, equal, u) | expected(bytes, 16, outside, u));
        memcpy(bytes, text + 3, 8);
        memcpy(bytes + 8, text + 5, 8);
        v = spy__load8x2(text + 3, text + 5);
        assert_int_equal(spy__mask16(spy__equal16(v, c)), expected(bytes, 16, equal, u));
        memcpy(bytes, text + 1, 4);
        memcpy(bytes + 4, text + 2, 4);
        v = spy__load4x2(text + 1, text + 2);
        assert_int_equal(spy__mask16(spy__equal16(v, c)) & low, expected(bytes, 8, equal, u));
    }
}

static void copies_and_places(void **state)
{
    (void)state;
    const char text[] = "0123456789abcdefg";
    char to[17] = { 0 };
    spy__store16(to, spy__load16(text + 1));
    assert_memory_equal(to, text + 1, 16);
    for (size_t i = 0; i < 16; i++) {
        uint64_t mask = spy__mask16(spy__equal16(spy__load16(text), text[i]));
        assert_int_equal(spy__first16(mask), i);
    }
    assert_int_equal(spy__mask16(spy__equal16(spy__load16(text), 'g')), 0);
}

static void digits_of_hex(void **state)
{
    (void)state;
    char to[17] = { 0 };
    spy__store16(to, spy__hex16(0x0123456789abcdef));
    assert_string_equal(to, "0123456789abcdef");
    spy__store16(to, spy__hex16(0xfedcba98f0f90a9f));
    assert_string_equal(to, "fedcba98f0f90a9f");
    spy__store16(to, spy__hex16(0));
    assert_string_equal(to, "0000000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks),
        cmocka_unit_test(copies_and_places),
        cmocka_unit_test(digits_of_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
