// Cache of byte strings by type and key. One interface; memory.c (LRU and TTL) is the embedded
// default.
//
// Every call is timed as telemetry_cache {get, set, delete}, every get counted as hit or miss of
// its type.
#ifndef MEMEGEN_CACHE_CACHE_H
#define MEMEGEN_CACHE_CACHE_H

#include <stddef.h>

enum cache_type { CACHE_TEMPLATE, CACHE_MEME, CACHE_TREND };

struct cache;

struct cache_options {
    size_t bytes_max; // keys, values and bookkeeping; default 64 MiB
    unsigned ttl_s;   // default 300
};

// Returns 0 or a negative errno. Free with cache_close().
int cache_open(struct cache **ret, const struct cache_options *options);
void cache_close(struct cache *cache);

// 0 and *ret (malloc; the caller frees), or -ENOENT. Threads: any.
int cache_get(struct cache *cache, enum cache_type type, const char *key, void **ret,
              size_t *ret_len);
// Copies. Too large a value (over a quarter of bytes_max) is not kept: a cache may forget. Threads:
// any.
void cache_set(struct cache *cache, enum cache_type type, const char *key, const void *value,
               size_t len);
void cache_delete(struct cache *cache, enum cache_type type, const char *key);

#endif
