// One hash for short keys: 64-bit multiply and fold, after wyhash (Wang Yi,
// https://github.com/wangyi-fudan/wyhash, public domain). Quick and well spread, not keyed: tables
// that outsiders can fill must bound their probes otherwise (ours bound the number of entries).
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t spy__hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t spy__hash_read8(const char *s)
{
    uint64_t v;
    memcpy(&v, s, 8);
    return v;
}

static inline uint64_t spy__hash_read4(const char *s)
{
    uint32_t v;
    memcpy(&v, s, 4);
    return v;
}

// The hash of n bytes, continuing from `seed`: chain it over the parts of a key, whose lengths are
// hashed too.
static inline uint64_t spy__hash(const void *bytes, size_t n, uint64_t seed)
{
    const uint64_t k0 = 0xa0761d6478bd642f, k1 = 0xe7037ed1a0b428db;
    const char *s = (const char *)bytes;
    uint64_t a, b;
    size_t left = n;
    seed ^= k0;
    for (; left > 16; left -= 16, s += 16) {
        seed = spy__hash_fold(spy__hash_read8(s) ^ k1, spy__hash_read8(s + 8) ^ seed);
    }
    if (left >= 8) {
        a = spy__hash_read8(s);
        b = spy__hash_read8(s + left - 8);
    } else if (left >= 4) {
        a = spy__hash_read4(s);
        b = spy__hash_read4(s + left - 4);
    } else if (left > 0) {
        // First, middle and last byte: all of them, for one to three.
        a = (uint64_t)(unsigned char)s[0] << 16 | (uint64_t)(unsigned char)s[left / 2] << 8 |
            (unsigned char)s[left - 1];
        b = 0;
    } else {
        a = b = 0;
    }
    return spy__hash_fold(k1 ^ n, spy__hash_fold(a ^ k1, b ^ seed));
}

#endif
