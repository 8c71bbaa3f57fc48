// Lines that say the same: how many pass, what tells of the rest, and what is never held back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/random.h"
#include "record/mask/repeats.h"

#define SECOND UINT64_C(1000000000)

static struct spy__repeats *repeats;
static unsigned told;             // summaries
static uint64_t told_lines, held; // lines that they tell of, and that were held back
static char told_text[4096];      // what the last one says
static uint64_t told_ns;

static void put_field(const struct spy_field *field)
{
    size_t at = strlen(told_text);
    char *to = told_text + at;
    size_t room = sizeof(told_text) - at;
    if (field->type == SPY_FIELD_STR) {
        snprintf(to, room, " %s=%.*s", field->key, (int)field->len, field->value.s);
    } else {
        snprintf(to, room, " %s=%d", field->key, (int)field->value.i);
    }
}

static void take_summary(void *arg, const struct spy__record *record)
{
    assert_ptr_equal(arg, &told);
    snprintf(told_text, sizeof(told_text), "%s %s %s %s", spy__level_name(record->level),
             record->module ? record->module : "-", record->event, record->correlation_id);
    for (size_t i = 0; i < record->field_count; i++) {
        put_field(&record->fields[i]);
    }
    const struct spy_field *last = &record->fields[record->field_count - 1];
    assert_string_equal(last->key, "repeated");
    assert_int_equal(last->type, SPY_FIELD_UINT);
    told++;
    told_lines += last->value.u;
    told_ns = record->time_ns;
}

static void count_held(uint64_t lines)
{
    held += lines;
}

static void begin(unsigned max)
{
    told = 0;
    told_lines = held = 0;
    repeats = spy__repeats_new(&(struct spy__repeats_options){
        .max_per_second = max, .line = take_summary, .arg = &told, .suppressed = count_held });
    assert_non_null(repeats);
}

static int tear_down(void **state)
{
    (void)state;
    spy__repeats_free(repeats);
    repeats = NULL;
    return 0;
}

static struct spy__record line(const char *event, uint64_t time_ns)
{
    return (struct spy__record){ .kind = SPY__KIND_LOG,
                                 .level = SPY_LEVEL_WARN,
                                 .time_ns = time_ns,
                                 .correlation_id = "c-1",
                                 .event = event,
                                 .module = "store" };
}

static unsigned pass(const struct spy__record *record, unsigned times)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < times; i++) {
        passed += spy__repeats_pass(repeats, record);
    }
    return passed;
}

static void past_the_limit_they_are_told_once(void **state)
{
    (void)state;
    begin(3);
    struct spy_field fields[] = { spy_str("path", "/x"), spy_int("n", 7), spy_int("repeated", 9) };
    struct spy__record record = line("retry", 5 * SECOND);
    record.fields = fields;
    record.field_count = 3;
    assert_int_equal(pass(&record, 10), 3);
    assert_true(spy__repeats_waiting(repeats));
    record.time_ns = 6 * SECOND - 1;
    assert_int_equal(pass(&record, 1), 0);
    spy__repeats_flush(repeats, 6 * SECOND - 1);
    assert_int_equal(told, 0);
    spy__repeats_flush(repeats, 6 * SECOND);
    assert_int_equal(told, 1);
    assert_string_equal(told_text, "warn store retry c-1 path=/x n=7 repeated=8");
    assert_true(told_ns == 6 * SECOND - 1);
    assert_int_equal(held, 8);
    assert_false(spy__repeats_waiting(repeats));
    record.time_ns = 6 * SECOND;
    assert_int_equal(pass(&record, 10), 3); // and again
    spy__repeats_flush(repeats, UINT64_MAX);
    assert_int_equal(told, 2);
    assert_int_equal(told_lines, held);
}

static void the_next_second_tells_first(void **state)
{
    (void)state;
    begin(1);
    struct spy__record record = line("retry", 5 * SECOND), other = line("other", 6 * SECOND);
    assert_int_equal(pass(&record, 4), 1);
    assert_true(spy__repeats_pass(repeats, &other));
    assert_int_equal(told, 1);
    assert_int_equal(told_lines, 3);
    // A line that comes late is counted with the second that runs.
    record.time_ns = 6 * SECOND - 5;
    assert_int_equal(pass(&record, 2), 1);
    assert_int_equal(told, 1);
    // A clock that was set back does not hold a line for ever.
    record.time_ns = 2 * SECOND;
    assert_int_equal(pass(&record, 1), 1);
    assert_int_equal(told, 2);
    assert_int_equal(told_lines, held);
}

