// The pump's side of the rings: what was published, room given back, waiting.

#include <errno.h>
#include <limits.h>

#include "base/moment.h"
#include "record/rings_set.h"

void spy__rings_moved(void)
{
    __atomic_fetch_add(&spy__rings.moved, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&spy__rings.waiters, __ATOMIC_SEQ_CST) > 0) {
        spy__futex(&spy__rings.moved, FUTEX_WAKE, INT_MAX, NULL);
    }
}

size_t spy__rings_count(void)
{
    return spy__rings.count;
}

static void sync_clocks(void)
{
    struct spy__rings_header *header = spy__rings.map.header;
    uint32_t next = header->map ^ 1;
    header->maps[next] = header->maps[header->map];
    spy__ticks_sync(&header->maps[next]);
    __atomic_store_n(&header->map, next, __ATOMIC_RELEASE);
    spy__moments_look();
}

// A thread may have gone from the overflow ring to one of its own, so that one is looked at last.
size_t spy__rings_snapshot(void)
{
    size_t waiting = 0;
    for (size_t i = 0; i < spy__rings.count; i++) {
        const struct spy__slot *slot = &spy__rings.map.slots[i];
        spy__rings.places[i].seen = __atomic_load_n(&slot->head, __ATOMIC_ACQUIRE);
        waiting += spy__rings.places[i].seen - slot->tail;
    }
    if (waiting > 0) {
        sync_clocks();
    }
    return waiting;
}

bool spy__rings_peek(size_t ring, void **ret, size_t *ret_bytes)
{
    const uint64_t bytes = spy__rings.options.ring_bytes, tail = spy__rings.map.slots[ring].tail;
    size_t n = spy__rings.places[ring].seen - tail;
    if (n == 0) {
        return false;
    }
    *ret = spy__rings.map.data + 2 * ring * bytes + (tail & (bytes - 1));
    *ret_bytes = n;
    return true;
}

void spy__rings_release(size_t ring, size_t bytes)
{
    struct spy__slot *slot = &spy__rings.map.slots[ring];
    __atomic_store_n(&slot->tail, slot->tail + bytes, __ATOMIC_RELEASE);
    __atomic_store_n(&spy__rings.stalled, 0, __ATOMIC_RELAXED);
    spy__rings_moved();
}

uint64_t spy__rings_time_ns(uint64_t ticks)
{
    const struct spy__rings_header *header = spy__rings.map.header;
    return spy__ticks_to_ns(&header->maps[header->map], ticks);
}

static bool anything_waits(void)
{
    for (size_t i = 0; i < spy__rings.count; i++) {
        const struct spy__slot *slot = &spy__rings.map.slots[i];
        if (__atomic_load_n(&slot->head, __ATOMIC_ACQUIRE) != slot->tail) {
            return true;
        }
    }
    return false;
}

void spy__rings_wait(unsigned timeout_ms)
{
    static uint32_t woken; // the wakes that this has answered
    struct timespec left = spy__timespec((uint64_t)timeout_ms * 1000000u);
    uint32_t wakes = __atomic_load_n(&spy__rings.wakes, __ATOMIC_SEQ_CST);
    bool for_ever = timeout_ms == UINT_MAX;
    __atomic_store_n(&spy__rings.waiting, 1, __ATOMIC_SEQ_CST);
    if (for_ever) {
        // A caller that does not see this published before; then it is seen here.
        __atomic_store_n(&spy__rings_asleep, true, __ATOMIC_SEQ_CST);
        spy__rings_fence_all();
    }
    if (wakes == woken && !(for_ever && anything_waits())) {
        spy__futex(&spy__rings.wakes, FUTEX_WAIT, wakes, for_ever ? NULL : &left);
    }
    __atomic_store_n(&spy__rings_asleep, false, __ATOMIC_RELAXED);
    __atomic_store_n(&spy__rings.waiting, 0, __ATOMIC_SEQ_CST);
    woken = __atomic_load_n(&spy__rings.wakes, __ATOMIC_SEQ_CST);
}

// Of those who come at once, one makes the system call.
void spy__rings_wake(void)
{
    __atomic_store_n(&spy__rings_asleep, false, __ATOMIC_RELAXED);
    __atomic_fetch_add(&spy__rings.wakes, 1, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&spy__rings.waiting, 0, __ATOMIC_SEQ_CST)) {
        spy__futex(&spy__rings.wakes, FUTEX_WAKE, INT_MAX, NULL);
    }
}
