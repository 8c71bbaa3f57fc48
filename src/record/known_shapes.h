// Shapes (record/shape.h) as the reader of rings knows them: where a shape's parts lie, their types
// and keys, found by its hash and one comparison of all of its bytes. What comes from one place in the
// source by the thousand is looked through once.
//
// A shape that finds its place taken takes it. What was found is good until the next record is read.
//
// Threads: one at a time.
#ifndef RECORD_KNOWN_SHAPES_H
#define RECORD_KNOWN_SHAPES_H

#include <stdbool.h>
#include <string.h>

#include "record/mask/keys.h"
#include "record/shape.h"
#include "record/wire.h"

// As many places in the source as log at a time, and more.
#define SPY__KNOWN_SHAPES_MAX 64u

struct spy__known_shape {
    uint64_t hash;
    uint32_t bytes;               // 0: free
    uint32_t count;               // of fields
    uint16_t event_at, module_at; // places in the shape; module 0: none
    uint64_t key_bits;            // of all keys, see spy__key_bit()
    uint16_t key_at[SPY_FIELDS_MAX];
    uint8_t type[SPY_FIELDS_MAX];
    struct spy__key keys[SPY_FIELDS_MAX]; // len 0: longer than one that is known
    unsigned char wire[SPY__SHAPE_BYTES_MAX];
};

static inline struct spy__known_shape *spy__known_shape_place(const struct spy__keys *keys,
                                                              uint64_t hash)
{
    return &keys->shapes[hash % SPY__KNOWN_SHAPES_MAX];
}

// The shape of n bytes at s, or NULL where it is not known.
static inline struct spy__known_shape *spy__known_shape_find(const struct spy__keys *keys,
                                                             const unsigned char *s, size_t n)
{
    uint64_t hash;
    if (!keys->shapes || n < sizeof(struct spy__wire_shape)) {
        return NULL;
    }
    memcpy(&hash, s, sizeof(hash)); // it begins with it
    struct spy__known_shape *known = spy__known_shape_place(keys, hash);
    return known->bytes == n && memcmp(known->wire, s, n) == 0 ? known : NULL;
}

// Reads the values of its fields into view->fields[first] and those behind it, from `at` on, whose
// strings' bytes follow; s is the record's own shape, whose keys the fields get. Returns where the
// strings end, or NULL where that is past `end`.
static inline const unsigned char *spy__known_shape_read(struct spy__known_shape *known,
                                                         const unsigned char *s,
                                                         struct spy__wire_view *view, size_t first,
                                                         const unsigned char *at,
                                                         const unsigned char *end)
{
    struct spy_field *field = &view->fields[first];
    struct spy__key **key = &view->keys[first];
    const unsigned char *value = at;
    if ((size_t)(end - at) < known->count * sizeof(uint64_t)) {
        return NULL;
    }
    at += known->count * sizeof(uint64_t);
    for (size_t i = 0; i < known->count; i++, field++, value += sizeof(uint64_t)) {
        uint64_t v;
        memcpy(&v, value, sizeof(v));
        field->key = (const char *)s + known->key_at[i];
        field->type = (enum spy_field_type)known->type[i];
        field->len = 0;
        field->value.u = v;
        if (field->type == SPY_FIELD_STR) {
            if (v > (size_t)(end - at)) {
                return NULL;
            }
            field->len = v;
            field->value.s = (const char *)at;
            at += v;
        } else if (field->type == SPY_FIELD_BOOL) {
            field->value.b = v != 0;
        }
        key[i] = known->keys[i].len > 0 ? &known->keys[i] : NULL;
    }
    return at;
}

// Keeps the shape of n bytes at s, by a record that was read with it: its fields are those from
// view->shape_at to `end`.
void spy__known_shape_add(const struct spy__keys *keys, const unsigned char *s, size_t n,
                          const struct spy__wire_view *view, size_t end);

#endif
