// A hash table whose entries also stand in a list by their last use. One mutex guards both; it is
// never held over an allocation of a value or a copy of one (an image is a few hundred KiB): an
// entry is counted by reference, and what is dropped from the table lives until its last reader has
// copied it.
//
// Invariants: an entry is in the table if and only if it is in the list; bytes is the sum of their
// costs, and is at most bytes_max whenever the mutex is free.

#include "memegen/cache/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MIN 256 // a power of two, as every later size

struct entry {
    struct entry *next;          // in its bucket
    struct entry *older, *newer; // in the list by last use
    uint64_t hash;
    uint64_t expires_ns;
    atomic_uint refs; // the table's, and one a reader; released by the last, which frees
    unsigned type;
    size_t key_len, value_len;
    unsigned char bytes[]; // key, then value
};

struct memory_cache {
    struct memory_cache_options options; // const after open
    uint64_t seed;                       // const after open: callers cannot choose who collides
    pthread_mutex_t mu;
    struct entry **buckets; // guarded by mu, as all below
    size_t bucket_count;
    size_t count;
    size_t bytes;
    struct entry *oldest, *newest;
};

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/, from a random start.
static uint64_t hash_key(const struct memory_cache *cache, unsigned type, const char *key,
                         size_t len)
{
    uint64_t hash = (cache->seed ^ type) * 0x100000001b3ULL;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3ULL;
    }
    return hash ^ (hash >> 32);
}

// The entry, its place in the table, and the allocator's two words before it.
static size_t entry_cost(size_t key_len, size_t value_len)
{
    return sizeof(struct entry) + key_len + value_len + 3 * sizeof(void *);
}

static void entry_release(struct entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1) {
        free(entry);
    }
}

