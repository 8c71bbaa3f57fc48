// A record read from any bytes: nothing is read past their end, every string ends, and what is whole
// is the same when it is written and read again.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record/mask/keys.h"
#include "record/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine) {
        abort();
    }
}

// Reads every byte that the view points to.
static void look_at(const struct spy__wire_view *view)
{
    const struct spy__record *r = &view->record;
    size_t sum = strlen(r->event) + strlen(r->correlation_id) + (r->module ? strlen(r->module) : 0);
    check(r->field_count <= SPY_FIELDS_MAX && r->fields == view->fields);
    for (size_t i = 0; i < r->field_count; i++) {
        const struct spy_field *f = &r->fields[i];
        check(f->type > SPY_FIELD_NONE && f->type <= SPY_FIELD_ADDRS && f->key[0]);
        for (size_t j = 0; f->type == SPY_FIELD_STR && j < f->len; j++) {
            sum += (unsigned char)f->value.s[j];
        }
        for (size_t j = 0; f->type == SPY_FIELD_ADDRS && j < f->len; j++) {
            sum += f->value.addrs[j];
        }
    }
    __asm__ volatile("" : : "r"(sum));
}

static void check_same(const struct spy__record *a, const struct spy__record *b)
{
    check(a->kind == b->kind && a->level == b->level && a->span_id == b->span_id &&
          a->trace_hi == b->trace_hi && a->trace_lo == b->trace_lo && a->time_ns == b->time_ns &&
          a->parent_id == b->parent_id && strcmp(a->event, b->event) == 0 &&
          strcmp(a->correlation_id, b->correlation_id) == 0 && b->field_count <= a->field_count);
    // Keys that have a NUL inside are the same once they are cut there.
    for (size_t i = 0; a->field_count == b->field_count && i < a->field_count; i++) {
        check(a->fields[i].type == b->fields[i].type);
        check(strcmp(a->fields[i].key, b->fields[i].key) == 0);
    }
}

// Reading with a table of keys finds the same record, and keys that are the fields' own.
static void check_keys(const struct spy__wire_view *view, const unsigned char *bytes, size_t size)
{
    static struct spy__keys keys; // what it knows from other inputs must not matter
    static struct spy__wire_view keyed;
    check(keys.shapes || spy__keys_init(&keys, NULL) == 0);
    check(spy__wire_read_keys(&keyed, bytes, size, &keys) == 0); // knows its shape from here on
    check(spy__wire_read_keys(&keyed, bytes, size, &keys) == 0);
    check(keyed.shape == view->shape && keyed.shape_at == view->shape_at);
    check(keyed.record.event == view->record.event && keyed.record.module == view->record.module);
    check(keyed.bytes == view->bytes && keyed.fields_dropped == view->fields_dropped);
    check(keyed.record.field_count == view->record.field_count && keyed.record.keys == keyed.keys);
    for (size_t i = 0; i < view->record.field_count; i++) {
        const char *text = view->record.fields[i].key;
        const struct spy__key *key = keyed.keys[i];
        const struct spy_field *a = &keyed.record.fields[i], *b = &view->record.fields[i];
        check(a->key == text && a->type == b->type && a->len == b->len);
        check(a->type == SPY_FIELD_BOOL ? a->value.b == b->value.b : a->value.u == b->value.u);
        if (key) {
            struct spy__key_numbers numbers = spy__key_numbers(text, key->len);
            check(key->len > 0 && text[key->len] == '\0' && key->first == numbers.first);
            check(key->middle == numbers.middle && key->last == numbers.last);
            check(key->kind == spy__key_kind(NULL, text, key->len));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(8) unsigned char again[SPY__RECORD_MAX + SPY__WIRE_SLACK];
    struct spy__wire_view view, second;
    unsigned char *bytes = malloc(size ? size : 1); // 16-aligned
    if (!bytes) {
        return 0;
    }
    memcpy(bytes, data, size);
    int err = spy__wire_read(&view, bytes, size);
    check(err == 0 || err == -ENODATA || err == -ENOTSUP || err == -EBADMSG);
    if (err == 0) {
        check(view.bytes > 0 && view.bytes <= size);
        look_at(&view);
        check_keys(&view, bytes, size);
        size_t n = spy__wire_write(again, sizeof(again), &view.record);
        if (n > 0) {
            check(spy__wire_intact(again, n, 0) && spy__wire_read(&second, again, n) == 0);
            check_same(&view.record, &second.record);
        }
    }
    (void)spy__wire_intact(bytes, size, 0);
    free(bytes);
    return 0;
}
