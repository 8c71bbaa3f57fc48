// The addresses of sampled allocations that are in use, to tell a free() of one from all others.
//
// Most frees are of others: a byte of `filter` says so, without a lock. Where it does not, the table
// is looked at, without a lock still; only who takes an address out, or puts one in, needs it.
//
// An address that is in the table belongs to the caller who asks for it (he is about to free it, or
// has just been given it), and got to him from the thread that put it in, by whatever the host
// orders its threads with. So its own slot is as it was put in, and none of the slots on the way to
// it was ever empty since: relaxed loads suffice.
//
// Threads: spy__heap_live_may_have() and _has() any; all else one at a time, and init before there are
// others.
#ifndef HEAP_LIVE_H
#define HEAP_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A power of two. 64 KiB stay in a processor's second cache; of some thousand samples in use, the
// gigabytes of a service, one of forty other frees looks further.
#define SPY__HEAP_FILTER_BYTES 65536u

struct spy__heap_block {
    size_t size;
    uint32_t sum; // of its stack
};

struct spy__heap_live {
    // How many addresses fall on each; 255: that many or more, for ever. Atomic, relaxed.
    uint8_t filter[SPY__HEAP_FILTER_BYTES];
    uintptr_t *addresses; // atomic, relaxed: as above
    struct spy__heap_block *blocks;
    uint32_t slots; // a power of two; 0 before init
};

// slots: a power of two.
size_t spy__heap_live_bytes(uint32_t slots);
// In memory of that size that is zero, aligned to 16 bytes; *live is zero too.
void spy__heap_live_init(struct spy__heap_live *live, void *memory, uint32_t slots);

// Fibonacci hashing (D. Knuth, The Art of Computer Programming 3, 6.4): the upper bits are good.
static inline uint64_t spy__heap_live_hash(uintptr_t address)
{
    return (uint64_t)address * UINT64_C(0x9e3779b97f4a7c15);
}

// False: it is not in there.
static inline bool spy__heap_live_may_have(const struct spy__heap_live *live, uintptr_t address)
{
    const uint64_t slot = spy__heap_live_hash(address) >> 48;
    return __atomic_load_n(&live->filter[slot], __ATOMIC_RELAXED) != 0;
}

bool spy__heap_live_has(const struct spy__heap_live *live, uintptr_t address);

// False where there is no room. An address that is in there already was freed where nobody saw it:
// *ret_old has what it was, and *ret_had that it was.
bool spy__heap_live_put(struct spy__heap_live *live, uintptr_t address,
                        const struct spy__heap_block *block, struct spy__heap_block *ret_old,
                        bool *ret_had);
// False where it is not in there.
bool spy__heap_live_take(struct spy__heap_live *live, uintptr_t address,
                         struct spy__heap_block *ret);

#endif
