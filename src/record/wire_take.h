// The parts of a record's bytes, taken one by one by those who read them: bounds are checked here.
#ifndef RECORD_WIRE_TAKE_H
#define RECORD_WIRE_TAKE_H

#include <errno.h>

#include "record/wire_put.h"

// What is left of a record's bytes.
struct spy__cursor {
    const unsigned char *start, *at, *end;
};

static inline bool spy__take(struct spy__cursor *c, size_t n, const unsigned char **ret)
{
    if (n > (size_t)(c->end - c->at)) {
        return false;
    }
    *ret = c->at;
    c->at += n;
    return true;
}

static inline bool spy__take_u64(struct spy__cursor *c, uint64_t *ret)
{
    const unsigned char *s;
    if (!spy__take(c, 8, &s)) {
        return false;
    }
    memcpy(ret, s, 8);
    return true;
}

// A string of n bytes that ends in its NUL.
static inline bool spy__take_text(struct spy__cursor *c, size_t n, const char **ret)
{
    const unsigned char *s;
    if (n == 0 || !spy__take(c, n, &s) || s[n - 1] != '\0') {
        return false;
    }
    *ret = (const char *)s;
    return true;
}

// The parts' bounds are checked at once: none of the sums is anywhere near its type's end.
static inline bool spy__take_field(struct spy__cursor *c, struct spy_field *field,
                                   size_t *ret_key_bytes)
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

struct spy__shape_parts {
    uint64_t hash;
    const char *event, *module;
    size_t count;
    const unsigned char *words;
    struct spy__cursor keys; // that are left
};

static inline bool spy__take_shape(struct spy__cursor *c, struct spy__shape_parts *ret, size_t n)
{
    struct spy__wire_shape head;
    const unsigned char *s;
    if (n < sizeof(head) || n % 8 != 0 || !spy__take(c, n, &s)) {
        return false;
    }
    memcpy(&head, s, sizeof(head));
    *ret = (struct spy__shape_parts){ .hash = head.hash,
                                      .count = head.count,
                                      .keys = { s, s + sizeof(head), s + n } };
    return head.count <= SPY_FIELDS_MAX &&
           spy__take(&ret->keys, (head.count * sizeof(uint32_t) + 7) & ~(size_t)7, &ret->words) &&
           spy__take_text(&ret->keys, head.event_bytes, &ret->event) &&
           (head.module_bytes == 0 || spy__take_text(&ret->keys, head.module_bytes, &ret->module));
}

// The next of a shape's fields, without its value.
static inline bool spy__take_key(struct spy__shape_parts *shape, size_t i, struct spy_field *field,
                                 size_t *ret_key_bytes)
{
    uint32_t word;
    memcpy(&word, shape->words + i * sizeof(word), sizeof(word));
    const unsigned type = word & 0xff;
    *ret_key_bytes = word >> 8;
    *field = (struct spy_field){ .type = (enum spy_field_type)type };
    return type > SPY_FIELD_NONE && type <= SPY_FIELD_STR && *ret_key_bytes >= 2 &&
           spy__take_text(&shape->keys, *ret_key_bytes, &field->key) && field->key[0] != '\0';
}

// The head of the record at the start of n bytes. Returns as spy__wire_read().
static inline int spy__take_head(struct spy__wire_head *head, const void *bytes, size_t n)
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

#endif
