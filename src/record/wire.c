// Reading a record back; see the headers.

#include "record/wire.h"

#include <errno.h>

#include "record/known_shapes.h"
#include "record/mask/keys.h"
#include "record/wire_take.h"

// The field of the same key before the one at `last`, or NULL. `seen` has a bit for every key there,
// so that few are compared.
static inline struct spy_field *find_same(struct spy__wire_view *view, size_t last, uint64_t bit,
                                          uint64_t *seen)
{
    if (__builtin_expect(!(*seen & bit), 1)) {
        *seen |= bit;
        return NULL;
    }
    for (size_t i = 0; i < last; i++) {
        if (strcmp(view->fields[i].key, view->fields[last].key) == 0) {
            return &view->fields[i];
        }
    }
    return NULL;
}

// The fields of a view while they are read. Each is read into the place behind the last one.
struct fields {
    struct spy__wire_view *view;
    struct spy__keys *keys; // NULL: they are not looked up
    size_t count;
    uint64_t seen; // see find_same()
};

// Keeps what was read behind the last one where its key is a new one.
static inline void keep_field(struct fields *fields, size_t key_bytes)
{
    struct spy__wire_view *view = fields->view;
    const struct spy_field *field = &view->fields[fields->count];
    const struct spy__key_numbers numbers = spy__key_numbers(field->key, key_bytes - 1);
    struct spy_field *same = find_same(view, fields->count, spy__key_bit(&numbers), &fields->seen);
    size_t at = fields->count;
    if (__builtin_expect(same != NULL, 0)) {
        at = (size_t)(same - view->fields);
        *same = *field;
    } else if (__builtin_expect(at == SPY_FIELDS_MAX, 0)) {
        view->fields_dropped++;
        return;
    } else {
        fields->count++;
    }
    if (fields->keys) {
        view->keys[at] = spy__keys_find(fields->keys, field->key, key_bytes - 1, &numbers);
    }
}

static inline bool take_fields(struct spy__cursor *c, struct fields *fields, size_t n)
{
    size_t key_bytes;
    for (; n > 0; n--) {
        if (!spy__take_field(c, &fields->view->fields[fields->count], &key_bytes)) {
            return false;
        }
        keep_field(fields, key_bytes);
    }
    return true;
}

// ---- shapes

// What c is at is the shape's values, then their strings.
static inline bool take_values(struct spy__cursor *c, struct fields *fields,
                               struct spy__shape_parts *shape)
{
    const unsigned char *values, *s;
    if (!spy__take(c, shape->count * 8, &values)) {
        return false;
    }
    for (size_t i = 0; i < shape->count; i++) {
        struct spy_field *field = &fields->view->fields[fields->count];
        size_t key_bytes;
        const uint64_t value = spy__wire_load8(values + i * 8);
        if (!spy__take_key(shape, i, field, &key_bytes)) {
            return false;
        }
        if (field->type == SPY_FIELD_STR) {
            if (!spy__take(c, value, &s)) {
                return false;
            }
            field->len = value;
            field->value.s = (const char *)s;
        } else {
            field->value.u = value;
            if (field->type == SPY_FIELD_BOOL) {
                field->value.b = value != 0;
            }
        }
        keep_field(fields, key_bytes);
    }
    return true;
}

// What stands between a shape of `count` fields and its values.
static inline bool take_bound(struct spy__cursor *c, struct fields *fields,
                              const struct spy__wire_head *head, size_t count)
{
    if (head->module_bytes != 0 || head->field_count < count ||
        !take_fields(c, fields, head->field_count - count)) {
        return false;
    }
    fields->view->shape_at = (unsigned)fields->count;
    return true;
}

// The shape's own fields. Where a bound one has a key of it, the view has no shape.
static bool take_own(struct spy__cursor *c, struct fields *fields, struct spy__shape_parts *shape)
{
    if (!take_values(c, fields, shape)) {
        return false;
    }
    struct spy__wire_view *view = fields->view;
    view->shape = view->shape_at + shape->count == fields->count ? shape->hash : 0;
    return true;
}

static bool take_new_shape(struct spy__cursor *c, struct fields *fields,
                           const struct spy__wire_head *head, const unsigned char *s)
{
    struct spy__wire_view *view = fields->view;
    struct spy__cursor at = { c->start, s, c->end };
    struct spy__shape_parts shape;
    if (!spy__take_shape(&at, &shape, head->event_bytes)) {
        return false;
    }
    view->record.event = shape.event;
    view->record.module = shape.module;
    if (!take_bound(c, fields, head, shape.count) || !take_own(c, fields, &shape)) {
        return false;
    }
    if (fields->keys && view->shape != 0) {
        spy__known_shape_add(fields->keys, s, head->event_bytes, view, fields->count);
    }
    return true;
}

