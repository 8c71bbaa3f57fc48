// Events on their way: declared types, fields brought into them or counted, pseudonyms.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/clock.h"
#include "metrics/dropped.h"
#include "record/rings.h"
#include "scrape.h"
#include "signals/event.h"
#include "signals/event_types.h"
#include "spyglass/context.h"

static const struct spy_event_type made = {
    "made",
    { { "id", SPY_FIELD_STR },
      { "score", SPY_FIELD_DOUBLE },
      { "i", SPY_FIELD_INT },
      { "u", SPY_FIELD_UINT },
      { "yes", SPY_FIELD_BOOL } },
};

static struct spy__event_room room;

// The record after its check; valid until the next.
static struct spy__record checked(const char *type, const struct spy_field *fields, size_t n)
{
    struct spy__record record = {
        .correlation_id = "", .event = type, .fields = fields, .field_count = n
    };
    spy__event_check(&record, &room);
    return record;
}

static double unexpected(const char *type, const char *reason)
{
    char series[200];
    (void)snprintf(series, sizeof(series),
                   "spyglass_event_fields_unexpected_total{event_type=\"%s\",reason=\"%s\"}", type,
                   reason);
    return scrape_value(series);
}

// ---- the call

static struct spy__record pushed; // the last; its strings live as long as the call
static unsigned pushes;
static enum spy__push push_answer;

enum spy__push __wrap_spy__rings_push(const struct spy__record *record);
enum spy__push __wrap_spy__rings_push(const struct spy__record *record)
{
    pushed = *record;
    pushes++;
    return push_answer;
}

static void a_call_becomes_a_record(void **state)
{
    (void)state;
    struct spy__fake_clock clock = { .realtime_ns = UINT64_C(1700000000123456789) };
    struct spy_context_scope scope =
        spy_context_begin("c-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    spy_bind(spy_str("path", "/memes"));
    spy__clock_fake(&clock);
    push_answer = SPY__PUSH_OK;
    spy_event("meme_generated", spy_str("template_id", "a"), spy_double("quality_score", 0.5));
    spy__clock_fake(NULL);
    assert_int_equal(pushes, 1);
    assert_int_equal(pushed.kind, SPY__KIND_EVENT);
    assert_string_equal(pushed.event, "meme_generated");
    assert_string_equal(pushed.correlation_id, "c-1");
    assert_true(pushed.trace_hi == 0x0af7651916cd43dd && pushed.trace_lo == 0x8448eb211c80319c);
    assert_int_equal(pushed.field_count, 2); // no bound ones
    assert_string_equal(pushed.fields[1].key, "quality_score");
    assert_int_equal(pushed.event_hi >> 16, 1700000000123);
    assert_int_equal(pushed.event_hi >> 12 & 15, 7);
    assert_int_equal(pushed.event_lo >> 62, 2);
    assert_int_equal(pushed.time_ns, 0); // the ring's own
    uint64_t first = pushed.event_lo;
    spy_event("meme_generated");
    assert_int_equal(pushed.field_count, 0);
    assert_true(pushed.event_lo != first);
    spy_context_detach(scope);

    const struct spy_uuid dns = SPY_UUID_DNS, id = spy_uuid_v5(dns, "www.example.com");
    spy_event_with_id(&id, "meme_generated", spy_int("n", 1));
    assert_true(pushed.event_hi == id.hi && pushed.event_lo == id.lo);
    assert_string_equal(pushed.correlation_id, "");
    spy_event(NULL);
    assert_string_equal(pushed.event, "");
    struct spy_field many[SPY_FIELDS_MAX + 2];
    for (size_t i = 0; i < SPY_FIELDS_MAX + 2; i++) {
        many[i] = spy_int("n", 1);
    }
    uint64_t before = spy__dropped_count(SPY__SIGNAL_EVENT, SPY__DROP_FIELDS);
    spy__event(NULL, "many", many, SPY_FIELDS_MAX + 2);
    assert_int_equal(pushed.field_count, SPY_FIELDS_MAX);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_EVENT, SPY__DROP_FIELDS), before + 2);
}

static void what_nobody_takes_is_counted(void **state)
{
    (void)state;
    uint64_t before = spy__dropped_count(SPY__SIGNAL_EVENT, SPY__DROP_STOPPED);
    push_answer = SPY__PUSH_DROPPED; // counted by who dropped it
    spy_event("x");
    push_answer = SPY__PUSH_STOPPED;
    spy_event("x");
    push_answer = SPY__PUSH_CHILD;
    spy_event("x");
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_EVENT, SPY__DROP_STOPPED), before + 2);
}

