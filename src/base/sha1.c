// After FIPS 180-4 sections 5.1.1 (padding) and 6.1.2.

#include "base/sha1.h"

#include <string.h>

static uint32_t rotl(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void compress(uint32_t state[5], const unsigned char block[64])
{
    uint32_t w[80];
    for (int t = 0; t < 16; t++) {
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    }
    for (int t = 16; t < 80; t++) {
        w[t] = rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20) {
            f = (b & c) ^ (~b & d), k = 0x5a827999;
        } else if (t < 40) {
            f = b ^ c ^ d, k = 0x6ed9eba1;
        } else if (t < 60) {
            f = (b & c) ^ (b & d) ^ (c & d), k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d, k = 0xca62c1d6;
        }
        uint32_t next = rotl(a, 5) + f + e + k + w[t];
        e = d, d = c, c = rotl(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

void spy__sha1_init(struct spy__sha1 *sha)
{
    *sha = (struct spy__sha1){ .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                          0xc3d2e1f0 } };
}

void spy__sha1_add(struct spy__sha1 *sha, const void *bytes, size_t n)
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

void spy__sha1_end(struct spy__sha1 *sha, unsigned char ret[SPY__SHA1_BYTES])
{
    static const unsigned char padding[64] = { 0x80 };
    unsigned char length[8];
    uint64_t bits = sha->bytes * 8;
    for (int i = 7; i >= 0; i--, bits >>= 8) {
        length[i] = (unsigned char)bits;
    }
    size_t filled = sha->bytes % 64;
    spy__sha1_add(sha, padding, filled < 56 ? 56 - filled : 120 - filled);
    spy__sha1_add(sha, length, sizeof(length));
    for (size_t i = 0; i < SPY__SHA1_BYTES; i++) {
        ret[i] = (unsigned char)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