static inline bool take_known_shape(struct spy__cursor *c, struct fields *fields,
                                    const struct spy__wire_head *head,
                                    struct spy__known_shape *known, const unsigned char *s)
{
    struct spy__wire_view *view = fields->view;
    view->record.event = (const char *)s + known->event_at;
    view->record.module = known->module_at ? (const char *)s + known->module_at : NULL;
    if (!take_bound(c, fields, head, known->count)) {
        return false;
    }
    if ((known->key_bits & fields->seen) || fields->count + known->count > SPY_FIELDS_MAX) {
        struct spy__cursor at = { c->start, s, c->end };
        struct spy__shape_parts shape;
        return spy__take_shape(&at, &shape, head->event_bytes) && take_own(c, fields, &shape);
    }
    c->at = spy__known_shape_read(known, s, view, fields->count, c->at, c->end);
    fields->count += known->count;
    view->shape = known->hash;
    return c->at != NULL;
}

// The parts from the shape on.
static inline bool take_shaped(struct spy__cursor *c, struct fields *fields,
                               const struct spy__wire_head *head)
{
    const unsigned char *s;
    if (!spy__take(c, head->event_bytes, &s)) {
        return false;
    }
    struct spy__known_shape *known =
        fields->keys ? spy__known_shape_find(fields->keys, s, head->event_bytes) : NULL;
    return known ? take_known_shape(c, fields, head, known, s) : take_new_shape(c, fields, head, s);
}

// The parts from the event on.
static inline bool take_plain(struct spy__cursor *c, struct fields *fields,
                              const struct spy__wire_head *head)
{
    struct spy__record *record = &fields->view->record;
    return spy__take_text(c, head->event_bytes, &record->event) &&
           (head->module_bytes == 0 || spy__take_text(c, head->module_bytes, &record->module)) &&
           take_fields(c, fields, head->field_count);
}

static bool take_words(struct spy__cursor *c, uint64_t *x, uint64_t *y)
{
    return spy__take_u64(c, x) && spy__take_u64(c, y);
}

static bool take_extras(struct spy__cursor *c, struct spy__record *record, unsigned flags)
{
    uint64_t slot = 0, rest;
    bool good =
        (!(flags & SPY__WIRE_TIME) || take_words(c, &record->time_ns, &record->duration_ns)) &&
        (!(flags & SPY__WIRE_PARENT) || take_words(c, &record->parent_id, &rest)) &&
        (!(flags & SPY__WIRE_ID) || take_words(c, &record->id.run, &slot)) &&
        (!(flags & SPY__WIRE_EVENT) || take_words(c, &record->event_hi, &record->event_lo));
    record->id.slot = (uint32_t)slot;
    return good && slot <= UINT32_MAX;
}

static bool take_context(struct spy__cursor *c, struct spy__record *record, size_t n)
{
    if (n == 0) {
        return true;
    }
    return n > 16 && spy__take_u64(c, &record->trace_hi) && spy__take_u64(c, &record->trace_lo) &&
           spy__take_text(c, n - 16, &record->correlation_id);
}

// Part by part: compilers clear a struct of this size by an instruction that takes longer than all
// these.
static inline void begin_record(struct spy__record *ret, const struct spy__wire_head *head)
{
    ret->kind = (enum spy__record_kind)head->kind;
    ret->level = (enum spy_level)head->level;
    ret->recovered = (head->flags & SPY__WIRE_RECOVERED) != 0;
    ret->root = (head->flags & SPY__WIRE_ROOT) != 0;
    ret->id.run = 0;
    ret->id.slot = 0;
    ret->id.sequence = head->sequence;
    ret->time_ns = ret->duration_ns = 0;
    ret->parent_id = 0;
    ret->correlation_id = "";
    ret->trace_hi = ret->trace_lo = 0;
    ret->span_id = head->span_id;
    ret->event = "";
    ret->module = NULL;
    ret->fields = NULL;
    ret->field_count = 0;
    ret->keys = NULL;
    ret->wire = NULL;
    ret->wire_bytes = head->bytes;
    ret->event_hi = ret->event_lo = 0;
}

static inline int read_record(struct spy__wire_view *ret, const void *bytes, size_t n,
                              struct spy__keys *keys)
{
    struct spy__wire_head head;
    int err = spy__take_head(&head, bytes, n);
    ret->bytes = err == 0 || err == -ENOTSUP ? head.bytes : 0;
    if (err != 0) {
        return err;
    }
    struct spy__record *record = &ret->record;
    begin_record(record, &head);
    record->fields = ret->fields;
    record->wire = bytes;
    ret->ticks = head.ticks;
    ret->fields_dropped = ret->shape_at = 0;
    ret->shape = 0;
    struct fields fields = { .view = ret, .keys = keys };
    struct spy__cursor c = { bytes, bytes, (const unsigned char *)bytes + head.bytes };
    c.at += sizeof(head);
    bool good = take_extras(&c, record, head.flags) &&
                take_context(&c, record, head.context_bytes) &&
                (head.flags & SPY__WIRE_SHAPE ? take_shaped(&c, &fields, &head)
                                              : take_plain(&c, &fields, &head));
    record->field_count = fields.count;
    return good ? 0 : -EBADMSG;
}

int spy__wire_read(struct spy__wire_view *ret, const void *bytes, size_t n)
{
    return read_record(ret, bytes, n, NULL);
}

int spy__wire_read_keys(struct spy__wire_view *ret, const void *bytes, size_t n,
                        struct spy__keys *keys)
{
    spy__keys_begin(keys);
    int err = read_record(ret, bytes, n, keys);
    ret->record.keys = ret->keys;
    return err;
}
