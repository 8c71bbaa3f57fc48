// The caller's side of the rings, inline: a thread's place in its ring, and a record's way into it.
//
//     struct spy__wire_put put;
//     struct spy__wire_head head = { .ticks = spy__ticks(), … };
//     if (spy__rings_begin(&spy__producer, &put, &head)) {
//         … parts …
//         if (spy__rings_end(&spy__producer, &put, &head)) return;
//     }
//     spy__rings_push(&record);   // the slow road: no ring yet, no room, stopped, a child
//
// Invariants: head <= limit <= tail + ring_bytes - SPY__WIRE_SLACK, all multiples of 8.
//
// Memory order: a head is released by its thread and acquired by the pump; a tail the other way
// round. `busy` and the generation are a store and a load of one thread that must not change
// places; no fence stands between them, because whoever closes the rings makes all threads pass one
// (membarrier(2)). Where the kernel has no membarrier, spy__rings_fenced makes callers do so.
#ifndef RECORD_RINGS_PUSH_H
#define RECORD_RINGS_PUSH_H

#include "base/ticks.h"
#include "record/rings.h"
#include "record/wire_put.h"

// A thread's place in its ring.
struct spy__producer {
    unsigned generation; // of the rings that it belongs to; 0: of none
    uint32_t *busy;      // never NULL
    struct spy__slot *slot;
    unsigned char *data;
    uint64_t mask, head, limit, sequence, seed;
};

extern __thread struct spy__producer spy__producer __attribute__((tls_model("initial-exec")));

// Room that most records do with.
#define SPY__RINGS_LOW 1024u

// A usual record, in cache lines of 64 bytes.
#define SPY__RINGS_AHEAD 384u

// Moves p's limit to what the pump has released since; wakes it past half full. Called inside p's
// rings.
void spy__rings_look(struct spy__producer *p);

// Atomic. Odd while rings are open; changes with every open, stop and fork.
extern unsigned spy__rings_generation __attribute__((visibility("hidden")));
// Atomic. Const after the first open.
extern bool spy__rings_fenced __attribute__((visibility("hidden")));
// Atomic: the pump has no timer running.
extern bool spy__rings_asleep __attribute__((visibility("hidden")));

// Asks for a cache line that will be written to, for this processor alone: what compilers make of
// __builtin_prefetch() for any x86-64 fetches it for reading, and the first store would wait for the
// other processors to give it up. (Where there is no PREFETCHW it does nothing: AMD64 manual vol. 3;
// Intel SDM vol. 2.)
static inline void spy__rings_prefetch(const void *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1);
#endif
}

// Whether p's rings are open; then they stay so until `busy` is cleared.
static inline bool spy__rings_enter(struct spy__producer *p)
{
    __atomic_store_n(p->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&spy__rings_fenced, __ATOMIC_RELAXED), 0)) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    if (__builtin_expect(__atomic_load_n(&spy__rings_generation, __ATOMIC_ACQUIRE) != p->generation,
                         0)) {
        __atomic_store_n(p->busy, 0, __ATOMIC_RELEASE);
        return false;
    }
    return true;
}

static inline void spy__rings_leave(struct spy__producer *p)
{
    __atomic_store_n(p->busy, 0, __ATOMIC_RELEASE);
}

// False where the slow road must be taken. head->ticks is the time.
static inline bool spy__rings_begin(struct spy__producer *p, struct spy__wire_put *put,
                                    struct spy__wire_head *head)
{
    if (!spy__rings_enter(p)) {
        return false;
    }
    head->sequence = p->sequence + 1;
    size_t room = p->limit - p->head;
    spy__wire_put_begin(put, p->data + (p->head & p->mask),
                        room < SPY__RECORD_MAX ? room : SPY__RECORD_MAX, p->seed);
    return true;
}

// Publishes it; false when it did not fit: then nothing happened.
static inline bool spy__rings_end(struct spy__producer *p, struct spy__wire_put *put,
                                  struct spy__wire_head *head)
{
    if (__builtin_expect(spy__wire_failed(put), 0)) {
        spy__rings_leave(p);
        return false;
    }
    const size_t bytes = spy__wire_put_end(put, head);
    const uint64_t end = p->head + bytes;
    p->head = end;
    p->sequence = head->sequence;
    p->slot->sequence = head->sequence;
    __atomic_store_n(&p->slot->head, end, __ATOMIC_RELEASE);
    // The pump has read the bytes that come next, or wiped them: they are asked for now, so that the
    // next record's stores do not wait for them. (The ring is mapped twice in a row.)
    const unsigned char *next = put->start + bytes;
    for (unsigned i = 0; i < SPY__RINGS_AHEAD; i += 64) {
        spy__rings_prefetch(next + i);
    }
    // Before the next record finds none, and starts again on the slow road.
    if (__builtin_expect(p->limit - end < SPY__RINGS_LOW, 0)) {
        spy__rings_look(p);
    }
    spy__rings_leave(p);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&spy__rings_fenced, __ATOMIC_RELAXED), 0)) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    if (__builtin_expect(__atomic_load_n(&spy__rings_asleep, __ATOMIC_RELAXED) ||
                             head->level >= SPY_LEVEL_ERROR,
                         0)) {
        spy__rings_wake();
    }
    return true;
}

#endif
