// SHA-1 (FIPS 180-4), for UUIDs of version 5 alone: it is not for secrets any more.
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha.h"

#define SPY__SHA1_BYTES 20

struct spy__sha1 {
    struct spy__sha sha;
};

void spy__sha1_init(struct spy__sha1 *sha1);
void spy__sha1_add(struct spy__sha1 *sha1, const void *bytes, size_t n);
void spy__sha1_end(struct spy__sha1 *sha1, unsigned char ret[SPY__SHA1_BYTES]);

#endif
