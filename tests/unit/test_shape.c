// Shapes: which calls have one, and that a record which was written by one is read back, whatever
// is cut or changed is told.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "record/mask/keys.h"
#include "record/shape.h"
#include "record/wire_put.h"

#define COUNT 5

static _Alignas(8) unsigned char bytes[SPY__RECORD_MAX + SPY__WIRE_SLACK];
static const char text[] = "a text of more than sixteen bytes";

static void sample(struct spy_field fields[COUNT])
{
    fields[0] = spy_int("status", -5);
    fields[1] = spy_strn("a_key_of_more_than_sixteen_bytes", text, sizeof(text) - 1);
    fields[2] = spy_bool("cached", true);
    fields[3] = spy_str("short", "abc");
    fields[4] = spy_double("seconds", 0.5);
}

static const struct spy__shape *shape_of(const struct spy_field *fields, size_t n)
{
    const struct spy__shape *shape = spy__shape_make("served", "api", fields, n);
    assert_true(shape != &spy__shape_none);
    assert_true(spy__shape_fits(shape, shape->event, shape->module, fields, n));
    return shape;
}

// As a log call writes it, with one bound field where `bound` is not NULL. Returns 0 where it does
// not fit into cap.
static size_t write_shaped(size_t cap, const struct spy__shape *shape,
                           const struct spy_field *fields, const struct spy_field *bound)
{
    struct spy__wire_put put;
    struct spy__wire_head head = { .kind = SPY__KIND_LOG,
                                   .level = SPY_LEVEL_INFO,
                                   .flags = SPY__WIRE_SHAPE,
                                   .sequence = 7,
                                   .event_bytes = shape->wire_bytes };
    spy__wire_put_begin(&put, bytes, cap, 3);
    spy__wire_put_blob(&put, shape->wire, shape->wire_bytes, shape->wire_sum);
    if (bound) {
        _Alignas(8) unsigned char wire[256 + SPY__WIRE_SLACK];
        struct spy__wire_put of_bound = { .start = wire, .at = wire, .end = wire + 256 };
        spy__wire_put_field(&of_bound, bound);
        head.bound_bytes = (uint32_t)(of_bound.at - wire);
        head.field_count = 1;
        spy__wire_put_blob(&put, wire, head.bound_bytes, spy__wire_sum_of(wire, head.bound_bytes));
    }
    spy__wire_put_values(&put, fields, shape->n);
    head.field_count = (uint16_t)(head.field_count + shape->n);
    return spy__wire_failed(&put) ? 0 : spy__wire_put_end(&put, &head);
}

static void assert_sample(const struct spy__wire_view *view, size_t at)
{
    const struct spy_field *f = view->record.fields + at;
    assert_string_equal(view->record.event, "served");
    assert_string_equal(view->record.module, "api");
    assert_int_equal(view->record.field_count, at + COUNT);
    assert_string_equal(f[0].key, "status");
    assert_true(f[0].type == SPY_FIELD_INT && f[0].value.i == -5);
    assert_string_equal(f[1].key, "a_key_of_more_than_sixteen_bytes");
    assert_true(f[1].type == SPY_FIELD_STR && f[1].len == sizeof(text) - 1);
    assert_memory_equal(f[1].value.s, text, f[1].len);
    assert_string_equal(f[2].key, "cached");
    assert_true(f[2].type == SPY_FIELD_BOOL && f[2].value.b);
    assert_string_equal(f[3].key, "short");
    assert_true(f[3].type == SPY_FIELD_STR && f[3].len == 3);
    assert_memory_equal(f[3].value.s, "abc", 3);
    assert_string_equal(f[4].key, "seconds");
    assert_true(f[4].type == SPY_FIELD_DOUBLE && f[4].value.d == 0.5);
}

// Who knows the shape reads the same: the first time, when it gets to know it, and the second.
static void assert_known_is_same(const struct spy__wire_view *plain, const void *from, size_t n)
{
    static struct spy__keys keys;
    static struct spy__wire_view view;
    assert_true(keys.shapes || spy__keys_init(&keys, "iban") == 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(spy__wire_read_keys(&view, from, n, &keys), 0);
        assert_int_equal(view.bytes, plain->bytes);
        assert_int_equal(view.fields_dropped, plain->fields_dropped);
        assert_true(view.shape == plain->shape);
        assert_int_equal(view.shape_at, plain->shape_at);
        assert_ptr_equal(view.record.event, plain->record.event);
        assert_ptr_equal(view.record.module, plain->record.module);
        assert_int_equal(view.record.field_count, plain->record.field_count);
        for (size_t i = 0; i < view.record.field_count; i++) {
            const struct spy_field *a = &view.fields[i], *b = &plain->fields[i];
            assert_ptr_equal(a->key, b->key);
            assert_int_equal(a->type, b->type);
            assert_int_equal(a->len, b->len);
            assert_true(a->type == SPY_FIELD_BOOL ? a->value.b == b->value.b
                                                  : a->value.u == b->value.u);
            const struct spy__key *key = view.keys[i];
            if (key) { // one with a NUL in it is as long as its bytes
                assert_true(key->len >= strlen(a->key) && a->key[key->len] == '\0');
                assert_int_equal(key->kind, spy__key_kind(&keys.words, a->key, key->len));
            }
        }
    }
}

