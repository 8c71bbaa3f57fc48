// The pump's table of keys: one look at a key's bytes tells what it names, and finds what encoders
// have made of it before.
//
// A program has as many keys in use at a time as there is room for, or fewer; one that finds its
// place taken takes it. Keys of one record never take each other's: what was found for a record is
// good until the next one's.
//
// Threads: one at a time.
#ifndef RECORD_MASK_KEYS_H
#define RECORD_MASK_KEYS_H

#include <string.h>

#include "base/hash.h"
#include "record/key.h"
#include "record/mask/mask_words.h"

// As many as eight bits of a hash tell apart.
#define SPY__KEYS_MAX 256u

struct spy__keys {
    struct spy__mask_words words;    // the user's
    struct spy__known_shape *shapes; // record/known_shapes.h; NULL: none is kept
    uint32_t record;                 // counts records; not 0
    _Alignas(64) struct spy__key known[SPY__KEYS_MAX];
};

// Words as spy__masker_new() takes them. Returns 0 or -ENOMEM.
int spy__keys_init(struct spy__keys *ret, const char *words);
void spy__keys_done(struct spy__keys *keys);

// Begins a record: what was found for the one before is given up.
static inline void spy__keys_begin(struct spy__keys *keys)
{
    keys->record += keys->record == UINT32_MAX ? 2 : 1;
}

// A key's numbers, see struct spy__key, and a hash of them. They go from hand to hand in registers:
// what is put together in memory is read back before it has arrived there.
struct spy__key_numbers {
    uint64_t first, middle, last, hash;
};

// Of a key of n bytes, at least one, with its NUL, that has eight bytes more before it: as in a
// record's wire form.
static inline struct spy__key_numbers spy__key_numbers(const char *key, size_t n)
{
    static const char none[8];
    struct spy__key_numbers ret;
    const uint64_t last = spy__hash_read8(key + n - 7);
    ret.last = last >> (n < 7 ? 56 - 8 * n : 0);
    ret.first = spy__hash_read8(n >= 8 ? key : none);
    ret.middle = spy__hash_read8(n >= 16 ? key + 8 : none);
    // After a multiplication by an odd number, a word's upper bits are of all of it (D. E. Knuth, The
    // Art of Computer Programming 3, 6.4).
    ret.hash = (ret.last + (ret.first ^ ret.middle << 3) * UINT64_C(0xe7037ed1a0b428db)) *
               UINT64_C(0x9e3779b97f4a7c15);
    return ret;
}

// One of 64, by which keys that cannot be the same are told.
static inline uint64_t spy__key_bit(const struct spy__key_numbers *numbers)
{
    return UINT64_C(1) << (numbers->hash >> 58);
}

// Puts the key in the place of another. Returns NULL where that is of the same record.
struct spy__key *spy__keys_add(struct spy__keys *keys, struct spy__key *place, const char *text,
                               size_t n);

// The key of n bytes and these numbers, or NULL where there is no place for it: then spy__key_kind()
// says what it names.
static inline struct spy__key *spy__keys_find(struct spy__keys *keys, const char *text, size_t n,
                                              const struct spy__key_numbers *numbers)
{
    struct spy__key *known = &keys->known[numbers->hash >> 56];
    uint64_t differ = (known->first ^ numbers->first) | (known->middle ^ numbers->middle) |
                      (known->last ^ numbers->last) | (known->len ^ n);
    if (__builtin_expect(differ != 0, 0)) {
        return spy__keys_add(keys, known, text, n);
    }
    known->record = keys->record;
    return known;
}

#endif
