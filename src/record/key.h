// A key of a record's fields as the pump knows it: found once, by its bytes, for all who ask about
// it on the record's way. The table of them is record/mask/keys.h.
#ifndef RECORD_KEY_H
#define RECORD_KEY_H

#include <stdint.h>

// Longest key that is known; a longer one is looked at each time.
#define SPY__KEY_KNOWN_MAX 23u
// Room for `,"key_":` of most; copied whole, since that needs no length.
#define SPY__KEY_JSON_MAX 32u

// One cache line.
struct spy__key {
    // The key's bytes as numbers: the first eight, those from the ninth on, and the last seven with
    // the NUL behind them. These overlap, and are 0 where the key has not as many: with its length,
    // they tell it from every other.
    uint64_t first, middle, last;
    uint32_t record; // the last one that it was found for, as the table counts them
    uint8_t len;     // 0: free
    uint8_t kind;    // enum spy__key_kind
    // What the JSON form writes before its value, kept there by that form. 0 bytes: not yet, or it
    // is longer.
    uint8_t json_bytes;
    char json[SPY__KEY_JSON_MAX];
};

#endif
