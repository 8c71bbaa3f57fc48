// The cache as memegen sees it: the embedded one, timed and counted.

#include "memegen/cache/cache.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "memegen/cache/memory.h"
#include "memegen/telemetry.h"

#define BYTES_DEFAULT ((size_t)64 << 20)
#define TTL_DEFAULT_S 300

struct cache {
    struct memory_cache *memory;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const char *type_name(enum cache_type type)
{
    switch (type) {
    case CACHE_TEMPLATE:
        return "template";
    case CACHE_MEME:
        return "meme";
    case CACHE_TREND:
        break;
    }
    return "trend";
}

int cache_open(struct cache **ret, const struct cache_options *options)
{
    const struct memory_cache_options memory = {
        .bytes_max = options->bytes_max ? options->bytes_max : BYTES_DEFAULT,
        .ttl_ns = (uint64_t)(options->ttl_s ? options->ttl_s : TTL_DEFAULT_S) * 1000000000u,
        .now_ns = now_ns,
    };
    struct cache *cache = calloc(1, sizeof(*cache));
    int rc;
    if (!cache) {
        return -ENOMEM;
    }
    rc = memory_cache_open(&cache->memory, &memory);
    if (rc != 0) {
        free(cache);
        return rc;
    }
    *ret = cache;
    return 0;
}

void cache_close(struct cache *cache)
{
    if (cache) {
        memory_cache_close(cache->memory);
        free(cache);
    }
}

int cache_get(struct cache *cache, enum cache_type type, const char *key, void **ret,
              size_t *ret_len)
{
    struct spy_span span = spy_begin(&telemetry_cache, "get");
    int rc = memory_cache_get(cache->memory, type, key, ret, ret_len);
    const struct spy_field known[] = { spy_str("op", "cache.get"), spy_str("cache.key", key),
                                       spy_bool("cache.hit", rc == 0) };
    spy_span_attributes(&span, known, sizeof(known) / sizeof(known[0]));
    spy_end(&span, SPY_SUCCESS);
    telemetry_cache_lookup(type_name(type), rc == 0);
    return rc;
}

void cache_set(struct cache *cache, enum cache_type type, const char *key, const void *value,
               size_t len)
{
    struct spy_span span = spy_begin(&telemetry_cache, "set");
    memory_cache_set(cache->memory, type, key, value, len);
    const struct spy_field known[] = { spy_str("op", "cache.put"), spy_str("cache.key", key),
                                       spy_uint("cache.item_size", len) };
    spy_span_attributes(&span, known, sizeof(known) / sizeof(known[0]));
    spy_end(&span, SPY_SUCCESS);
}

void cache_delete(struct cache *cache, enum cache_type type, const char *key)
{
    struct spy_span span = spy_begin(&telemetry_cache, "delete");
    memory_cache_delete(cache->memory, type, key);
    const struct spy_field known[] = { spy_str("op", "cache.remove"), spy_str("cache.key", key) };
    spy_span_attributes(&span, known, sizeof(known) / sizeof(known[0]));
    spy_end(&span, SPY_SUCCESS);
}