static void there_and_back(void **state)
{
    (void)state;
    struct spy_field fields[COUNT];
    struct spy__wire_view view;
    sample(fields);
    const struct spy__shape *shape = shape_of(fields, COUNT);
    size_t n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, fields, NULL);
    assert_true(n > 0 && n % 8 == 0);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(spy__wire_intact(bytes, n, 3));
    assert_false(spy__wire_intact(bytes, n, 4));
    assert_sample(&view, 0);
    assert_known_is_same(&view, bytes, n);
    assert_true(view.shape != 0 && view.shape_at == 0);
    uint64_t hash = view.shape;

    // A place with the same keys and types has the same hash, one with other types another.
    n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape_of(fields, COUNT), fields, NULL);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(view.shape == hash);
    fields[0] = spy_uint("status", 5);
    n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape_of(fields, COUNT), fields, NULL);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(view.shape != 0 && view.shape != hash);

    // No fields, no module.
    shape = spy__shape_make("alone", NULL, NULL, 0);
    n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, NULL, NULL);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(spy__wire_intact(bytes, n, 3));
    assert_known_is_same(&view, bytes, n);
    assert_string_equal(view.record.event, "alone");
    assert_null(view.record.module);
    assert_int_equal(view.record.field_count, 0);
}

static void bound_fields(void **state)
{
    (void)state;
    struct spy_field fields[COUNT], bound = spy_str("user_id", "u1");
    struct spy__wire_view view;
    sample(fields);
    const struct spy__shape *shape = shape_of(fields, COUNT);
    size_t n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, fields, &bound);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(spy__wire_intact(bytes, n, 3));
    assert_string_equal(view.fields[0].key, "user_id");
    assert_sample(&view, 1);
    assert_known_is_same(&view, bytes, n);
    assert_true(view.shape != 0 && view.shape_at == 1);

    // The call's field replaces a bound one of its name: then its keys do not stand in a row.
    bound = spy_str("short", "longer");
    n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, fields, &bound);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(spy__wire_intact(bytes, n, 3));
    assert_int_equal(view.record.field_count, COUNT);
    assert_string_equal(view.fields[0].key, "short");
    assert_int_equal(view.fields[0].len, 3);
    assert_true(view.shape == 0);
    assert_known_is_same(&view, bytes, n);
}

// Places by the hundred take each other's among those that are known.
static void many_places(void **state)
{
    (void)state;
    const struct spy__shape *shapes[150];
    char event[150][8];
    struct spy_field fields[3];
    struct spy__wire_view view;
    for (unsigned i = 0; i < 600; i++) {
        unsigned place = i < 150 ? i : (unsigned)(spy__random_u64() % 150);
        fields[0] = place % 2 ? spy_strn("path", "some", i % 5) : spy_strn("iban", "some", i % 5);
        fields[1] = place % 3 ? spy_int("tokens", -(int)i) : spy_uint("password", i);
        fields[2] = spy_double("d", 0.5);
        if (i == place) {
            (void)snprintf(event[i], sizeof(event[i]), "e%u", i);
            shapes[i] = spy__shape_make(event[i], NULL, fields, 3);
            assert_true(shapes[i] != &spy__shape_none);
        }
        size_t n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shapes[place], fields, NULL);
        assert_int_equal(spy__wire_read(&view, bytes, n), 0);
        assert_string_equal(view.record.event, event[place]);
        assert_string_equal(view.fields[1].key, fields[1].key);
        assert_known_is_same(&view, bytes, n);
    }
}

// What may change, or is more than numbers and strings, has no shape.
static void without_a_shape(void **state)
{
    (void)state;
    static const uintptr_t addresses[] = { 1, 2 };
    char key[8] = "key";
    const char *volatile any = key;
    const struct spy_field odd[] = { spy_int(any, 1), spy_int(NULL, 1), spy_int("", 1),
                                     spy_addrs("stack", addresses, 2), spy_str("s", NULL) };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_ptr_equal(spy__shape_make("e", NULL, &odd[i], 1), &spy__shape_none);
    }
    const struct spy_field twice[] = { spy_int("k", 1), spy_str("k", "x") };
    assert_ptr_equal(spy__shape_make("e", NULL, twice, 2), &spy__shape_none);
    assert_true(spy__shape_make("e", NULL, twice, 1) != &spy__shape_none);
    static char longest[SPY__SHAPE_BYTES_MAX + 1];
    memset(longest, 'x', SPY__SHAPE_BYTES_MAX);
    assert_ptr_equal(spy__shape_make(longest, NULL, NULL, 0), &spy__shape_none);
    assert_false(spy__shape_fits(&spy__shape_none, NULL, NULL, NULL, 0));
}

