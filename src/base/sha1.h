// SHA-1 (FIPS 180-4), for UUIDs of version 5 alone: it is not for secrets any more.
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SPY__SHA1_BYTES 20

struct spy__sha1 {
    uint32_t state[5];
    uint64_t bytes;          // taken in so far
    unsigned char block[64]; // bytes % 64 of them are filled
};

void spy__sha1_init(struct spy__sha1 *sha);
void spy__sha1_add(struct spy__sha1 *sha, const void *bytes, size_t n);
void spy__sha1_end(struct spy__sha1 *sha, unsigned char ret[SPY__SHA1_BYTES]);

#endif
