// Records as bytes: what is written is read back, whatever is cut or changed is told.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "record/wire.h"

static _Alignas(8) unsigned char bytes[SPY__RECORD_MAX + SPY__WIRE_SLACK];

static const uintptr_t addresses[] = { 0x1000, 0x2000, 0x3000 };

// One of everything.
static struct spy__record sample(const struct spy_field *fields, size_t n)
{
    return (struct spy__record){ .kind = SPY__KIND_SPAN,
                                 .level = SPY_LEVEL_WARN,
                                 .recovered = true,
                                 .root = true,
                                 .id = { .run = 0xabcdef01, .slot = 63, .sequence = 77 },
                                 .time_ns = 1700000000123456789u,
                                 .duration_ns = 1234,
                                 .parent_id = 0x11,
                                 .correlation_id = "0123456789-abcdef",
                                 .trace_hi = 1,
                                 .trace_lo = 2,
                                 .span_id = 3,
                                 .event = "agent",
                                 .module = "pipeline",
                                 .fields = fields,
                                 .field_count = n,
                                 .event_hi = 4,
                                 .event_lo = 5 };
}

static size_t sample_fields(struct spy_field fields[8])
{
    size_t n = 0;
    fields[n++] = spy_int("int", -5);
    fields[n++] = spy_addrs("stack", addresses, 3);
    fields[n++] = spy_uint("uint_with_a_key_of_more_than_sixteen_bytes", UINT64_MAX);
    fields[n++] = spy_double("double", 0.5);
    fields[n++] = spy_bool("bool", true);
    fields[n++] = spy_strn("bytes", "a\0b", 3);
    fields[n++] = spy_str("empty", "");
    return n;
}

static void assert_same_field(const struct spy_field *a, const struct spy_field *b)
{
    assert_string_equal(a->key, b->key);
    assert_int_equal(a->type, b->type);
    switch (a->type) {
    case SPY_FIELD_STR:
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->value.s, b->value.s, b->len);
        break;
    case SPY_FIELD_ADDRS:
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->value.addrs, b->value.addrs, b->len * sizeof(uintptr_t));
        break;
    case SPY_FIELD_BOOL:
        assert_true(a->value.b == b->value.b);
        break;
    default:
        assert_true(a->value.u == b->value.u);
    }
}

static void there_and_back(void **state)
{
    (void)state;
    struct spy_field fields[8];
    struct spy__record record = sample(fields, sample_fields(fields));
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    assert_true(n > 0 && n % 8 == 0);
    struct spy__wire_view view;
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(spy__wire_intact(bytes, n, 0));
    assert_false(spy__wire_intact(bytes, n, 1));
    const struct spy__record *r = &view.record;
    assert_int_equal(view.bytes, n);
    assert_int_equal(r->kind, SPY__KIND_SPAN);
    assert_int_equal(r->level, SPY_LEVEL_WARN);
    assert_true(r->recovered);
    assert_true(r->root);
    assert_true(r->id.run == 0xabcdef01 && r->id.slot == 63 && r->id.sequence == 77);
    assert_true(r->time_ns == record.time_ns && r->duration_ns == 1234 && r->parent_id == 0x11);
    assert_true(r->event_hi == 4 && r->event_lo == 5);
    assert_string_equal(r->correlation_id, record.correlation_id);
    assert_true(r->trace_hi == 1 && r->trace_lo == 2 && r->span_id == 3);
    assert_string_equal(r->event, "agent");
    assert_string_equal(r->module, "pipeline");
    assert_int_equal(r->field_count, record.field_count);
    for (size_t i = 0; i < r->field_count; i++) {
        assert_same_field(&r->fields[i], &fields[i]);
    }
}

static void the_least(void **state)
{
    (void)state;
    struct spy__record record = { .level = SPY_LEVEL_INFO, .correlation_id = "", .event = "" };
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    struct spy__wire_view view;
    assert_int_equal(n, sizeof(struct spy__wire_head) + 8);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_true(spy__wire_intact(bytes, n, 0));
    assert_null(view.record.module);
    assert_string_equal(view.record.correlation_id, "");
    assert_int_equal(view.record.field_count, 0);
    assert_int_equal(view.record.time_ns, 0);
}