// The pointer that points to the entry, or the NULL where it would stand.
static struct entry **find(struct memory_cache *cache, uint64_t hash, unsigned type,
                           const char *key, size_t len)
{
    struct entry **at = &cache->buckets[hash & (cache->bucket_count - 1)];
    while (*at && !((*at)->hash == hash && (*at)->type == type && (*at)->key_len == len &&
                    memcmp((*at)->bytes, key, len) == 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void list_remove(struct memory_cache *cache, struct entry *entry)
{
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
}

static void list_add_newest(struct memory_cache *cache, struct entry *entry)
{
    entry->older = cache->newest;
    entry->newer = NULL;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void drop(struct memory_cache *cache, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    list_remove(cache, entry);
    cache->count--;
    cache->bytes -= entry_cost(entry->key_len, entry->value_len);
    entry_release(entry);
}

static void drop_oldest(struct memory_cache *cache)
{
    struct entry *oldest = cache->oldest;
    struct entry **at = &cache->buckets[oldest->hash & (cache->bucket_count - 1)];
    while (*at != oldest) {
        at = &(*at)->next;
    }
    drop(cache, at);
}

// Keeps chains short. Without memory they get longer, which costs time alone.
static void grow(struct memory_cache *cache)
{
    size_t bucket_count = cache->bucket_count * 2;
    struct entry **buckets;
    if (cache->count < cache->bucket_count) {
        return;
    }
    buckets = calloc(bucket_count, sizeof(*buckets));
    if (!buckets) {
        return;
    }
    for (struct entry *entry = cache->oldest; entry; entry = entry->newer) {
        struct entry **at = &buckets[entry->hash & (bucket_count - 1)];
        entry->next = *at;
        *at = entry;
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = bucket_count;
}

int memory_cache_open(struct memory_cache **ret, const struct memory_cache_options *options)
{
    struct memory_cache *cache;
    if (options->bytes_max == 0 || options->ttl_ns == 0 || !options->now_ns) {
        return -EINVAL;
    }
    cache = calloc(1, sizeof(*cache));
    if (!cache) {
        return -ENOMEM;
    }
    cache->options = *options;
    cache->bucket_count = BUCKETS_MIN;
    cache->buckets = calloc(BUCKETS_MIN, sizeof(*cache->buckets));
    if (!cache->buckets || pthread_mutex_init(&cache->mu, NULL) != 0) {
        free(cache->buckets);
        free(cache);
        return -ENOMEM;
    }
    if (getrandom(&cache->seed, sizeof(cache->seed), 0) != (ssize_t)sizeof(cache->seed)) {
        cache->seed = (uint64_t)(uintptr_t)cache;
    }
    *ret = cache;
    return 0;
}

void memory_cache_close(struct memory_cache *cache)
{
    if (!cache) {
        return;
    }
    while (cache->oldest) {
        drop_oldest(cache);
    }
    (void)pthread_mutex_destroy(&cache->mu);
    free(cache->buckets);
    free(cache);
}

// Finds a live entry, marks it as just used and takes a reference to it; NULL where there is none.
static struct entry *take(struct memory_cache *cache, unsigned type, const char *key)
{
    size_t len = strlen(key);
    uint64_t hash = hash_key(cache, type, key, len);
    struct entry *entry;
    struct entry **at;
    (void)pthread_mutex_lock(&cache->mu);
    at = find(cache, hash, type, key, len);
    entry = *at;
    if (entry && cache->options.now_ns() >= entry->expires_ns) {
        drop(cache, at);
        entry = NULL;
    }
    if (entry) {
        list_remove(cache, entry);
        list_add_newest(cache, entry);
        atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&cache->mu);
    return entry;
}

int memory_cache_get(struct memory_cache *cache, unsigned type, const char *key, void **ret,
                     size_t *ret_len)
{
    struct entry *entry = take(cache, type, key);
    void *copy;
    if (!entry) {
        return -ENOENT;
    }
    copy = malloc(entry->value_len ? entry->value_len : 1);
    if (copy) {
        memcpy(copy, entry->bytes + entry->key_len, entry->value_len);
        *ret = copy;
        *ret_len = entry->value_len;
    }
    entry_release(entry);
    return copy ? 0 : -ENOMEM;
}

// NULL where the value is too large to keep, or without memory.
static struct entry *entry_new(const struct memory_cache *cache, unsigned type, const char *key,
                               const void *value, size_t len)
{
    size_t key_len = strlen(key);
    struct entry *entry;
    if (len > cache->options.bytes_max / 4 ||
        entry_cost(key_len, len) > cache->options.bytes_max / 4) {
        return NULL;
    }
    entry = malloc(sizeof(*entry) + key_len + len);
    if (!entry) {
        return NULL;
    }
    *entry = (struct entry){ .hash = hash_key(cache, type, key, key_len),
                             .type = type,
                             .key_len = key_len,
                             .value_len = len };
    atomic_init(&entry->refs, 1);
    memcpy(entry->bytes, key, key_len);
    if (len > 0) {
        memcpy(entry->bytes + key_len, value, len);
    }
    return entry;
}

void memory_cache_set(struct memory_cache *cache, unsigned type, const char *key, const void *value,
                      size_t len)
{
    struct entry *entry = entry_new(cache, type, key, value, len);
    size_t cost;
    struct entry **at;
    if (!entry) {
        memory_cache_delete(cache, type, key); // an older value would be wrong from now on
        return;
    }
    cost = entry_cost(entry->key_len, len);
    (void)pthread_mutex_lock(&cache->mu);
    at = find(cache, entry->hash, type, key, entry->key_len);
    if (*at) {
        drop(cache, at);
    }
    while (cache->bytes + cost > cache->options.bytes_max) {
        drop_oldest(cache);
    }
    grow(cache);
    entry->expires_ns = cache->options.now_ns() + cache->options.ttl_ns;
    at = &cache->buckets[entry->hash & (cache->bucket_count - 1)];
    entry->next = *at;
    *at = entry;
    list_add_newest(cache, entry);
    cache->count++;
    cache->bytes += cost;
    (void)pthread_mutex_unlock(&cache->mu);
}

void memory_cache_delete(struct memory_cache *cache, unsigned type, const char *key)
{
    size_t len = strlen(key);
    uint64_t hash = hash_key(cache, type, key, len);
    struct entry **at;
    (void)pthread_mutex_lock(&cache->mu);
    at = find(cache, hash, type, key, len);
    if (*at) {
        drop(cache, at);
    }
    (void)pthread_mutex_unlock(&cache->mu);
}

size_t memory_cache_bytes(struct memory_cache *cache)
{
    size_t bytes;
    (void)pthread_mutex_lock(&cache->mu);
    bytes = cache->bytes;
    (void)pthread_mutex_unlock(&cache->mu);
    return bytes;
}
