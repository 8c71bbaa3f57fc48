#include "profile/samples.h"

#include <string.h>

#define WORD sizeof(uint64_t)
#define HEAD_WORDS (offsetof(struct spy__sample, stack) / WORD)

_Static_assert(offsetof(struct spy__sample, stack) % WORD == 0, "a sample's head is whole words");
_Static_assert(sizeof(uintptr_t) == WORD, "an address is a word");

static uint64_t *word(struct spy__samples *ring, uint64_t at)
{
    return &ring->words[at % SPY__SAMPLES_WORDS];
}

static bool write(struct spy__samples *ring, const struct spy__sample *sample)
{
    const uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    const uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
    const size_t n = HEAD_WORDS + sample->stack_count;
    if (n > SPY__SAMPLES_WORDS - (head - tail)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(word(ring, head + i), (const char *)sample + i * WORD, WORD);
    }
    __atomic_store_n(&ring->head, head + n, __ATOMIC_RELEASE);
    return true;
}

bool spy__samples_push(struct spy__samples *ring, const struct spy__sample *sample)
{
    bool written = false;
    if (!ring->pushing) {
        ring->pushing = 1;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        written = write(ring, sample);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        ring->pushing = 0;
    }
    if (!written) {
        __atomic_fetch_add(&ring->lost, 1, __ATOMIC_RELAXED);
    }
    return written;
}

bool spy__samples_pop(struct spy__samples *ring, struct spy__sample *ret)
{
    const uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    if (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == tail) {
        return false;
    }
    for (size_t i = 0; i < HEAD_WORDS; i++) {
        memcpy((char *)ret + i * WORD, word(ring, tail + i), WORD);
    }
    for (size_t i = 0; i < ret->stack_count; i++) {
        ret->stack[i] = *word(ring, tail + HEAD_WORDS + i);
    }
    __atomic_store_n(&ring->tail, tail + HEAD_WORDS + ret->stack_count, __ATOMIC_RELEASE);
    return true;
}

uint64_t spy__samples_lost(struct spy__samples *ring)
{
    return __atomic_exchange_n(&ring->lost, 0, __ATOMIC_RELAXED);
}
