// The check of a record that may not be what was written; see the headers.

#include "record/wire_take.h"

// A part that went in by its own sum.
static bool mix_blob(struct spy__wire_put *sum, struct spy__cursor *c, size_t n)
{
    const unsigned char *s;
    if (n == 0) {
        return true;
    }
    if (!spy__take(c, n, &s)) {
        return false;
    }
    spy__wire_mix(sum, spy__wire_pair(spy__wire_sum_of(s, n), n));
    return true;
}

static bool mix_text(struct spy__wire_put *sum, struct spy__cursor *c, size_t n)
{
    const unsigned char *s;
    if (!spy__take(c, n, &s)) {
        return false;
    }
    spy__wire_mix_text(sum, s, n);
    return true;
}

// Goes over the parts as spy__wire_put_record() and a log call write them.
static bool mix_parts(struct spy__wire_put *sum, struct spy__cursor *c,
                      const struct spy__wire_head *head)
{
    for (unsigned flag = SPY__WIRE_TIME; flag <= SPY__WIRE_EVENT; flag <<= 1) {
        const unsigned char *s;
        if (head->flags & flag) {
            if (!spy__take(c, 16, &s)) {
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

static bool mix_values(struct spy__wire_put *sum, struct spy__cursor *c,
                       struct spy__shape_parts *shape)
{
    const unsigned char *values, *s;
    uint64_t of_values = 0;
    if (!spy__take(c, shape->count * 8, &values)) {
        return false;
    }
    for (size_t i = 0; i < shape->count; i++) {
        struct spy_field field;
        size_t key_bytes;
        const uint64_t value = spy__wire_load8(values + i * 8);
        if (!spy__take_key(shape, i, &field, &key_bytes)) {
            return false;
        }
        if (field.type == SPY_FIELD_STR) {
            if (!spy__take(c, value, &s)) {
                return false;
            }
            spy__wire_mix_bytes(sum, s, value);
        }
        of_values = spy__wire_turn(of_values) + value;
    }
    spy__wire_mix(sum, spy__wire_pair(of_values, shape->count));
    return true;
}

static bool mix_field(struct spy__wire_put *sum, struct spy__cursor *c)
{
    struct spy_field field;
    size_t key_bytes;
    uint64_t word;
    const unsigned char *at = c->at;
    if (!spy__take_field(c, &field, &key_bytes)) {
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
    if (spy__take_head(&head, bytes, n) != 0) {
        return false;
    }
    struct spy__cursor c = { bytes, bytes, (const unsigned char *)bytes + head.bytes };
    c.at += sizeof(head);
    struct spy__wire_put sum = { .a = spy__wire_pair(seed, 0) };
    if (!mix_parts(&sum, &c, &head)) {
        return false;
    }
    // Bound fields went in as one part; field_count counts them too.
    struct spy__cursor bound = { c.start, c.at - head.bound_bytes, c.at };
    size_t left = head.field_count;
    for (; bound.at < bound.end; left--) {
        struct spy_field field;
        size_t key_bytes;
        if (left == 0 || !spy__take_field(&bound, &field, &key_bytes)) {
            return false;
        }
    }
    if (head.flags & SPY__WIRE_SHAPE) {
        struct spy__shape_parts shape;
        struct spy__cursor at_shape = { c.start, c.at - head.bound_bytes - head.event_bytes, c.at };
        if (!spy__take_shape(&at_shape, &shape, head.event_bytes) || shape.count != left ||
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
