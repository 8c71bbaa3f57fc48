// After FIPS 180-4 section 6.2.2, and RFC 2104 section 2.

#include "base/sha256.h"

#include <string.h>

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void compress(uint32_t state[8], const unsigned char block[64])
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2
    };
    uint32_t w[64], s[8];
    for (int t = 0; t < 16; t++) {
        w[t] = spy__sha_word(block, t);
    }
    for (int t = 16; t < 64; t++) {
        uint32_t a = w[t - 15], b = w[t - 2];
        w[t] = (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10) + w[t - 7] +
               (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[t - 16];
    }
    memcpy(s, state, sizeof(s));
    for (int t = 0; t < 64; t++) {
        uint32_t e = s[4], a = s[0];
        uint32_t one = s[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) +
                       ((e & s[5]) ^ (~e & s[6])) + k[t] + w[t];
        uint32_t two =
            (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void spy__sha256_init(struct spy__sha256 *sha256)
{
    *sha256 =
        (struct spy__sha256){ .sha.state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

void spy__sha256_add(struct spy__sha256 *sha256, const void *bytes, size_t n)
{
    spy__sha_add(&sha256->sha, compress, bytes, n);
}

void spy__sha256_end(struct spy__sha256 *sha256, unsigned char ret[SPY__SHA256_BYTES])
{
    spy__sha_end(&sha256->sha, compress, ret, SPY__SHA256_BYTES);
}

void spy__hmac_key_init(struct spy__hmac_key *key, const void *bytes, size_t n)
{
    unsigned char own[64] = { 0 }, pad[64];
    if (n > sizeof(own)) {
        struct spy__sha256 sha;
        spy__sha256_init(&sha);
        spy__sha256_add(&sha, bytes, n);
        spy__sha256_end(&sha, own);
    } else if (n > 0) {
        memcpy(own, bytes, n);
    }
    struct spy__sha256 *const sides[] = { &key->inner, &key->outer };
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < sizeof(pad); i++) {
            pad[i] = own[i] ^ (side == 0 ? 0x36 : 0x5c);
        }
        spy__sha256_init(sides[side]);
        spy__sha256_add(sides[side], pad, sizeof(pad));
    }
    explicit_bzero(own, sizeof(own));
    explicit_bzero(pad, sizeof(pad));
}

void spy__hmac(const struct spy__hmac_key *key, const void *bytes, size_t n,
               unsigned char ret[SPY__SHA256_BYTES])
{
    struct spy__sha256 sha = key->inner;
    spy__sha256_add(&sha, bytes, n);
    spy__sha256_end(&sha, ret);
    sha = key->outer;
    spy__sha256_add(&sha, ret, SPY__SHA256_BYTES);
    spy__sha256_end(&sha, ret);
}
