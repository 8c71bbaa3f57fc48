// Open addressing with linear probing. What is taken out leaves a mark, over which a search goes on;
// marks before an empty slot become empty, since no search passes them.

#include "heap/live.h"

#define EMPTY ((uintptr_t)0)
#define GONE ((uintptr_t)1)
// Slots that a search looks at. In a table that is half full hardly any address lies further away
// from home; one that would counts as one without room.
#define PROBES_MAX 64u
#define NOWHERE UINT32_MAX

_Static_assert(SPY__HEAP_FILTER_BYTES == 1u << 16, "the filter takes the upper 16 bits of a hash");

size_t spy__heap_live_bytes(uint32_t slots)
{
    return slots * (sizeof(uintptr_t) + sizeof(struct spy__heap_block));
}

void spy__heap_live_init(struct spy__heap_live *live, void *memory, uint32_t slots)
{
    live->addresses = memory;
    live->blocks = (void *)(live->addresses + slots);
    live->slots = slots;
}

// ---- the filter

static void filter_add(struct spy__heap_live *live, uintptr_t address, int n)
{
    uint8_t *at = &live->filter[spy__heap_live_hash(address) >> 48];
    const uint8_t now = __atomic_load_n(at, __ATOMIC_RELAXED);
    if (now < UINT8_MAX) {
        __atomic_store_n(at, (uint8_t)(now + n), __ATOMIC_RELAXED);
    }
}

// ---- slots

static uintptr_t at_slot(const struct spy__heap_live *live, uint32_t slot)
{
    return __atomic_load_n(&live->addresses[slot & (live->slots - 1)], __ATOMIC_RELAXED);
}

static void set_slot(struct spy__heap_live *live, uint32_t slot, uintptr_t address)
{
    __atomic_store_n(&live->addresses[slot & (live->slots - 1)], address, __ATOMIC_RELAXED);
}

// Bits that the filter does not look at: of a table of 2^16 slots, none of them.
static uint32_t home_of(uintptr_t address)
{
    return (uint32_t)(spy__heap_live_hash(address) >> 32);
}

static uint32_t probes_of(const struct spy__heap_live *live)
{
    return live->slots < PROBES_MAX ? live->slots : PROBES_MAX;
}

// The address's slot, or NOWHERE; then *ret_free is the first that it could have, or NOWHERE.
static uint32_t find(const struct spy__heap_live *live, uintptr_t address, uint32_t *ret_free)
{
    const uint32_t home = home_of(address), probes = probes_of(live);
    *ret_free = NOWHERE;
    for (uint32_t i = 0; i < probes; i++) {
        const uint32_t slot = (home + i) & (live->slots - 1);
        const uintptr_t there = at_slot(live, slot);
        if (there == address) {
            return slot;
        }
        if (there <= GONE && *ret_free == NOWHERE) {
            *ret_free = slot;
        }
        if (there == EMPTY) {
            break;
        }
    }
    return NOWHERE;
}

bool spy__heap_live_has(const struct spy__heap_live *live, uintptr_t address)
{
    uint32_t unused;
    return find(live, address, &unused) != NOWHERE;
}

bool spy__heap_live_put(struct spy__heap_live *live, uintptr_t address,
                        const struct spy__heap_block *block, struct spy__heap_block *ret_old,
                        bool *ret_had)
{
    uint32_t free_slot, slot = find(live, address, &free_slot);
    *ret_had = slot != NOWHERE;
    if (*ret_had) {
        *ret_old = live->blocks[slot];
        live->blocks[slot] = *block;
        return true;
    }
    if (free_slot == NOWHERE) {
        return false;
    }
    live->blocks[free_slot] = *block;
    filter_add(live, address, 1);
    set_slot(live, free_slot, address);
    return true;
}

bool spy__heap_live_take(struct spy__heap_live *live, uintptr_t address,
                         struct spy__heap_block *ret)
{
    uint32_t unused, slot = find(live, address, &unused);
    if (slot == NOWHERE) {
        return false;
    }
    *ret = live->blocks[slot];
    filter_add(live, address, -1);
    if (at_slot(live, slot + 1) != EMPTY) {
        set_slot(live, slot, GONE);
        return true;
    }
    set_slot(live, slot, EMPTY);
    for (slot--; at_slot(live, slot) == GONE; slot--) {
        set_slot(live, slot, EMPTY);
    }
    return true;
}
