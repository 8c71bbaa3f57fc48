// Reading a record back, and its check; see the headers.

#include "record/wire.h"

#include <errno.h>

#include "record/mask/keys.h"
#include "record/wire_put.h"

// ---- reading

// What is left of a record's bytes.
struct cursor {
    const unsigned char *start, *at, *end;
};

static bool take(struct cursor *c, size_t n, const unsigned char **ret)
{
    if (n > (size_t)(c->end - c->at)) {
        return false;
    }
    *ret = c->at;
    c->at += n;
    return true;
}

static bool take_u64(struct cursor *c, uint64_t *ret)
{
    const unsigned char *s;
    if (!take(c, 8, &s)) {
        return false;
    }
    memcpy(ret, s, 8);
    return true;
}

// A string of n bytes that ends in its NUL.
static bool take_text(struct cursor *c, size_t n, const char **ret)
{
    const unsigned char *s;
    if (n == 0 || !take(c, n, &s) || s[n - 1] != '\0') {
        return false;
    }
    *ret = (const char *)s;
    return true;
}

// The parts' bounds are checked at once: none of the sums is anywhere near its type's end.
static inline bool take_field(struct cursor *c, struct spy_field *field, size_t *ret_key_bytes)
{
    const size_t left = (size_t)(c->end - c->at);
    if (left < 8) {
        return false;
    }
    const uint64_t word = spy__wire_load8(c->at);
    const unsigned type = word & 0xff;
    const size_t key_bytes = word >> 8 & 0xffffff, value_bytes = word >> 32;
    const size_t number_bytes = type < SPY_FIELD_STR ? 8 : 0, head = 8 + number_bytes + key_bytes;
    const size_t pad = type == SPY_FIELD_ADDRS ? ((size_t)(c->start - c->at) - head) & 7 : 0;
    if (type == SPY_FIELD_NONE || type > SPY_FIELD_ADDRS || key_bytes < 2 ||
        head + pad + value_bytes > left) {
        return false;
    }
    const unsigned char *number = c->at + 8, *key = number + number_bytes,
                        *value = c->at + head + pad;
    field->key = (const char *)key;
    field->type = (enum spy_field_type)type;
    field->len = value_bytes;
    field->value.s = (const char *)value;
    bool good = key[0] != '\0' && key[key_bytes - 1] == '\0';
    if (type < SPY_FIELD_STR) {
        const uint64_t v = spy__wire_load8(number);
        good = good && value_bytes == 0;
        field->value.u = v;
        if (type == SPY_FIELD_BOOL) {
            field->value.b = v != 0;
        }
    } else if (type == SPY_FIELD_ADDRS) {
        good = good && value_bytes % sizeof(uintptr_t) == 0;
        field->value.addrs = (const uintptr_t *)(const void *)value;
        field->len = value_bytes / sizeof(uintptr_t);
    }
    c->at = value + value_bytes;
    *ret_key_bytes = key_bytes;
    return good;
}

// The field of the same key before the one at `last`, or NULL. `seen` has a bit for every key there,
// so that few are compared.
static inline struct spy_field *find_same(struct spy__wire_view *view, size_t last, uint64_t hash,
                                          uint64_t *seen)
{
    const uint64_t bit = UINT64_C(1) << (hash >> 58);
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
    struct spy_field *same = find_same(view, fields->count, numbers.hash, &fields->seen);
    if (__builtin_expect(same != NULL, 0)) {
        *same = *field;
    } else if (__builtin_expect(fields->count == SPY_FIELDS_MAX, 0)) {
        view->fields_dropped++;
    } else {
        if (fields->keys) {
            view->keys[fields->count] =
                spy__keys_find(fields->keys, field->key, key_bytes - 1, &numbers);
        }
        fields->count++;
    }
}

static inline bool take_fields(struct cursor *c, struct fields *fields, size_t n)
{
    size_t key_bytes;
    for (; n > 0; n--) {
        if (!take_field(c, &fields->view->fields[fields->count], &key_bytes)) {
            return false;
        }
        keep_field(fields, key_bytes);
    }
    return true;
}

// ---- shapes

struct shape {
    uint64_t hash;
    const char *event, *module;
    size_t count;
    const unsigned char *words;
    struct cursor keys; // that are left
};

