// The lists that travel with a trace: tables made from W3C Trace Context (level 2, section 3.3) and
// W3C Baggage (section 3).
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/trace_lists.h"

// Text that is put together piece by piece.
struct text {
    size_t len;
    char s[200000];
};

static struct text text;

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text.s + text.len, sizeof(text.s) - text.len, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(text.s) - text.len);
    text.len += (size_t)n;
}

static void clear(void)
{
    text.len = 0;
    text.s[0] = '\0';
}

// The character, so many times.
static const char *repeat(char c, size_t times)
{
    static char s[9000];
    assert_true(times < sizeof(s));
    memset(s, c, times);
    s[times] = '\0';
    return s;
}

struct list_row {
    const char *in, *out;
};

// Takes a list from memory of just its size, into memory of just its size.
static const char *take(char *ret, const char *in, size_t (*by)(char *, const char *, size_t))
{
    size_t n = strlen(in);
    char *from = malloc(n ? n : 1), *to = malloc(n ? n : 1);
    assert_true(from && to);
    memcpy(from, in, n);
    size_t len = by(to, from, n);
    memcpy(ret, to, len);
    ret[len] = '\0';
    free(from);
    free(to);
    return ret;
}

// ---- tracestate

static const char *tracestate_of(const char *in)
{
    static char out[SPY__TRACESTATE_MAX + 1];
    return take(out, in, spy__tracestate_take);
}

static void tracestate_is_passed_on(void **state)
{
    static const struct list_row rows[] = {
        { "", "" },
        { " \t ", "" },
        { ",", "" },
        { "rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7" },
        { "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" },
        // white space around members, members that are empty
        { "foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3" },
        { "\t foo=1 \t", "foo=1" },
        { ",foo=1,, ,bar=2,", "foo=1,bar=2" },
        { "foo= 1", "foo= 1" }, // a leading space is the value's
        { "foo=a b!", "foo=a b!" },
        // keys
        { "a-z0_9*/@=1", "a-z0_9*/@=1" },
        { "1a=1", "1a=1" },
        { "tenant@system=1", "tenant@system=1" },
        { "foo@bar@baz=1,bar=2", "foo@bar@baz=1,bar=2" },
        { "foo=1,foo=2", "foo=1,foo=2" }, // not ours to mend
        { "@foo=1,bar=2", "" },
        { "_foo=1", "" },
        { "FOO=1", "" },
        { "foo.bar=1", "" },
        { "foo =1", "" },
        { "=1", "" },
        { "foo", "" },
        { "foo=1,bar", "" },
        // values
        { "foo=", "" },
        { "foo=,bar=3", "" },
        { "foo=bar=baz", "" },
        { "foo=a\tb", "" },
        { "foo=\x7f", "" },
        { "foo=\xc3\xa9", "" },
        { "foo=1\r\nSet-Cookie: x", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(tracestate_of(rows[i].in), rows[i].out) != 0) {
            fail_msg("%s gave %s", rows[i].in, tracestate_of(rows[i].in));
        }
    }
}

static void check_tracestate(const char *key, const char *value, bool taken)
{
    clear();
    add("foo=1,%s=%s", key, value);
    assert_string_equal(tracestate_of(text.s), taken ? text.s : "");
}

static void tracestate_has_limits(void **state)
{
    (void)state;
    clear();
    for (int i = 1; i <= 32; i++) {
        add("%sbar%02d=%02d", i > 1 ? "," : "", i, i);
    }
    size_t len = text.len;
    assert_string_equal(tracestate_of(text.s), text.s);
    add(", ,");
    assert_int_equal(strlen(tracestate_of(text.s)), len); // empty ones do not count
    add("bar33=33");
    assert_string_equal(tracestate_of(text.s), "");

    check_tracestate(repeat('z', 256), "1", true);
    check_tracestate(repeat('z', 257), "1", false);
    check_tracestate("bar", repeat('z', 256), true);
    check_tracestate("bar", repeat('z', 257), false);
}

