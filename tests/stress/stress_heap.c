// The tables of the heap's profile under ThreadSanitizer, called as the hooks call them: threads
// allocate, free their own and each other's, and free what was never sampled, while one reads the
// sums and one holds the lock as over a fork. Whatever was put in is found by whoever frees it.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "heap/heap.h"

enum { THREADS = 4, ROUNDS = 30000, SHARED = 32, SIZES = 7, STACKS = 50 };

static struct spy__heap heap = { .mu = PTHREAD_MUTEX_INITIALIZER };
static _Atomic(uintptr_t) shared[SHARED]; // addresses that any thread may free
static atomic_ulong lost, found_wrongly;
static atomic_bool over;

// An allocator's addresses: none is in use twice.
static uintptr_t new_address(unsigned thread, unsigned i)
{
    return ((uintptr_t)thread << 40 | (uintptr_t)i << 5) + 0x10;
}

static void give_back(uintptr_t address)
{
    struct spy__heap_block block;
    lost += !spy__heap_live_may_have(&heap.live, address) ||
            !spy__heap_freed(&heap, address, &block) || block.size % SIZES != address % SIZES;
}

static void *work(void *arg)
{
    const unsigned thread = 1 + (unsigned)(uintptr_t)arg;
    uint32_t seed = thread;
    struct spy__heap_block block;
    for (unsigned i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525u + 1013904223u; // Numerical Recipes' generator
        const uintptr_t address = new_address(thread, i);
        const uintptr_t stack[] = { 1000 + seed % STACKS, 2000 };
        spy__heap_allocated(&heap, address, SIZES * 100 + address % SIZES, stack, 2);
        if (seed & 1) {
            give_back(address);
        } else {
            uintptr_t other = atomic_exchange(&shared[seed / 2 % SHARED], address);
            if (other) {
                give_back(other);
            }
        }
        const uintptr_t never = new_address(THREADS + 1 + thread, i);
        found_wrongly +=
            spy__heap_live_may_have(&heap.live, never) && spy__heap_freed(&heap, never, &block);
    }
    return NULL;
}

static void *look(void *arg)
{
    struct spy__heap_sum sum;
    (void)arg;
    while (!atomic_load(&over)) {
        for (uint32_t i = 0; i < spy__heap_count(&heap); i++) {
            spy__heap_read(&heap, &sum, i);
            found_wrongly += sum.inuse_objects > sum.alloc_objects * 1.000001;
        }
    }
    return NULL;
}

static void *hold(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        spy__heap_hold(&heap);
        spy__heap_release(&heap);
    }
    return NULL;
}

static int run(uint32_t slots, bool may_lose)
{
    pthread_t threads[THREADS], reader, forker;
    struct spy__heap_losses losses;
    struct spy__heap_sum sum;
    double in_use = 0;
    atomic_store(&over, false);
    atomic_store(&lost, 0);
    if (spy__heap_open(&heap, &(struct spy__heap_options){ .mean_bytes = 1000,
                                                           .stacks_max = STACKS - 5,
                                                           .frames_max = 1000,
                                                           .slots = slots }) != 0 ||
        pthread_create(&reader, NULL, look, NULL) != 0 ||
        pthread_create(&forker, NULL, hold, NULL) != 0) {
        return 1;
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) {
            return 1;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&over, true);
    pthread_join(reader, NULL);
    pthread_join(forker, NULL);
    for (unsigned i = 0; i < SHARED; i++) {
        uintptr_t address = atomic_exchange(&shared[i], 0);
        if (address) {
            give_back(address);
        }
    }
    for (uint32_t i = 0; i < spy__heap_count(&heap); i++) {
        spy__heap_read(&heap, &sum, i);
        in_use += sum.inuse_objects;
    }
    spy__heap_losses(&heap, &losses);
    spy__heap_close(&heap);
    const bool ok = in_use == 0 && found_wrongly == 0 && losses.stacks > 0 &&
                    lost == losses.untracked && (losses.untracked > 0) == may_lose;
    printf("%s: %u slots, %lu not found, %lu untracked, %lu wrong, %f in use\n",
           ok ? "ok" : "WRONG", slots, (unsigned long)lost, (unsigned long)losses.untracked,
           (unsigned long)found_wrongly, in_use);
    return !ok;
}

int main(void)
{
    return run(4096, false) | run(16, true);
}
