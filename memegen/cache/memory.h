// The embedded cache: byte strings in this process, the least recently used dropped first, each for
// a limited time.
#ifndef MEMEGEN_CACHE_MEMORY_H
#define MEMEGEN_CACHE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct memory_cache;

struct memory_cache_options {
    size_t bytes_max; // keys, values and bookkeeping together
    uint64_t ttl_ns;
    uint64_t (*now_ns)(void); // a clock that never goes back; called with the lock held
};

// 0, -EINVAL (a zero among the options) or -ENOMEM. Free with memory_cache_close().
int memory_cache_open(struct memory_cache **ret, const struct memory_cache_options *options);
void memory_cache_close(struct memory_cache *cache);

// As cache_get(), cache_set(), cache_delete(); 0 or -ENOENT, or -ENOMEM for get. Threads: any.
int memory_cache_get(struct memory_cache *cache, unsigned type, const char *key, void **ret,
                     size_t *ret_len);
void memory_cache_set(struct memory_cache *cache, unsigned type, const char *key, const void *value,
                      size_t len);
void memory_cache_delete(struct memory_cache *cache, unsigned type, const char *key);

// What is held now, by the same count as bytes_max; for tests. Threads: any.
size_t memory_cache_bytes(struct memory_cache *cache);

#endif
