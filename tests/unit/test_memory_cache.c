// The embedded cache: what it keeps, what it forgets and when.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "memegen/cache/memory.h"

static uint64_t clock_ns;

static uint64_t now_ns(void)
{
    return clock_ns;
}

static struct memory_cache *open_cache(size_t bytes_max)
{
    struct memory_cache *cache;
    const struct memory_cache_options options = { .bytes_max = bytes_max,
                                                  .ttl_ns = 100,
                                                  .now_ns = now_ns };
    clock_ns = 1000;
    assert_int_equal(memory_cache_open(&cache, &options), 0);
    return cache;
}

static void set(struct memory_cache *cache, const char *key, const char *value)
{
    memory_cache_set(cache, 0, key, value, strlen(value));
}

static void assert_value(struct memory_cache *cache, const char *key, const char *expected)
{
    void *value;
    size_t len;
    assert_int_equal(memory_cache_get(cache, 0, key, &value, &len), 0);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(value, expected, len);
    free(value);
}

static void assert_miss(struct memory_cache *cache, const char *key)
{
    void *value = &value;
    size_t len = 7;
    assert_int_equal(memory_cache_get(cache, 0, key, &value, &len), -ENOENT);
    assert_ptr_equal(value, &value);
    assert_int_equal(len, 7);
}

static void test_keeps_and_replaces(void **state)
{
    struct memory_cache *cache = open_cache(1 << 16);
    size_t bytes;
    (void)state;
    assert_miss(cache, "a");
    set(cache, "a", "one");
    assert_value(cache, "a", "one");
    bytes = memory_cache_bytes(cache);
    set(cache, "a", "two");
    assert_value(cache, "a", "two");
    assert_int_equal(memory_cache_bytes(cache), bytes);
    set(cache, "empty", "");
    assert_value(cache, "empty", "");
    set(cache, "", "no key");
    assert_value(cache, "", "no key");
    memory_cache_close(cache);
}

static void test_types_are_apart(void **state)
{
    struct memory_cache *cache = open_cache(1 << 16);
    void *value;
    size_t len;
    (void)state;
    memory_cache_set(cache, 0, "k", "zero", 4);
    memory_cache_set(cache, 1, "k", "one", 3);
    memory_cache_delete(cache, 0, "k");
    assert_miss(cache, "k");
    assert_int_equal(memory_cache_get(cache, 1, "k", &value, &len), 0);
    assert_int_equal(len, 3);
    free(value);
    memory_cache_close(cache);
}

static void test_deletes(void **state)
{
    struct memory_cache *cache = open_cache(1 << 16);
    (void)state;
    set(cache, "a", "1");
    set(cache, "b", "2");
    memory_cache_delete(cache, 0, "a");
    memory_cache_delete(cache, 0, "never there");
    assert_miss(cache, "a");
    assert_value(cache, "b", "2");
    memory_cache_delete(cache, 0, "b");
    assert_int_equal(memory_cache_bytes(cache), 0);
    memory_cache_close(cache);
}

static void test_forgets_after_its_time(void **state)
{
    struct memory_cache *cache = open_cache(1 << 16);
    (void)state;
    set(cache, "a", "1");
    clock_ns += 99;
    assert_value(cache, "a", "1"); // a read does not prolong its life
    clock_ns += 1;
    assert_miss(cache, "a");
    assert_int_equal(memory_cache_bytes(cache), 0);
    set(cache, "a", "2");
    clock_ns += 60;
    set(cache, "a", "3");
    clock_ns += 60;
    assert_value(cache, "a", "3");
    memory_cache_close(cache);
}

static void test_drops_the_least_recently_used(void **state)
{
    static const char value[200] = { 0 };
    struct memory_cache *cache = open_cache(1200); // room for four of them and no more
    void *read;
    size_t len;
    (void)state;
    memory_cache_set(cache, 0, "a", value, sizeof(value));
    memory_cache_set(cache, 0, "b", value, sizeof(value));
    memory_cache_set(cache, 0, "c", value, sizeof(value));
    memory_cache_set(cache, 0, "d", value, sizeof(value));
    assert_int_equal(memory_cache_get(cache, 0, "a", &read, &len), 0);
    free(read);
    memory_cache_set(cache, 0, "e", value, sizeof(value));
    assert_miss(cache, "b");
    for (const char *key = "acde"; *key; key++) {
        assert_int_equal(memory_cache_get(cache, 0, (const char[]){ *key, '\0' }, &read, &len), 0);
        free(read);
    }
    assert_true(memory_cache_bytes(cache) <= 1200);
    memory_cache_close(cache);
}