// A record as it lies in a ring has its time and id from there: a copy has them itself.
static void copy_from_a_ring(struct spy__record record, const struct spy_field *fields)
{
    static _Alignas(8) unsigned char copy[SPY__RECORD_MAX];
    struct spy__wire_view view, again;
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    const size_t times = record.time_ns | record.duration_ns ? 0 : 16; // that are not there yet
    for (uint64_t run = 0; run < 2; run++) {
        assert_int_equal(spy__wire_read(&view, bytes, n), 0);
        assert_ptr_equal(view.record.wire, bytes);
        view.record.time_ns = 1700000000123456789u;
        view.record.recovered = run != 0;
        view.record.id = (struct spy__record_id){ .run = run, .slot = 7, .sequence = 99 };
        size_t m = n + times + 16 * run;
        memset(copy, 0xee, sizeof(copy));
        assert_int_equal(spy__wire_copy(copy, m - 1, &view.record), 0);
        assert_int_equal(spy__wire_copy(copy, m, &view.record), m);
        assert_int_equal(copy[m], 0xee);
        assert_int_equal(spy__wire_read(&again, copy, m), 0);
        const struct spy__record *r = &again.record;
        assert_true(r->time_ns == 1700000000123456789u && r->duration_ns == record.duration_ns);
        assert_true(r->parent_id == record.parent_id && r->root == record.root);
        assert_true(r->id.run == run && r->id.slot == (run ? 7 : 0));
        assert_true(r->id.sequence == (run ? 99 : 0) && r->recovered == (run != 0));
        assert_string_equal(r->correlation_id, record.correlation_id);
        assert_true(r->trace_hi == 1 && r->trace_lo == 2 && r->span_id == 3);
        assert_string_equal(r->event, "agent");
        assert_string_equal(r->module, "pipeline");
        assert_int_equal(r->field_count, record.field_count);
        for (size_t i = 0; i < r->field_count; i++) {
            assert_same_field(&r->fields[i], &fields[i]);
        }
        // One that has an id is not given another.
        assert_int_equal(spy__wire_copy(bytes, sizeof(bytes), r), run ? 0 : m);
        assert_int_equal(spy__wire_write(bytes, sizeof(bytes), &record), n);
    }
    view.record.wire = NULL;
    assert_int_equal(spy__wire_copy(copy, sizeof(copy), &view.record), 0);
}

static void copied_from_a_ring(void **state)
{
    (void)state;
    struct spy_field fields[8];
    struct spy__record record = sample(fields, sample_fields(fields));
    record.kind = SPY__KIND_LOG;
    record.recovered = record.root = false;
    record.id.run = record.time_ns = record.duration_ns = record.parent_id = 0;
    record.event_hi = record.event_lo = 0;
    copy_from_a_ring(record, fields);
    record.kind = SPY__KIND_SPAN;
    record.duration_ns = 250000;
    copy_from_a_ring(record, fields);
    record.parent_id = 11;
    record.time_ns = 5;
    record.root = true;
    copy_from_a_ring(record, fields);
    record.time_ns = record.duration_ns = 0;
    copy_from_a_ring(record, fields);
    record.event_lo = 1; // an event's: it is written anew
    assert_true(spy__wire_write(bytes, sizeof(bytes), &record) > 0);
    struct spy__wire_view view;
    assert_int_equal(spy__wire_read(&view, bytes, sizeof(bytes)), 0);
    static _Alignas(8) unsigned char copy[SPY__RECORD_MAX];
    assert_int_equal(spy__wire_copy(copy, sizeof(copy), &view.record), 0);
}