// ---- on the pump's thread

static void nothing_is_strange_before_anything_is_declared(void **state)
{
    (void)state;
    assert_int_equal(spy__event_register(), 0);
    assert_false(spy__event_types_any());
    const struct spy_field field = spy_int("x", 1);
    struct spy__record record = checked("free", &field, 1);
    assert_ptr_equal(record.fields, &field);
    assert_true(scrape_value("spyglass_events_total{event_type=\"free\"}") == 1);
    assert_true(isnan(unexpected("free", "undeclared")));
}

static void declarations(void **state)
{
    (void)state;
    struct spy_event_type type = made;
    assert_int_equal(spy_event_declare(&made), 0);
    assert_int_equal(spy_event_declare(&made), 0); // the same again
    type.fields[1].type = SPY_FIELD_INT;
    assert_int_equal(spy_event_declare(&type), -EEXIST);
    type = made;
    type.fields[4].name = NULL;
    assert_int_equal(spy_event_declare(&type), -EEXIST);
    assert_true(unexpected("made", "undeclared") == 0); // from the start

    assert_int_equal(spy_event_declare(NULL), -EINVAL);
    char name[200];
    memset(name, 'x', sizeof(name));
    name[129] = '\0';
    const struct spy_event_type bad[] = {
        { NULL, { { NULL, SPY_FIELD_NONE } } },
        { "", { { NULL, SPY_FIELD_NONE } } },
        { name, { { NULL, SPY_FIELD_NONE } } },
        { "t", { { "", SPY_FIELD_INT } } },
        { "t", { { name, SPY_FIELD_INT } } },
        { "t", { { "a", SPY_FIELD_NONE } } },
        { "t", { { "a", SPY_FIELD_ADDRS } } },
        { "t", { { "a", SPY_FIELD_INT }, { "b", SPY_FIELD_INT }, { "a", SPY_FIELD_INT } } },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(spy_event_declare(&bad[i]), -EINVAL);
    }
    name[128] = '\0';
    const struct spy_event_type long_name = { name, { { name, SPY_FIELD_INT } } };
    assert_int_equal(spy_event_declare(&long_name), 0);
    const struct spy_event_type empty = { "empty", { { NULL, SPY_FIELD_NONE } } };
    assert_int_equal(spy_event_declare(&empty), 0);
    assert_int_equal(spy__event_type_find("empty")->count, 0);
    assert_null(spy__event_type_find("emptyx"));
}

static void fields_that_fit_are_left_alone(void **state)
{
    (void)state;
    const struct spy_field fields[] = { spy_bool("yes", true), spy_str("id", "a"),
                                        spy_double("score", 1), spy_int("i", -1),
                                        spy_uint("u", 1) };
    struct spy__record record = checked("made", fields, 5);
    assert_ptr_equal(record.fields, fields);
    assert_true(unexpected("made", "undeclared") == 0);
    assert_true(unexpected("made", "type") == 0);
}

static void numbers_come_into_their_types(void **state)
{
    (void)state;
    const struct spy_field fields[] = { spy_int("score", 3), spy_uint("i", 4), spy_int("u", 5),
                                        spy_str("id", "a") };
    struct spy__record record = checked("made", fields, 4);
    assert_ptr_not_equal(record.fields, fields);
    assert_int_equal(record.fields[0].type, SPY_FIELD_DOUBLE);
    assert_true(record.fields[0].value.d == 3);
    assert_int_equal(record.fields[1].type, SPY_FIELD_INT);
    assert_int_equal(record.fields[1].value.i, 4);
    assert_int_equal(record.fields[2].type, SPY_FIELD_UINT);
    assert_int_equal(record.fields[2].value.u, 5);
    assert_string_equal(record.fields[3].value.s, "a");
    const struct spy_field doubles[] = { spy_double("i", -2), spy_double("u", 7),
                                         spy_uint("score", 1u << 20) };
    record = checked("made", doubles, 3);
    assert_int_equal(record.fields[0].value.i, -2);
    assert_int_equal(record.fields[1].value.u, 7);
    assert_true(record.fields[2].value.d == 1u << 20);
    assert_true(unexpected("made", "type") == 0);
}

