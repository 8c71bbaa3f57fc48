// UUIDs for callers that have the time already: the rest is public, spyglass/uuid.h.
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdint.h>

#include "base/random.h"
#include "spyglass/uuid.h"

// Version 4, as numbers: 122 random bits (RFC 9562 section 5.4).
static inline struct spy_uuid spy__uuid_random(void)
{
    struct spy_uuid id = { (spy__random_u64() & ~UINT64_C(0xf000)) | 4u << 12,
                           UINT64_C(1) << 63 | spy__random_u64() >> 2 };
    return id;
}

// Version 7 (RFC 9562 section 5.7) of a time since 1970 UTC. The 12 bits of rand_a are the fraction
// of the millisecond (section 6.2, method 3), so that ids of one process sort by time to 0.25 µs.
static inline struct spy_uuid spy__uuid_v7(uint64_t time_ns)
{
    uint64_t ms = time_ns / 1000000u, fraction = (time_ns % 1000000u) * 4096 / 1000000u;
    struct spy_uuid id = { ms << 16 | 7u << 12 | fraction,
                           UINT64_C(1) << 63 | spy__random_u64() >> 2 };
    return id;
}

#endif
