// After FIPS 180-4 section 5.1.1 (padding).

#include "base/sha.h"

#include <string.h>

void spy__sha_add(struct spy__sha *sha, spy__sha_compress *compress, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;
    while (n > 0) {
        size_t filled = sha->bytes % 64, room = 64 - filled, take = n < room ? n : room;
        memcpy(sha->block + filled, from, take);
        sha->bytes += take;
        from += take;
        n -= take;
        if (sha->bytes % 64 == 0) {
            compress(sha->state, sha->block);
        }
    }
}

void spy__sha_end(struct spy__sha *sha, spy__sha_compress *compress, unsigned char *ret, size_t n)
{
    static const unsigned char padding[64] = { 0x80 };
    unsigned char length[8];
    uint64_t bits = sha->bytes * 8;
    for (int i = 7; i >= 0; i--, bits >>= 8) {
        length[i] = (unsigned char)bits;
    }
    size_t filled = sha->bytes % 64;
    spy__sha_add(sha, compress, padding, filled < 56 ? 56 - filled : 120 - filled);
    spy__sha_add(sha, compress, length, sizeof(length));
    for (size_t i = 0; i < n; i++) {
        ret[i] = (unsigned char)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
