// A shape that was not seen before, or not lately; see the header.

#include "record/known_shapes.h"

static void add_key(const struct spy__keys *keys, struct spy__known_shape *known, size_t i,
                    const char *text)
{
    const size_t n = strlen(text);
    const struct spy__key_numbers numbers = spy__key_numbers(text, n);
    known->key_bits |= spy__key_bit(&numbers);
    known->keys[i] = (struct spy__key){ .len = 0 };
    if (n <= SPY__KEY_KNOWN_MAX) {
        known->keys[i] = (struct spy__key){ .first = numbers.first,
                                            .middle = numbers.middle,
                                            .last = numbers.last,
                                            .len = (uint8_t)n,
                                            .kind = (uint8_t)spy__key_kind(&keys->words, text, n) };
    }
}

void spy__known_shape_add(const struct spy__keys *keys, const unsigned char *s, size_t n,
                          const struct spy__wire_view *view, size_t end)
{
    const struct spy__record *record = &view->record;
    const char *start = (const char *)s;
    if (!keys->shapes || n > SPY__SHAPE_BYTES_MAX) {
        return;
    }
    struct spy__known_shape *known = spy__known_shape_place(keys, view->shape);
    known->hash = view->shape;
    known->bytes = (uint32_t)n;
    known->count = 0;
    known->event_at = (uint16_t)(record->event - start);
    known->module_at = record->module ? (uint16_t)(record->module - start) : 0;
    known->key_bits = 0;
    memcpy(known->wire, s, n);
    for (size_t i = view->shape_at; i < end; i++) {
        const struct spy_field *field = &record->fields[i];
        known->key_at[known->count] = (uint16_t)(field->key - start);
        known->type[known->count] = (uint8_t)field->type;
        add_key(keys, known, known->count++, field->key);
    }
}
