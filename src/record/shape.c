// Making shapes; see the header. Their form in bytes is record/wire.h.

#include "record/shape.h"

#include <string.h>

#include "base/hash.h"
#include "record/wire_put.h"

const struct spy__shape spy__shape_none = { .n = UINT32_MAX };

static _Alignas(16) unsigned char room[SPY__SHAPES_BYTES];
static size_t taken; // atomic, relaxed: whoever takes bytes has them alone

// 16-aligned, zero.
static void *take(size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (__atomic_load_n(&taken, __ATOMIC_RELAXED) > sizeof(room) - bytes) {
        return NULL;
    }
    size_t at = __atomic_fetch_add(&taken, bytes, __ATOMIC_RELAXED);
    return at <= sizeof(room) - bytes ? room + at : NULL;
}

static size_t round_up(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static bool is_constant(const struct spy_field *field)
{
    return field->literal && field->key && field->key[0] && field->type > SPY_FIELD_NONE &&
           field->type <= SPY_FIELD_STR;
}

static bool stands_before(const struct spy_field *fields, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (strcmp(fields[j].key, fields[i].key) == 0) {
            return true;
        }
    }
    return false;
}

// Bytes of the wire form, 0 where there is none.
static size_t size_of(const char *event, const char *module, const struct spy_field *fields,
                      size_t n)
{
    if (n > SPY_FIELDS_MAX) {
        return 0;
    }
    size_t bytes = sizeof(struct spy__wire_shape) + round_up(n * sizeof(uint32_t));
    bytes += strlen(event) + 1 + (module ? strlen(module) + 1 : 0);
    for (size_t i = 0; i < n; i++) {
        if (!is_constant(&fields[i]) || stands_before(fields, i)) {
            return 0;
        }
        bytes += strlen(fields[i].key) + 1;
    }
    bytes = round_up(bytes);
    return bytes <= SPY__SHAPE_BYTES_MAX ? bytes : 0;
}

static size_t put(unsigned char *to, const char *text)
{
    size_t bytes = strlen(text) + 1;
    memcpy(to, text, bytes);
    return bytes;
}

static void encode(unsigned char *wire, size_t bytes, const char *event, const char *module,
                   const struct spy_field *fields, size_t n)
{
    struct spy__wire_shape head = { .count = (uint32_t)n };
    uint32_t words[SPY_FIELDS_MAX];
    unsigned char *at = wire + sizeof(head) + round_up(n * sizeof(words[0]));
    at += head.event_bytes = (uint32_t)put(at, event);
    at += head.module_bytes = module ? (uint32_t)put(at, module) : 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t key_bytes = (uint32_t)put(at, fields[i].key);
        words[i] = (uint32_t)fields[i].type | key_bytes << 8;
        at += key_bytes;
    }
    memcpy(wire + sizeof(head), words, n * sizeof(words[0]));
    memcpy(wire, &head, sizeof(head));
    head.hash = spy__hash(wire + sizeof(head.hash), bytes - sizeof(head.hash), 0);
    head.hash += head.hash == 0; // that means none
    memcpy(wire, &head.hash, sizeof(head.hash));
}

const struct spy__shape *spy__shape_make(const char *event, const char *module,
                                         const struct spy_field *fields, size_t n)
{
    size_t bytes = size_of(event, module, fields, n);
    struct spy__shape *shape = NULL;
    const size_t fields_bytes = n * sizeof(shape->fields[0]);
    shape = bytes ? take(sizeof(*shape) + fields_bytes + bytes + SPY__WIRE_SLACK) : NULL;
    if (!shape) {
        return &spy__shape_none;
    }
    unsigned char *wire = (unsigned char *)&shape->fields[n];
    encode(wire, bytes, event, module, fields, n);
    shape->event = event;
    shape->module = module;
    shape->n = (uint32_t)n;
    shape->wire = wire;
    shape->wire_bytes = (uint32_t)bytes;
    shape->wire_sum = spy__wire_sum_of(wire, bytes);
    for (size_t i = 0; i < n; i++) {
        shape->fields[i].key = fields[i].key;
        shape->fields[i].type = fields[i].type;
    }
    return shape;
}