static bool take_shape(struct cursor *c, struct shape *ret, size_t n)
{
    struct spy__wire_shape head;
    const unsigned char *s;
    if (n < sizeof(head) || n % 8 != 0 || !take(c, n, &s)) {
        return false;
    }
    memcpy(&head, s, sizeof(head));
    *ret = (struct shape){ .hash = head.hash,
                           .count = head.count,
                           .keys = { s, s + sizeof(head), s + n } };
    return head.count <= SPY_FIELDS_MAX &&
           take(&ret->keys, (head.count * sizeof(uint32_t) + 7) & ~(size_t)7, &ret->words) &&
           take_text(&ret->keys, head.event_bytes, &ret->event) &&
           (head.module_bytes == 0 || take_text(&ret->keys, head.module_bytes, &ret->module));
}

// The next of a shape's fields, without its value.
static bool take_key(struct shape *shape, size_t i, struct spy_field *field, size_t *ret_key_bytes)
{
    uint32_t word;
    memcpy(&word, shape->words + i * sizeof(word), sizeof(word));
    const unsigned type = word & 0xff;
    *ret_key_bytes = word >> 8;
    *field = (struct spy_field){ .type = (enum spy_field_type)type };
    return type > SPY_FIELD_NONE && type <= SPY_FIELD_STR && *ret_key_bytes >= 2 &&
           take_text(&shape->keys, *ret_key_bytes, &field->key) && field->key[0] != '\0';
}

