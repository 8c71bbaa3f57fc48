// What SHA-1 and SHA-256 have in common (FIPS 180-4 section 5): a message is taken in by blocks of 64
// bytes, and padded with its length.
#ifndef BASE_SHA_H
#define BASE_SHA_H

#include <stddef.h>
#include <stdint.h>

struct spy__sha {
    uint32_t state[8];       // SHA-1: the first five
    uint64_t bytes;          // taken in so far
    unsigned char block[64]; // bytes % 64 of them are filled
};

// Mixes one block into the state.
typedef void spy__sha_compress(uint32_t state[8], const unsigned char block[64]);

void spy__sha_add(struct spy__sha *sha, spy__sha_compress *compress, const void *bytes, size_t n);
// Writes n bytes of the state: the digest.
void spy__sha_end(struct spy__sha *sha, spy__sha_compress *compress, unsigned char *ret, size_t n);

// Word t, of 16, of a block.
static inline uint32_t spy__sha_word(const unsigned char block[64], int t)
{
    return (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
           (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
}

#endif