// One thing differs, and the line is another.
static void what_is_the_same(void **state)
{
    (void)state;
    static const uintptr_t stack[] = { 1, 2 };
    struct spy_field a = spy_str("k", "v");
    const struct spy_field others[] = {
        spy_str("k", "w"), spy_str("l", "v"),        spy_strn("k", "vx", 2),   spy_int("k", 1),
        spy_uint("k", 1),  spy_double("k", 1.0),     spy_bool("k", true),      spy_bool("k", false),
        spy_int("k", 2),   spy_addrs("k", stack, 1), spy_addrs("k", stack, 2), spy_str("k", ""),
    };
    begin(1);
    struct spy__record record = line("x", SECOND);
    assert_true(spy__repeats_pass(repeats, &record));
    assert_false(spy__repeats_pass(repeats, &record));
    record.fields = &a;
    record.field_count = 1;
    assert_true(spy__repeats_pass(repeats, &record));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        record.fields = &others[i];
        if (!spy__repeats_pass(repeats, &record)) {
            fail_msg("field %zu is taken for another", i);
        }
        assert_false(spy__repeats_pass(repeats, &record));
    }
    record = line("x", SECOND);
    record.level = SPY_LEVEL_ERROR;
    assert_true(spy__repeats_pass(repeats, &record));
    record = line("x", SECOND);
    record.module = NULL;
    assert_true(spy__repeats_pass(repeats, &record));
    record.module = "";
    assert_true(spy__repeats_pass(repeats, &record));
    record = line("x", SECOND);
    record.correlation_id = "c-2";
    assert_true(spy__repeats_pass(repeats, &record));
    record.trace_hi = record.span_id = 1; // its own in each request, and no part of it
    assert_false(spy__repeats_pass(repeats, &record));
}

static void what_always_passes(void **state)
{
    (void)state;
    begin(1);
    struct spy__record record = line("request_processed", SECOND);
    assert_int_equal(pass(&record, 500), 500);
    record = line("request_failed", SECOND);
    assert_int_equal(pass(&record, 500), 500);
    record = line("request_retried", SECOND);
    assert_int_equal(pass(&record, 500), 1);
    record = line("x", SECOND);
    record.recovered = true;
    assert_int_equal(pass(&record, 500), 500);
    record = line("x", SECOND);
    record.kind = SPY__KIND_SPAN;
    assert_int_equal(pass(&record, 500), 500);
    tear_down(NULL);
    begin(SPY_REPEATS_UNLIMITED);
    record = line("x", SECOND);
    assert_int_equal(pass(&record, 500), 500);
}

// More different lines than it remembers: each that was held back is told of.
static void no_line_goes_uncounted(void **state)
{
    (void)state;
    begin(2);
    spy__random_seed(4);
    uint64_t passed = 0, all = 0;
    for (int round = 0; round < 200000; round++) {
        char event[16];
        uint64_t r = spy__random_u64();
        snprintf(event, sizeof(event), "e%d", (int)(r % 3 ? r >> 8 & 31 : r >> 8 & 0x3fff));
        struct spy__record record = line(event, SECOND + (uint64_t)round * (SECOND / 50000));
        passed += spy__repeats_pass(repeats, &record);
        all++;
    }
    spy__repeats_flush(repeats, UINT64_MAX);
    assert_true(held > all / 4);
    assert_int_equal(passed + held, all);
    assert_int_equal(told_lines, held);
}

// Sixty-four different lines are held back at a time; a further one passes.
static void more_than_it_holds(void **state)
{
    (void)state;
    begin(1);
    unsigned passed = 0;
    for (int i = 0; i < 100; i++) {
        char event[16];
        snprintf(event, sizeof(event), "e%d", i);
        struct spy__record record = line(event, SECOND);
        passed += pass(&record, 2);
    }
    assert_int_equal(passed, 100 + 36);
    spy__repeats_flush(repeats, UINT64_MAX);
    assert_int_equal(told, 64);
}

// A line is told with as much of it as there is room for, and within the number of fields.
static void a_large_line(void **state)
{
    (void)state;
    static char text[3000];
    static const uintptr_t stack[] = { 1, 2 };
    memset(text, 'x', sizeof(text) - 1);
    begin(1);
    struct spy_field fields[SPY_FIELDS_MAX];
    fields[0] = spy_str("long", text);
    fields[1] = spy_addrs("stack", stack, 2);
    for (int i = 2; i < SPY_FIELDS_MAX; i++) {
        fields[i] = spy_int("n", i);
    }
    struct spy__record record = line("large", SECOND);
    record.fields = fields;
    record.field_count = SPY_FIELDS_MAX;
    assert_int_equal(pass(&record, 3), 1);
    spy__repeats_flush(repeats, UINT64_MAX);
    assert_null(strstr(told_text, "long"));
    assert_non_null(strstr(told_text, "n=2 n=3 "));
    assert_non_null(strstr(told_text, " n=31 repeated=2"));
    fields[0] = fields[1] = spy_int("n", 1);
    assert_int_equal(pass(&record, 3), 1);
    spy__repeats_flush(repeats, UINT64_MAX);
    assert_non_null(strstr(told_text, " n=30 repeated=2")); // the last made room
    // An event that is too long to be kept passes.
    record = line(text, 100 * SECOND);
    assert_int_equal(pass(&record, 3), 3);
}

static void no_memory(void **state)
{
    (void)state;
    for (long n = 0; n < 2; n++) {
        alloc_fail_after(n);
        repeats = spy__repeats_new(&(struct spy__repeats_options){ .max_per_second = 1 });
        alloc_fail_never();
        // aligned_alloc() is not the test's to fail
        assert_true(repeats == NULL || n == 1);
        tear_down(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(past_the_limit_they_are_told_once, tear_down),
        cmocka_unit_test_teardown(the_next_second_tells_first, tear_down),
        cmocka_unit_test_teardown(what_is_the_same, tear_down),
        cmocka_unit_test_teardown(what_always_passes, tear_down),
        cmocka_unit_test_teardown(no_line_goes_uncounted, tear_down),
        cmocka_unit_test_teardown(more_than_it_holds, tear_down),
        cmocka_unit_test_teardown(a_large_line, tear_down),
        cmocka_unit_test_teardown(no_memory, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
