// After FIPS 180-4 section 6.1.2.

#include "base/sha1.h"

#include <string.h>

static uint32_t rotl(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void compress(uint32_t state[8], const unsigned char block[64])
{
    uint32_t w[80];
    for (int t = 0; t < 16; t++) {
        w[t] = spy__sha_word(block, t);
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

void spy__sha1_init(struct spy__sha1 *sha1)
{
    *sha1 = (struct spy__sha1){ .sha.state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                               0xc3d2e1f0 } };
}

void spy__sha1_add(struct spy__sha1 *sha1, const void *bytes, size_t n)
{
    spy__sha_add(&sha1->sha, compress, bytes, n);
}

void spy__sha1_end(struct spy__sha1 *sha1, unsigned char ret[SPY__SHA1_BYTES])
{
    spy__sha_end(&sha1->sha, compress, ret, SPY__SHA1_BYTES);
}