// What c is at is the shape's values, then their strings.
static inline bool take_values(struct cursor *c, struct fields *fields, struct shape *shape)
{
    const unsigned char *values, *s;
    if (!take(c, shape->count * 8, &values)) {
        return false;
    }
    for (size_t i = 0; i < shape->count; i++) {
        struct spy_field *field = &fields->view->fields[fields->count];
        size_t key_bytes;
        const uint64_t value = spy__wire_load8(values + i * 8);
        if (!take_key(shape, i, field, &key_bytes)) {
            return false;
        }
        if (field->type == SPY_FIELD_STR) {
            if (!take(c, value, &s)) {
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

// The parts from the shape on.
static inline bool take_shaped(struct cursor *c, struct fields *fields,
                               const struct spy__wire_head *head)
{
    struct shape shape;
    struct spy__wire_view *view = fields->view;
    if (!take_shape(c, &shape, head->event_bytes) || head->module_bytes != 0 ||
        head->field_count < shape.count) {
        return false;
    }
    view->record.event = shape.event;
    view->record.module = shape.module;
    if (!take_fields(c, fields, head->field_count - shape.count)) {
        return false;
    }
    view->shape_at = (unsigned)fields->count;
    if (!take_values(c, fields, &shape)) {
        return false;
    }
    view->shape = view->shape_at + shape.count == fields->count ? shape.hash : 0;
    return true;
}

// The parts from the event on.
static inline bool take_plain(struct cursor *c, struct fields *fields,
                              const struct spy__wire_head *head)
{
    struct spy__record *record = &fields->view->record;
    return take_text(c, head->event_bytes, &record->event) &&
           (head->module_bytes == 0 || take_text(c, head->module_bytes, &record->module)) &&
           take_fields(c, fields, head->field_count);
}

static bool take_words(struct cursor *c, uint64_t *x, uint64_t *y)
{
    return take_u64(c, x) && take_u64(c, y);
}

static bool take_extras(struct cursor *c, struct spy__record *record, unsigned flags)
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

static bool take_context(struct cursor *c, struct spy__record *record, size_t n)
{
    if (n == 0) {
        return true;
    }
    return n > 16 && take_u64(c, &record->trace_hi) && take_u64(c, &record->trace_lo) &&
           take_text(c, n - 16, &record->correlation_id);
}

// The head of the record at the start of n bytes. Returns as spy__wire_read().
static int read_head(struct spy__wire_head *head, const void *bytes, size_t n)
{
    if (n < sizeof(*head)) {
        return -ENODATA;
    }
    memcpy(head, bytes, sizeof(*head));
    if (head->bytes % 8 != 0 || head->bytes < sizeof(*head) || head->bytes > SPY__RECORD_MAX) {
        return -EBADMSG;
    }
    if (n < head->bytes) {
        return -ENODATA;
    }
    if (head->version != SPY__WIRE_VERSION) {
        return -ENOTSUP;
    }
    bool good = head->kind < SPY__KINDS && head->level >= SPY_LEVEL_DEBUG &&
                head->level <= SPY_LEVEL_ERROR && head->flags <= SPY__WIRE_FLAGS;
    return good ? 0 : -EBADMSG;
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
    int err = read_head(&head, bytes, n);
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
    struct cursor c = { bytes, bytes, (const unsigned char *)bytes + head.bytes };
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

// ---- the check

// A part that went in by its own sum.
static bool mix_blob(struct spy__wire_put *sum, struct cursor *c, size_t n)
{
    const unsigned char *s;
    if (n == 0) {
        return true;
    }
    if (!take(c, n, &s)) {
        return false;
    }
    spy__wire_mix(sum, spy__wire_pair(spy__wire_sum_of(s, n), n));
    return true;
}

static bool mix_text(struct spy__wire_put *sum, struct cursor *c, size_t n)
{
    const unsigned char *s;
    if (!take(c, n, &s)) {
        return false;
    }
    spy__wire_mix_text(sum, s, n);
    return true;
}

// Goes over the parts as spy__wire_put_record() and a log call write them.
static bool mix_parts(struct spy__wire_put *sum, struct cursor *c,
                      const struct spy__wire_head *head)
{
    for (unsigned flag = SPY__WIRE_TIME; flag <= SPY__WIRE_EVENT; flag <<= 1) {
        const unsigned char *s;
        if (head->flags & flag) {
            if (!take(c, 16, &s)) {
                return false;
            }
            spy__wire_mix(sum, spy__wire_load(s));
        }
    }
    return mix_blob(sum, c, head->context_bytes) &&
           (head->flags & SPY__WIRE_SHAPE ? mix_blob(sum, c, head->event_bytes)
                                          : mix_text(sum, c, head->event_bytes)) &&
           mix_text(sum, c, head->module_bytes) && mix_blob(sum, c, head->bound_bytes);
}

static bool mix_values(struct spy__wire_put *sum, struct cursor *c, struct shape *shape)
{
    const unsigned char *values, *s;
    uint64_t of_values = 0;
    if (!take(c, shape->count * 8, &values)) {
        return false;
    }
    for (size_t i = 0; i < shape->count; i++) {
        struct spy_field field;
        size_t key_bytes;
        const uint64_t value = spy__wire_load8(values + i * 8);
        if (!take_key(shape, i, &field, &key_bytes)) {
            return false;
        }
        if (field.type == SPY_FIELD_STR) {
            if (!take(c, value, &s)) {
                return false;
            }
            spy__wire_mix_bytes(sum, s, value);
        }
        of_values = spy__wire_turn(of_values) + value;
    }
    spy__wire_mix(sum, spy__wire_pair(of_values, shape->count));
    return true;
}

static bool mix_field(struct spy__wire_put *sum, struct cursor *c)
{
    struct spy_field field;
    size_t key_bytes;
    uint64_t word;
    const unsigned char *at = c->at;
    if (!take_field(c, &field, &key_bytes)) {
        return false;
    }
    memcpy(&word, at, 8);
    spy__wire_mix_text(sum, (const unsigned char *)field.key, key_bytes);
    if (field.type >= SPY_FIELD_STR) {
        size_t n = word >> 32;
        spy__wire_mix_bytes(sum, c->at - n, n);
        spy__wire_mix(sum, spy__wire_pair(word, 0));
    } else {
        spy__wire_mix(sum, spy__wire_load(at));
    }
    return true;
}

bool spy__wire_intact(const void *bytes, size_t n, uint64_t seed)
{
    struct spy__wire_head head;
    if (read_head(&head, bytes, n) != 0) {
        return false;
    }
    struct cursor c = { bytes, bytes, (const unsigned char *)bytes + head.bytes };
    c.at += sizeof(head);
    struct spy__wire_put sum = { .a = spy__wire_pair(seed, 0) };
    if (!mix_parts(&sum, &c, &head)) {
        return false;
    }
    // Bound fields went in as one part; field_count counts them too.
    struct cursor bound = { c.start, c.at - head.bound_bytes, c.at };
    size_t left = head.field_count;
    for (; bound.at < bound.end; left--) {
        struct spy_field field;
        size_t key_bytes;
        if (left == 0 || !take_field(&bound, &field, &key_bytes)) {
            return false;
        }
    }
    if (head.flags & SPY__WIRE_SHAPE) {
        struct shape shape;
        struct cursor at_shape = { c.start, c.at - head.bound_bytes - head.event_bytes, c.at };
        if (!take_shape(&at_shape, &shape, head.event_bytes) || shape.count != left ||
            !mix_values(&sum, &c, &shape)) {
            return false;
        }
        left = 0;
    }
    for (; left > 0; left--) {
        if (!mix_field(&sum, &c)) {
            return false;
        }
    }
    struct spy__wire_words words = spy__wire_words(&head);
    return spy__wire_check(&sum, &words) == head.check;
}