// Strings of every length that a copy treats in its own way.
static void all_lengths(void **state)
{
    (void)state;
    char text[200], key[100];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 26);
    }
    for (size_t len = 0; len < sizeof(text); len++) {
        size_t key_len = 1 + len % (sizeof(key) - 1);
        memset(key, 'k', key_len);
        key[key_len] = '\0';
        struct spy_field field = spy_strn(key, text, len);
        struct spy__record record = { .level = SPY_LEVEL_INFO,
                                      .correlation_id = "",
                                      .event = key,
                                      .fields = &field,
                                      .field_count = 1 };
        size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
        struct spy__wire_view view;
        assert_int_equal(spy__wire_read(&view, bytes, n), 0);
        assert_true(spy__wire_intact(bytes, n, 0));
        assert_string_equal(view.record.event, key);
        assert_same_field(&view.record.fields[0], &field);
    }
}

// No byte can be changed without being told, but those of the padding.
static void every_byte_counts(void **state)
{
    (void)state;
    struct spy_field fields[8];
    struct spy__record record = sample(fields, sample_fields(fields) - 1);
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    size_t end = n; // the last field is a string of 3 bytes
    while (bytes[end - 1] != 'b') {
        end--;
    }
    for (size_t i = 0; i < end; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (unsigned char)(1 << bit);
            bool padding = bytes[i] == 1 << bit; // before the addresses, and of an extra: zeros
            struct spy__wire_view view;
            (void)spy__wire_read(&view, bytes, n); // must not fall over
            if (spy__wire_intact(bytes, n, 0)) {
                assert_true(padding);
            }
            bytes[i] ^= (unsigned char)(1 << bit);
        }
    }
    assert_true(spy__wire_intact(bytes, n, 0));
}

static void cut_short(void **state)
{
    (void)state;
    struct spy_field fields[8];
    struct spy__record record = sample(fields, sample_fields(fields));
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    struct spy__wire_view view;
    for (size_t left = 0; left < n; left++) {
        assert_int_equal(spy__wire_read(&view, bytes, left), -ENODATA);
        assert_false(spy__wire_intact(bytes, left, 0));
    }
    // A part that says it is longer than the record.
    struct spy__wire_head head;
    memcpy(&head, bytes, sizeof(head));
    head.event_bytes = 1u << 30;
    memcpy(bytes, &head, sizeof(head));
    assert_int_equal(spy__wire_read(&view, bytes, n), -EBADMSG);
}

static void another_version(void **state)
{
    (void)state;
    struct spy__record record = { .level = SPY_LEVEL_INFO, .correlation_id = "", .event = "x" };
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    struct spy__wire_view view;
    bytes[4] = SPY__WIRE_VERSION + 1;
    assert_int_equal(spy__wire_read(&view, bytes, n), -ENOTSUP);
    assert_int_equal(view.bytes, n); // so that it can be skipped
    assert_false(spy__wire_intact(bytes, n, 0));
}

static void limits(void **state)
{
    (void)state;
    // Too small a place, byte by byte; nothing is written past its end.
    struct spy_field fields[8];
    struct spy__record record = sample(fields, sample_fields(fields));
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    for (size_t cap = 0; cap < n + SPY__WIRE_SLACK; cap++) {
        unsigned char *place = malloc(cap ? cap : 1); // 16-aligned, its end seen by ASan
        assert_non_null(place);
        assert_int_equal(spy__wire_write(place, cap, &record), 0);
        free(place);
    }
    assert_int_equal(spy__wire_write(bytes, n + SPY__WIRE_SLACK, &record), n);

    // The longest strings: a dozen fit, a long event does not.
    static char text[SPY__RECORD_MAX + 1];
    memset(text, 'x', sizeof(text) - 1);
    struct spy_field longest[20];
    char keys[20][4];
    for (int i = 0; i < 20; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%d", i);
        longest[i] = spy_strn(keys[i], text, sizeof(text) - 1);
    }
    record = (struct spy__record){ .level = SPY_LEVEL_INFO, .correlation_id = "", .event = "x" };
    record.fields = longest;
    record.field_count = 15;
    struct spy__wire_view view;
    n = spy__wire_write(bytes, sizeof(bytes), &record);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_int_equal(view.record.fields[14].len, SPY__FIELD_STR_MAX);
    record.field_count = 16;
    assert_int_equal(spy__wire_write(bytes, sizeof(bytes), &record), 0);
    record.field_count = 0;
    record.event = text;
    assert_int_equal(spy__wire_write(bytes, sizeof(bytes), &record), 0);
    record.event = "x";
    struct spy_field many = spy_addrs("many", addresses, SIZE_MAX);
    record.fields = &many;
    record.field_count = 1;
    assert_int_equal(spy__wire_write(bytes, sizeof(bytes), &record), 0);
}

