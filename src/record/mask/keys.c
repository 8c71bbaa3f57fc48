// Keys that were not seen before, or not lately; see the header.

#include "record/mask/keys.h"

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