// Another call than the one that it was made of.
static void fits(void **state)
{
    (void)state;
    struct spy_field fields[COUNT];
    sample(fields);
    const struct spy__shape *shape = shape_of(fields, COUNT);
    char other[] = "cached";
    assert_false(spy__shape_fits(shape, "other", shape->module, fields, COUNT));
    assert_false(spy__shape_fits(shape, shape->event, NULL, fields, COUNT));
    assert_false(spy__shape_fits(shape, shape->event, shape->module, fields, COUNT - 1));
    fields[2] = spy_bool(other, true);
    assert_false(spy__shape_fits(shape, shape->event, shape->module, fields, COUNT));
    sample(fields);
    fields[3] = spy_str("short", NULL);
    assert_false(spy__shape_fits(shape, shape->event, shape->module, fields, COUNT));
}

// No byte can be changed without being told, but those of the padding; nothing is read past an end.
static void every_byte_counts(void **state)
{
    (void)state;
    struct spy_field fields[COUNT], bound = spy_int("bound", 1);
    struct spy__wire_view view;
    sample(fields);
    size_t n =
        write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape_of(fields, COUNT), fields, &bound);
    size_t end = n; // the last string is "abc"
    while (bytes[end - 1] != 'c') {
        end--;
    }
    for (size_t i = 0; i < end; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (unsigned char)(1 << bit);
            (void)spy__wire_read(&view, bytes, n); // must not fall over
            assert_false(spy__wire_intact(bytes, n, 3));
            bytes[i] ^= (unsigned char)(1 << bit);
        }
    }
    assert_true(spy__wire_intact(bytes, n, 3));
    for (size_t left = 0; left < n; left++) {
        assert_int_equal(spy__wire_read(&view, bytes, left), -ENODATA);
        assert_false(spy__wire_intact(bytes, left, 3));
    }
}

// Random bytes behind a good head: no reading past the end (ASan), no endless loop.
static void any_bytes(void **state)
{
    (void)state;
    struct spy_field fields[COUNT], bound = spy_int("bound", 1);
    sample(fields);
    size_t n =
        write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape_of(fields, COUNT), fields, &bound);
    unsigned char *copy = malloc(n);
    assert_non_null(copy);
    spy__random_seed(9);
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, bytes, n);
        for (uint64_t r = spy__random_u64(); r & 3; r >>= 2) {
            copy[spy__random_u64() % n] = (unsigned char)spy__random_u64();
        }
        struct spy__wire_view view;
        if (spy__wire_read(&view, copy, n) == 0) {
            assert_true(view.record.field_count <= SPY_FIELDS_MAX);
            assert_true(strlen(view.record.event) < n);
            assert_known_is_same(&view, copy, n);
        }
        (void)spy__wire_intact(copy, n, 3);
    }
    free(copy);
}

// Too small a place, and a string that must be cut: the put fails, and nothing is written past the
// end and the slack.
static void limits(void **state)
{
    (void)state;
    struct spy_field fields[COUNT];
    sample(fields);
    const struct spy__shape *shape = shape_of(fields, COUNT);
    size_t n = write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, fields, NULL);
    for (size_t cap = 0; cap < n; cap += 8) {
        memset(bytes, 0xee, n + 2 * SPY__WIRE_SLACK);
        assert_int_equal(write_shaped(cap, shape, fields, NULL), 0);
        for (size_t i = cap + SPY__WIRE_SLACK; i < n + 2 * SPY__WIRE_SLACK; i++) {
            assert_int_equal(bytes[i], 0xee);
        }
    }
    assert_int_equal(write_shaped(n, shape, fields, NULL), n);
    static char longest[SPY__FIELD_STR_MAX + 1];
    fields[3] = spy_strn("short", longest, sizeof(longest) - 1);
    assert_true(write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, fields, NULL) > 0);
    fields[3] = spy_strn("short", longest, sizeof(longest));
    assert_int_equal(write_shaped(sizeof(bytes) - SPY__WIRE_SLACK, shape, fields, NULL), 0);
}

// Once no room is left for them, places go without.
static void no_room_left(void **state)
{
    (void)state;
    unsigned made = 0;
    while (made < 10000 && spy__shape_make("e", NULL, NULL, 0) != &spy__shape_none) {
        made++;
    }
    assert_in_range(made, 100, 9999);
    assert_ptr_equal(spy__shape_make("e", NULL, NULL, 0), &spy__shape_none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back), cmocka_unit_test(bound_fields),
        cmocka_unit_test(many_places),    cmocka_unit_test(without_a_shape),
        cmocka_unit_test(fits),           cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(any_bytes),      cmocka_unit_test(limits),
        cmocka_unit_test(no_room_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
