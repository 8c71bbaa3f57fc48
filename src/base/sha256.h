// HMAC-SHA-256 (RFC 2104 over FIPS 180-4): a keyed hash that everybody can compute again who has
// the key.
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha.h"

#define SPY__SHA256_BYTES 32

struct spy__sha256 {
    struct spy__sha sha;
};

void spy__sha256_init(struct spy__sha256 *sha256);
void spy__sha256_add(struct spy__sha256 *sha256, const void *bytes, size_t n);
void spy__sha256_end(struct spy__sha256 *sha256, unsigned char ret[SPY__SHA256_BYTES]);

// A key as HMAC uses it: the state of SHA-256 behind its two pads, worked out once.
struct spy__hmac_key {
    struct spy__sha256 inner, outer;
};

// Copies what it needs of the key's n bytes.
void spy__hmac_key_init(struct spy__hmac_key *key, const void *bytes, size_t n);
void spy__hmac(const struct spy__hmac_key *key, const void *bytes, size_t n,
               unsigned char ret[SPY__SHA256_BYTES]);

#endif