static void what_does_not_fit_is_kept_and_counted(void **state)
{
    (void)state;
    const struct spy_field fields[] = {
        spy_str("score", "0.5"),
        spy_int("score", INT64_MAX),
        spy_uint("score", UINT64_MAX),
        spy_double("i", 0.5),
        spy_double("i", NAN),
        spy_double("i", 9223372036854775808.0),
        spy_uint("i", UINT64_MAX),
        spy_int("u", -1),
        spy_double("u", 18446744073709551616.0),
        spy_double("u", -1),
        spy_int("id", 1),
        spy_int("yes", 1),
    };
    size_t n = sizeof(fields) / sizeof(fields[0]);
    struct spy__record record = checked("made", fields, n);
    assert_ptr_equal(record.fields, fields);
    assert_true(unexpected("made", "type") == (double)n);

    const struct spy_field more[] = { spy_str("colour", "red"), spy_str("id", "a"),
                                      spy_str("size", "L") };
    record = checked("made", more, 3);
    assert_int_equal(record.field_count, 3);
    assert_true(unexpected("made", "undeclared") == 2);
    (void)checked("mdae", more, 3); // a type that nobody declared, where others are
    assert_true(unexpected("mdae", "undeclared") == 3);
}

static void pseudonyms_stand_for_values(void **state)
{
    (void)state;
    struct spy__pseudonyms *p = NULL;
    static const char salt[] = "0123456789abcdef";
    assert_int_equal(spy__pseudonyms_new(&p, "user_id", salt, 15), -EINVAL);
    assert_int_equal(spy__pseudonyms_new(&p, " , ,", salt, 16), -EINVAL);
    assert_null(p);
    assert_int_equal(spy__pseudonyms_new(&p, " user_id , email,i", salt, 16), 0);
    spy__event_set_pseudonyms(p);
    const struct spy_field fields[] = { spy_str("user_id", "u1"), spy_str("user", "u1"),
                                        spy_str("email", ""),     spy_uint("i", 42),
                                        spy_str("emai", "x"),     spy_str("emails", "x") };
    struct spy__record record = checked("made", fields, 6);
    // Python: hmac.new(b"0123456789abcdef", b"u1", "sha256").hexdigest()[:32], and so on.
    static const char *const expected[] = {
        "5162bddb18bda0082a7b39c472f7d118", "u1", "496dc93fa2d26eae500ec0bc37a12270",
        "8d24a2a526d5f556469db8b6280e3a7b", "x",  "x"
    };
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(record.fields[i].type, SPY_FIELD_STR);
        assert_int_equal(record.fields[i].len, strlen(expected[i]));
        assert_memory_equal(record.fields[i].value.s, expected[i], strlen(expected[i]));
    }
    assert_string_equal(fields[0].value.s, "u1"); // the caller's own
    const struct spy_field odd[] = { spy_bool("i", false), spy_double("email", 0.5),
                                     spy_int("user_id", -1), spy_addrs("i", NULL, 0) };
    record = checked("free", odd, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(record.fields[i].len, SPY__PSEUDONYM_LEN);
    }
    assert_int_equal(record.fields[3].type, SPY_FIELD_ADDRS);
    spy__event_set_pseudonyms(NULL);
    spy__pseudonyms_free(p);
    spy__pseudonyms_free(NULL);
}

static void without_memory(void **state)
{
    (void)state;
    struct spy__pseudonyms *p = NULL;
    const struct spy_event_type late = { "late", { { "a", SPY_FIELD_INT } } };
    alloc_fail_after(0);
    assert_int_equal(spy__pseudonyms_new(&p, "a", "0123456789abcdef", 16), -ENOMEM);
    assert_int_equal(spy_event_declare(&late), -ENOMEM);
    alloc_fail_never();
    assert_null(spy__event_type_find("late"));
    assert_int_equal(spy_event_declare(&late), 0);
}

static void so_many_types_and_no_more(void **state)
{
    (void)state;
    char name[32];
    int err = 0;
    for (int i = 0; err == 0; i++) {
        (void)snprintf(name, sizeof(name), "type_%d", i);
        const struct spy_event_type type = { name, { { "n", SPY_FIELD_INT } } };
        err = spy_event_declare(&type);
        assert_true(err == -ENOSPC || spy__event_type_find(name));
        assert_true(i < SPY_EVENT_TYPES_MAX);
    }
    assert_int_equal(err, -ENOSPC);
    assert_null(spy__event_type_find(name));
    assert_int_equal(spy_event_declare(&made), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_becomes_a_record),
        cmocka_unit_test(what_nobody_takes_is_counted),
        cmocka_unit_test(nothing_is_strange_before_anything_is_declared),
        cmocka_unit_test(declarations),
        cmocka_unit_test(fields_that_fit_are_left_alone),
        cmocka_unit_test(numbers_come_into_their_types),
        cmocka_unit_test(what_does_not_fit_is_kept_and_counted),
        cmocka_unit_test(pseudonyms_stand_for_values),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(so_many_types_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