static void test_too_large_a_value_takes_the_old_one_away(void **state)
{
    char *large = calloc(1, 1 << 16);
    struct memory_cache *cache = open_cache(1 << 16);
    (void)state;
    assert_non_null(large);
    set(cache, "a", "small");
    set(cache, "b", "stays");
    memory_cache_set(cache, 0, "a", large, (1 << 14) + 1);
    assert_miss(cache, "a");
    memory_cache_set(cache, 0, "a", large, SIZE_MAX);
    assert_miss(cache, "a");
    assert_value(cache, "b", "stays");
    memory_cache_close(cache);
    free(large);
}

static void test_many_entries(void **state)
{
    struct memory_cache *cache = open_cache((size_t)64 << 20);
    char key[32];
    (void)state;
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        set(cache, key, key);
    }
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        assert_value(cache, key, key);
        if (i % 2) {
            memory_cache_delete(cache, 0, key);
        }
    }
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        if (i % 2) {
            assert_miss(cache, key);
        } else {
            assert_value(cache, key, key);
        }
    }
    memory_cache_close(cache);
}

static void test_refuses_options(void **state)
{
    struct memory_cache *cache = NULL;
    const struct memory_cache_options no_room = { .ttl_ns = 1, .now_ns = now_ns };
    const struct memory_cache_options no_time = { .bytes_max = 1, .now_ns = now_ns };
    const struct memory_cache_options no_clock = { .bytes_max = 1, .ttl_ns = 1 };
    (void)state;
    assert_int_equal(memory_cache_open(&cache, &no_room), -EINVAL);
    assert_int_equal(memory_cache_open(&cache, &no_time), -EINVAL);
    assert_int_equal(memory_cache_open(&cache, &no_clock), -EINVAL);
    assert_null(cache);
    memory_cache_close(NULL);
}

static void test_no_memory(void **state)
{
    const struct memory_cache_options options = { .bytes_max = 1 << 20,
                                                  .ttl_ns = 100,
                                                  .now_ns = now_ns };
    struct memory_cache *cache = NULL;
    char key[32];
    void *value;
    size_t len;
    (void)state;
    for (long n = 0; !cache; n++) {
        alloc_fail_after(n);
        int rc = memory_cache_open(&cache, &options);
        alloc_fail_never();
        assert_true(rc == (cache ? 0 : -ENOMEM) && n < 10);
    }
    set(cache, "a", "old");
    alloc_fail_after(0);
    set(cache, "a", "new"); // cannot be kept, but the old value must not be answered any more
    alloc_fail_never();
    assert_miss(cache, "a");

    set(cache, "a", "1");
    alloc_fail_after(0);
    int rc = memory_cache_get(cache, 0, "a", &value, &len);
    alloc_fail_never();
    assert_int_equal(rc, -ENOMEM);
    assert_value(cache, "a", "1");

    for (int i = 0; i < 2000; i++) { // the entry is had, a larger table is not
        (void)snprintf(key, sizeof(key), "%d", i);
        alloc_fail_after(1);
        set(cache, key, key);
        alloc_fail_never();
    }
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        assert_value(cache, key, key);
    }
    memory_cache_close(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_and_replaces),
        cmocka_unit_test(test_types_are_apart),
        cmocka_unit_test(test_deletes),
        cmocka_unit_test(test_forgets_after_its_time),
        cmocka_unit_test(test_drops_the_least_recently_used),
        cmocka_unit_test(test_too_large_a_value_takes_the_old_one_away),
        cmocka_unit_test(test_many_entries),
        cmocka_unit_test(test_refuses_options),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("memory_cache", tests, NULL, NULL);
}