static void a_long_tracestate_loses_long_members_first(void **state)
{
    (void)state;
    clear();
    for (int i = 0; i < 32; i++) {
        add("%sk%02d=%s", i ? "," : "", i, i % 2 ? "short" : repeat('v', 256));
    }
    assert_true(text.len < SPY__TRACESTATE_MAX);
    assert_string_equal(tracestate_of(text.s), text.s);
    clear();
    for (int i = 0; i < 32; i++) {
        add("%sk%02d%s=", i ? "," : "", i, repeat('k', 100));
        add("%s", repeat('v', i % 4 == 3 ? 20 : 256));
    }
    assert_true(text.len > SPY__TRACESTATE_MAX);
    const char *out = tracestate_of(text.s);
    assert_true(strlen(out) <= SPY__TRACESTATE_MAX && strlen(out) > SPY__TRACESTATE_MAX - 400);
    assert_non_null(strstr(out, "k31k"));
    assert_null(strstr(out, "k30k"));
    assert_non_null(strstr(out, "k00k"));
}

// ---- baggage

static const char *baggage_of(const char *in)
{
    static char out[SPY__BAGGAGE_MAX + 1];
    return take(out, in, spy__baggage_take);
}

static void baggage_is_passed_on(void **state)
{
    static const struct list_row rows[] = {
        { "", "" },
        { "userId=alice,serverNode=DF%2028,isProduction=false",
          "userId=alice,serverNode=DF%2028,isProduction=false" },
        { "userId=Am%C3%A9lie", "userId=Am%C3%A9lie" },
        { "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
          "key1=value1;property1;property2,key2 = value2,key3=value3; propertyKey=propertyValue" },
        { " a=1 , b=2\t", "a=1,b=2" },
        { "a=", "a=" }, // a value may be empty
        { "a=b=c", "a=b=c" },
        { "a=1,a=2", "a=1,a=2" }, // the order of duplicates is kept
        { "!#$%&'*+-.^_`|~09azAZ=1", "!#$%&'*+-.^_`|~09azAZ=1" },
        { "a=1;p=%20;q=x=y", "a=1;p=%20;q=x=y" },
        // what is wrong goes alone
        { "a=1,b,c=3", "a=1,c=3" },
        { "=1,c=3", "c=3" },
        { "a b=1,c=3", "c=3" },
        { "a=x y,c=3", "c=3" },
        { "a=\"x\",c=3", "c=3" },
        { "a=x\\y,c=3", "c=3" },
        { "a=\xc3\xa9,c=3", "c=3" },
        { "a=1;b c,c=3", "c=3" },
        { "a=1;=2,c=3", "c=3" },
        { "a=1\r\nSet-Cookie: x=y,c=3", "c=3" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(baggage_of(rows[i].in), rows[i].out) != 0) {
            fail_msg("%s gave %s", rows[i].in, baggage_of(rows[i].in));
        }
    }
}

static void baggage_has_limits(void **state)
{
    (void)state;
    clear();
    for (int i = 1; i <= 64; i++) {
        add("%sk%d=%d", i > 1 ? "," : "", i, i);
    }
    size_t len = text.len;
    assert_string_equal(baggage_of(text.s), text.s);
    add(",k65=65");
    assert_int_equal(strlen(baggage_of(text.s)), len);

    clear();
    add("k=%s", repeat('v', 8190));
    assert_int_equal(text.len, SPY__BAGGAGE_MAX);
    assert_string_equal(baggage_of(text.s), text.s);
    clear();
    add("a=1,k=%s,b=2", repeat('v', 8188)); // no half member, and what fits
    assert_string_equal(baggage_of(text.s), "a=1,b=2");
    clear();
    for (int i = 0; i < 20000; i++) {
        add("a=1,");
    }
    assert_int_equal(strlen(baggage_of(text.s)), 64 * 4 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracestate_is_passed_on),
        cmocka_unit_test(tracestate_has_limits),
        cmocka_unit_test(a_long_tracestate_loses_long_members_first),
        cmocka_unit_test(baggage_is_passed_on),
        cmocka_unit_test(baggage_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
