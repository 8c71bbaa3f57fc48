// Random ids. Per-thread xoshiro256** seeded by getrandom(2); safe over fork (a child reseeds). Not
// for secrets.
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

uint64_t spy__random_u64(void);
// Never zero.
uint64_t spy__random_id(void);
// Version 4 UUID (RFC 9562) as 36 characters and a NUL.
void spy__uuid_v4(char ret[37]);

// Tests: the thread's sequence starts at this seed.
void spy__random_seed(uint64_t seed);

#endif
