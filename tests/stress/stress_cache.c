// Threads that set, read, delete and expire the same few keys: under ThreadSanitizer no race, and
// what is read is always whole.
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/cache/memory.h"

#define THREADS 8
#define ROUNDS 20000
#define KEYS 16
#define VALUE_BYTES_MAX 4096

static struct memory_cache *cache;
static atomic_ulong clock_ns = 1;
static atomic_bool torn;
static atomic_ulong hits;

static uint64_t now_ns(void)
{
    return atomic_load(&clock_ns);
}

// A value is one byte repeated, so a mixture of two shows.
static void check(const unsigned char *value, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (value[i] != value[0]) {
            atomic_store(&torn, true);
        }
    }
}

static void *work(void *arg)
{
    unsigned char value[VALUE_BYTES_MAX];
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int dice = rand_r(&seed);
        char key[2] = { (char)('a' + dice % KEYS), '\0' };
        void *read;
        size_t len;
        atomic_fetch_add(&clock_ns, 1);
        switch (dice / KEYS % 4) {
        case 0:
            memset(value, dice, sizeof(value));
            memory_cache_set(cache, 0, key, value, 1 + (size_t)(dice / 64 % VALUE_BYTES_MAX));
            break;
        case 1:
            memory_cache_delete(cache, 0, key);
            break;
        default:
            if (memory_cache_get(cache, 0, key, &read, &len) == 0) {
                check(read, len);
                atomic_fetch_add(&hits, 1);
                free(read);
            }
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    const struct memory_cache_options options = { .bytes_max = 32768,
                                                  .ttl_ns = 500,
                                                  .now_ns = now_ns };
    if (memory_cache_open(&cache, &options) != 0) {
        return 1;
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)printf("%lu hits, %zu bytes held\n", atomic_load(&hits), memory_cache_bytes(cache));
    memory_cache_close(cache);
    return atomic_load(&torn) || atomic_load(&hits) == 0;
}