// The last of a name wins, in the first one's place; more names than a record holds are counted;
// what is no field is left out.
static void names(void **state)
{
    (void)state;
    struct spy_field fields[SPY_FIELDS_MAX + 5];
    char keys[SPY_FIELDS_MAX + 5][8];
    for (int i = 0; i < SPY_FIELDS_MAX + 3; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        fields[i] = spy_int(keys[i], i);
    }
    fields[SPY_FIELDS_MAX + 3] = spy_str("k0", "again");
    fields[SPY_FIELDS_MAX + 4] = spy_str("k31", "again");
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "x",
                                  .fields = fields,
                                  .field_count = SPY_FIELDS_MAX + 5 };
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    struct spy__wire_view view;
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_int_equal(view.record.field_count, SPY_FIELDS_MAX);
    assert_int_equal(view.fields_dropped, 3);
    assert_string_equal(view.fields[0].key, "k0");
    assert_int_equal(view.fields[0].type, SPY_FIELD_STR);
    assert_int_equal(view.fields[30].value.i, 30);
    assert_int_equal(view.fields[31].type, SPY_FIELD_STR);

    struct spy_field odd[] = { spy_int(NULL, 1),
                               spy_int("", 1),
                               spy_str("none", NULL),
                               { .key = "type", .type = (enum spy_field_type)99 },
                               spy_int("good", 1) };
    record.fields = odd;
    record.field_count = 5;
    n = spy__wire_write(bytes, sizeof(bytes), &record);
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_int_equal(view.record.field_count, 1);
    assert_string_equal(view.fields[0].key, "good");
}

// A long string is cut between characters.
static void cut_at_a_character(void **state)
{
    (void)state;
    static char text[SPY__FIELD_STR_MAX + 8];
    memset(text, 'x', sizeof(text));
    memcpy(text + SPY__FIELD_STR_MAX - 1, "\xc3\xa9", 2);
    struct spy_field field = spy_strn("text", text, sizeof(text));
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "",
                                  .event = "x",
                                  .fields = &field,
                                  .field_count = 1 };
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    struct spy__wire_view view;
    assert_int_equal(spy__wire_read(&view, bytes, n), 0);
    assert_int_equal(view.fields[0].len, SPY__FIELD_STR_MAX - 1);
}

// Random bytes behind a good head: no reading past the end (ASan), no endless loop.
static void any_bytes(void **state)
{
    (void)state;
    spy__random_seed(5);
    struct spy_field fields[8];
    struct spy__record record = sample(fields, sample_fields(fields));
    size_t n = spy__wire_write(bytes, sizeof(bytes), &record);
    unsigned char *copy = malloc(n);
    assert_non_null(copy);
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, bytes, n);
        for (uint64_t r = spy__random_u64(); r & 3; r >>= 2) {
            size_t at = spy__random_u64() % n;
            copy[at] = (unsigned char)spy__random_u64();
        }
        struct spy__wire_view view;
        int err = spy__wire_read(&view, copy, n);
        if (err == 0 && memcmp(copy, bytes, n) == 0) {
            assert_true(spy__wire_intact(copy, n, 0));
        }
        if (err == 0) {
            assert_true(view.record.field_count <= SPY_FIELDS_MAX);
            assert_true(strlen(view.record.event) < n);
        }
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(the_least),
        cmocka_unit_test(copied_from_a_ring),
        cmocka_unit_test(all_lengths),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(another_version),
        cmocka_unit_test(limits),
        cmocka_unit_test(names),
        cmocka_unit_test(cut_at_a_character),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
