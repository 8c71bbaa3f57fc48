/**
 * UUIDs (RFC 9562): of version 7 for things as they happen, of version 5 for what has a name
 * already.
 */
#ifndef SPYGLASS_UUID_H
#define SPYGLASS_UUID_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"

SPY_BEGIN_DECLS

/** Length of a UUID as text, without the NUL. */
#define SPY_UUID_LEN 36

/** A UUID as two numbers, the first of its bytes in the highest bits of hi. Both zero: none. */
struct spy_uuid {
    uint64_t hi, lo;
};

/** Namespaces of version 5 (RFC 9562 section 6.6), as initialisers. */
#define SPY_UUID_DNS                                                                               \
    {                                                                                              \
        UINT64_C(0x6ba7b8109dad11d1), UINT64_C(0x80b400c04fd430c8)                                 \
    }
#define SPY_UUID_URL                                                                               \
    {                                                                                              \
        UINT64_C(0x6ba7b8119dad11d1), UINT64_C(0x80b400c04fd430c8)                                 \
    }

/**
 * The UUID of version 5 of a name in a namespace: the same for the same two, always and
 * everywhere. NULL counts as "". Threads: any.
 */
SPY_API struct spy_uuid spy_uuid_v5(struct spy_uuid ns, const char *name);

/** A new UUID of version 7: milliseconds since 1970, the fraction of the millisecond, 62 random
 * bits. Later ones sort behind, within a process's clock. Threads: any. */
SPY_API struct spy_uuid spy_uuid_v7(void);

/** Reads the 36 characters of a UUID of any version, in either case. Returns 0, or -EINVAL with
 * *ret untouched. Threads: any. */
SPY_API SPY_CHECK int spy_uuid_parse(struct spy_uuid *ret, const char *text);

/** Writes the 36 characters in lower case, and a NUL. Threads: any. */
SPY_API void spy_uuid_print(char ret[SPY_UUID_LEN + 1], struct spy_uuid id);

SPY_END_DECLS

#endif
