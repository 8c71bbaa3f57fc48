// Integers by pairs of digits, doubles by Schubfach.
#include "base/number.h"

#include <string.h>

#include "base/pow10_table.h" // made by pow10_table.py

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static const uint64_t powers_of_10[] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

// Without a branch on v: lengths are hard to predict. 1233 / 4096 is log10(2), well enough for 64
// bits. v | 1 has as many digits as v, and 0 one.
static inline unsigned count_digits(uint64_t v)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);
    unsigned least = bits * 1233 >> 12;
    return least + ((v | 1) >= powers_of_10[least]);
}

size_t spy__u64_print(char *out, uint64_t v)
{
    unsigned n = count_digits(v);
    char *at = out + n;
    for (; v >= 100; v /= 100) {
        at -= 2;
        memcpy(at, digit_pairs + v % 100 * 2, 2);
    }
    if (v >= 10) {
        memcpy(at - 2, digit_pairs + v * 2, 2);
    } else {
        at[-1] = (char)('0' + v);
    }
    return n;
}

size_t spy__i64_print(char *out, int64_t v)
{
    if (v >= 0) {
        return spy__u64_print(out, (uint64_t)v);
    }
    *out = '-';
    return 1 + spy__u64_print(out + 1, -(uint64_t)v);
}

// ---- Schubfach
// --------------------------------------------------------------------------------------------------

// digits * 10^exponent
struct decimal {
    uint64_t digits;
    int exponent;
};

// floor(e * log10(2)), and floor(log10(3/4 * 2^e)) where `closer`; for |e| <= 1500.
static int floor_log10_pow2(int e, int closer)
{
    return (e * 1262611 - (closer ? 524031 : 0)) >> 22;
}

// floor(e * log2(10)), for |e| <= 1233.
static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

// The 64 leading bits of g * cp, with a sticky last bit.
static uint64_t round_to_odd(uint64_t g_hi, uint64_t g_lo, uint64_t cp)
{
    unsigned __int128 x = (unsigned __int128)g_lo * cp;
    unsigned __int128 y = (unsigned __int128)g_hi * cp + (uint64_t)(x >> 64);
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

// The shortest decimal in the rounding interval of a finite double that is not zero; of those, the
// closest to it.
static struct decimal shortest(uint64_t fraction, int biased_exponent)
{
    uint64_t c = fraction;
    int q = 1 - 1075;
    if (biased_exponent != 0) {
        c |= (uint64_t)1 << 52;
        q = biased_exponent - 1075;
        if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
            return (struct decimal){ c >> -q, 0 }; // a whole number below 2^53
        }
    }
    uint64_t odd = c & 1;
    int closer = fraction == 0 && biased_exponent > 1; // the neighbour below is half as far
    int k = floor_log10_pow2(q, closer);
    int h = q + floor_log2_pow10(-k) + 1;
    uint64_t hi = pow10_table[-k - POW10_MIN].hi;
    uint64_t lo = pow10_table[-k - POW10_MIN].lo;
    uint64_t left = round_to_odd(hi, lo, (4 * c - 2 + (uint64_t)closer) << h);
    uint64_t value = round_to_odd(hi, lo, 4 * c << h);
    uint64_t right = round_to_odd(hi, lo, (4 * c + 2) << h);
    uint64_t lower = left + odd; // the ends belong to the interval of an even significand
    uint64_t upper = right - odd;
    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        int below = lower <= 40 * tens;
        int above = 40 * tens + 40 <= upper;
        if (below != above) {
            return (struct decimal){ tens + (uint64_t)above, k + 1 };
        }
    }
    int below = lower <= 4 * s;
    int above = 4 * s + 4 <= upper;
    if (below != above) {
        return (struct decimal){ s + (uint64_t)above, k };
    }
    uint64_t middle = 4 * s + 2;
    int up = value > middle || (value == middle && (s & 1));
    return (struct decimal){ s + (uint64_t)up, k };
}

