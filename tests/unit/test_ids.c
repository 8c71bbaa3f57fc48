// Ids on the wire, random ids, clocks and stacks: the small things at the bottom.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/stack.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static bool parses(struct spy__traceparent *t, const char *s)
{
    return spy__traceparent_parse(t, s, strlen(s));
}

static void traceparent_taken(void **state)
{
    (void)state;
    static const char *const good[] = {
        "00-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-00",
        "00-" TRACE "-" PARENT "-ff",         // flags unknown to us
        "01-" TRACE "-" PARENT "-01",         // a later version
        "cc-" TRACE "-" PARENT "-01-more-01", // which may go on
        "fe-" TRACE "-" PARENT "-01-",
        "00-00000000000000000000000000000001-0000000000000001-01",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct spy__traceparent t = { 0 };
        assert_true(parses(&t, good[i]));
        assert_int_equal(t.sampled, good[i][54] != '0');
        char back[SPY__TRACEPARENT_LEN + 1];
        spy__traceparent_print(back, &t);
        assert_memory_equal(back + 3, good[i] + 3, 32 + 1 + 16);
        assert_memory_equal(back, "00-", 3);
        assert_int_equal(strlen(back), SPY__TRACEPARENT_LEN);
    }
}

static void traceparent_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT,
        "00-" TRACE "-" PARENT "-",
        "00-" TRACE "-" PARENT "-1",
        "00-" TRACE "-" PARENT "-01-", // version 00 ends there
        "00-" TRACE "-" PARENT "-01-x",
        "00-" TRACE "-" PARENT "-01 ",
        " 00-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0G",
        "01-" TRACE "-" PARENT "-01x", // goes on without '-'
        "ff-" TRACE "-" PARENT "-01",
        "0g-" TRACE "-" PARENT "-01",
        "FE-" TRACE "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "_" PARENT "-01",
        "00-" TRACE "-" PARENT "_01",
        "00-0af7651916cd43dd8448eb211c80319-" PARENT "-001",
        "00-0af7651916cd43dd8448eb211c8031\xc3\xa9-" PARENT "-01",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct spy__traceparent t = { 1, 2, 3, true };
        if (parses(&t, bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_int_equal(t.trace_hi, 1); // untouched
        assert_int_equal(t.parent_id, 3);
    }
    struct spy__traceparent t;
    assert_false(spy__traceparent_parse(&t, "00-" TRACE "\0" PARENT "-01", 55));
}

static void correlation(void **state)
{
    (void)state;
    char longest[SPY__CORRELATION_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[SPY__CORRELATION_MAX + 1] = '\0';
    assert_false(spy__correlation_valid(longest));
    longest[SPY__CORRELATION_MAX] = '\0';
    assert_true(spy__correlation_valid(longest));
    assert_true(spy__correlation_valid("AZaz09._-"));
    static const char *const bad[] = { "",         " ",   "a b", "a\n", "a\r\nX: y", "\"",
                                       "\xc3\xa9", "a/b", "a:b", "<a>", "a\x7f" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(spy__correlation_valid(bad[i]));
    }
}

static void hex(void **state)
{
    (void)state;
    char out[18];
    spy__hex_u64(out, 0x0123456789abcdef);
    assert_memory_equal(out, "0123456789abcdef", 16);
    assert_int_equal(spy__address_print(out, 0), 3);
    assert_memory_equal(out, "0x0", 3);
    assert_int_equal(spy__address_print(out, 0x55d0), 6);
    assert_memory_equal(out, "0x55d0", 6);
    assert_int_equal(spy__address_print(out, UINTPTR_MAX), 2 + 2 * sizeof(uintptr_t));
}

static void uuid_has_its_shape(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char id[37], other[37];
        spy__uuid_v4(id);
        spy__uuid_v4(other);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
        assert_true(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-');
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
        assert_string_not_equal(id, other);
        assert_true(spy__correlation_valid(id));
    }
}

static void a_seed_repeats(void **state)
{
    (void)state;
    spy__random_seed(42);
    uint64_t first = spy__random_u64(), second = spy__random_u64();
    assert_int_not_equal(first, second);
    spy__random_seed(42);
    assert_int_equal(spy__random_u64(), first);
    assert_int_equal(spy__random_u64(), second);
}

// Every bit is set about half of the time.
static void bits_are_even(void **state)
{
    (void)state;
    spy__random_seed(1);
    int ones[64] = { 0 };
    for (int i = 0; i < 10000; i++) {
        uint64_t v = spy__random_id();
        for (int bit = 0; bit < 64; bit++) {
            ones[bit] += (int)(v >> bit & 1);
        }
    }
    for (int bit = 0; bit < 64; bit++) {
        assert_in_range(ones[bit], 4700, 5300);
    }
}

static void a_child_draws_other_ids(void **state)
{
    (void)state;
    (void)spy__random_u64();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t id = spy__random_u64();
        _exit(write(ends[1], &id, sizeof(id)) != (ssize_t)sizeof(id));
    }
    uint64_t mine = spy__random_u64(), theirs = mine;
    assert_int_equal(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_not_equal(mine, theirs);
    close(ends[0]);
    close(ends[1]);
}

static void clocks(void **state)
{
    (void)state;
    uint64_t a = spy__monotonic_ns(), b = spy__monotonic_ns();
    assert_true(a <= b);
    assert_true(spy__realtime_ns() > UINT64_C(1700000000) * 1000000000);
    struct spy__fake_clock fake = { 5, 6 };
    spy__clock_fake(&fake);
    assert_int_equal(spy__monotonic_ns(), 5);
    assert_int_equal(spy__realtime_ns(), 6);
    spy__clock_fake(NULL);
    assert_true(spy__monotonic_ns() >= b);
}

__attribute__((noinline)) static size_t inner(uintptr_t *out, size_t max, size_t skip)
{
    size_t n = spy__stack_capture(out, max, skip);
    __asm__ volatile("" ::: "memory"); // no tail call: this frame has to stand
    return n;
}

static void stacks(void **state)
{
    (void)state;
    uintptr_t all[SPY__STACK_MAX], fewer[SPY__STACK_MAX];
    spy__stack_warm_up();
    size_t n = inner(all, SPY__STACK_MAX, 0);
    assert_in_range(n, 3, SPY__STACK_MAX);
    assert_true(all[0] > (uintptr_t)inner && all[0] < (uintptr_t)inner + 4096);
    assert_int_equal(inner(fewer, 2, 0), 2);
    size_t skipped = inner(fewer, SPY__STACK_MAX, 1);
    assert_int_equal(skipped, n - 1);
    assert_true(fewer[0] > (uintptr_t)stacks && fewer[0] < (uintptr_t)stacks + 8192);
    assert_int_equal(inner(fewer, 0, 0), 0);
    assert_int_equal(inner(fewer, SPY__STACK_MAX, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparent_taken),
        cmocka_unit_test(traceparent_refused),
        cmocka_unit_test(correlation),
        cmocka_unit_test(hex),
        cmocka_unit_test(uuid_has_its_shape),
        cmocka_unit_test(a_seed_repeats),
        cmocka_unit_test(bits_are_even),
        cmocka_unit_test(a_child_draws_other_ids),
        cmocka_unit_test(clocks),
        cmocka_unit_test(stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
