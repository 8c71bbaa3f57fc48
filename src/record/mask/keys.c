// Keys that were not seen before, or not lately; see the header.

#include "record/mask/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "record/known_shapes.h"

int spy__keys_init(struct spy__keys *ret, const char *words)
{
    // Pages that were never written take no memory.
    struct spy__known_shape *shapes = calloc(SPY__KNOWN_SHAPES_MAX, sizeof(*shapes));
    if (!shapes) {
        return -ENOMEM;
    }
    memset(ret, 0, sizeof(*ret));
    (void)spy__mask_words_parse(&ret->words, words);
    ret->shapes = shapes;
    return 0;
}

void spy__keys_done(struct spy__keys *keys)
{
    free(keys->shapes);
    keys->shapes = NULL;
}

struct spy__key *spy__keys_add(struct spy__keys *keys, struct spy__key *place, const char *text,
                               size_t n)
{
    if (n > SPY__KEY_KNOWN_MAX || place->record == keys->record) {
        return NULL;
    }
    const struct spy__key_numbers numbers = spy__key_numbers(text, n);
    place->first = numbers.first;
    place->middle = numbers.middle;
    place->last = numbers.last;
    place->len = (uint8_t)n;
    place->kind = (uint8_t)spy__key_kind(&keys->words, text, n);
    place->json_bytes = 0;
    place->record = keys->record;
    return place;
}