static size_t print_exponent(char *out, int e)
{
    out[0] = 'e';
    out[1] = e < 0 ? '-' : '+';
    unsigned magnitude = (unsigned)(e < 0 ? -e : e);
    if (magnitude < 10) {
        out[2] = '0';
        out[3] = (char)('0' + magnitude);
        return 4;
    }
    return 2 + spy__u64_print(out + 2, magnitude);
}

// Digits go to where they belong at once: what was put together elsewhere would have to be read back
// before it has arrived there.

// The last n digits of v, with zeros in front.
static inline void print_digits(char *out, uint64_t v, size_t n)
{
    for (; n >= 2; n -= 2, v /= 100) {
        memcpy(out + n - 2, digit_pairs + v % 100 * 2, 2);
    }
    if (n > 0) {
        *out = (char)('0' + v % 10);
    }
}

// One digit, a point, the rest, and the exponent.
static size_t print_scientific(char *out, uint64_t digits, size_t n, int e)
{
    size_t len = 1;
    print_digits(out, digits / powers_of_10[n - 1], 1);
    if (n > 1) {
        out[1] = '.';
        print_digits(out + 2, digits, n - 1);
        len = n + 1;
    }
    return len + print_exponent(out + len, e);
}

// `before` of the n digits stand before the point; it may be less than one, or more than n.
static size_t print_plain(char *out, uint64_t digits, size_t n, int before)
{
    if (before <= 0) {
        size_t zeros = (size_t)-before;
        memcpy(out, "0.000", 5); // at most three zeros: below 1e-4 there is an exponent
        print_digits(out + 2 + zeros, digits, n);
        return 2 + zeros + n;
    }
    size_t whole = (size_t)before;
    if (whole >= n) {
        print_digits(out, digits, n);
        memset(out + n, '0', whole - n);
        return whole;
    }
    print_digits(out, digits / powers_of_10[n - whole], whole);
    out[whole] = '.';
    print_digits(out + whole + 1, digits, n - whole);
    return n + 1;
}

// A decimal's digits without the zeros at their end.
static inline struct decimal without_zeros(struct decimal d)
{
    while (d.digits % 100000000 == 0) {
        d.digits /= 100000000;
        d.exponent += 8;
    }
    if (d.digits % 10000 == 0) {
        d.digits /= 10000;
        d.exponent += 4;
    }
    if (d.digits % 100 == 0) {
        d.digits /= 100;
        d.exponent += 2;
    }
    if (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent += 1;
    }
    return d;
}

// Exponent form below 1e-4 and from 10^plain_digits on.
static size_t print_double(char *out, double v, int plain_digits)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased_exponent = (int)(bits >> 52 & 0x7ff);
    int negative = (int)(bits >> 63);
    if (biased_exponent == 0x7ff) {
        if (fraction) {
            memcpy(out, "NaN", 3);
            return 3;
        }
        memcpy(out, negative ? "-Inf" : "+Inf", 4);
        return 4;
    }
    size_t len = 0;
    if (negative) {
        out[len++] = '-';
    }
    if (fraction == 0 && biased_exponent == 0) {
        out[len++] = '0';
        return len;
    }
    struct decimal d = without_zeros(shortest(fraction, biased_exponent));
    size_t n = count_digits(d.digits);
    int before = (int)n + d.exponent;
    if (before - 1 < -4 || before - 1 >= plain_digits) {
        return len + print_scientific(out + len, d.digits, n, before - 1);
    }
    return len + print_plain(out + len, d.digits, n, before);
}

size_t spy__double_print(char *out, double v)
{
    return print_double(out, v, 6);
}

size_t spy__double_print_json(char *out, double v)
{
    if (v - v != 0) { // NaN or infinite
        memcpy(out, "null", 4);
        return 4;
    }
    return print_double(out, v, 21);
}
