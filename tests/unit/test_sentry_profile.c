// Profiles as Sentry's: against a golden file (WRITE_GOLDEN=1 writes it), and by the rules that Relay
// rejects them by.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "base/host.h"
#include "encode/sentry_profile.h"
#include "golden.h"
#include "profile_rig.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static const struct spy__host machine = { .name = "node-7",
                                          .os_name = "Debian GNU/Linux",
                                          .os_version = "12",
                                          .kernel = "6.1.0-18-amd64",
                                          .arch = "x86_64",
                                          .libc = "2.36" };
static const struct spy__sentry_host host = { .service = "memegen",
                                              .release = "memegen@1.2.3",
                                              .environment = "production",
                                              .machine = &machine };

static struct spy__sentry_profile profile_of(const struct spy__profile *profile)
{
    return (struct spy__sentry_profile){ .host = &host,
                                         .profile = profile,
                                         .platform = SPY__SENTRY_PROFILE_PLATFORM,
                                         .event_hi = 0x1122334455667788,
                                         .event_lo = 0x99aabbccddeeff00,
                                         .transaction_hi = 0x0011223344556677,
                                         .transaction_lo = 0x8899aabbccddeeff,
                                         .name = "GET /memes/{id}",
                                         .name_n = 15 };
}

// ---- what Relay does with one: relay-profiling/src/sample/v1.rs and transaction_metadata.rs

static uint64_t number(const json_t *text)
{
    char *end;
    assert_true(json_is_string(text));
    assert_true(json_string_length(text) > 0);
    uint64_t n = strtoull(json_string_value(text), &end, 10);
    assert_int_equal(*end, '\0');
    return n;
}

static void assert_text(const json_t *of, const char *key)
{
    assert_true(json_is_string(json_object_get(of, key)));
}

static void assert_id(const json_t *of, const char *key)
{
    assert_text(of, key);
    const char *id = json_string_value(json_object_get(of, key));
    assert_int_equal(strlen(id), 32);
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    assert_int_not_equal(strspn(id, "0"), 32);
}

static void assert_metadata(const json_t *tree)
{
    assert_string_equal(json_string_value(json_object_get(tree, "version")), "1");
    assert_id(tree, "event_id");
    assert_text(tree, "platform");
    assert_text(tree, "timestamp");
    assert_text(json_object_get(tree, "os"), "name");
    assert_text(json_object_get(tree, "os"), "version");
    assert_text(json_object_get(tree, "device"), "architecture");
    const json_t *transaction = json_object_get(tree, "transaction");
    assert_id(transaction, "id");
    assert_id(transaction, "trace_id");
    assert_true(json_string_length(json_object_get(transaction, "name")) > 0);
    (void)number(json_object_get(transaction, "active_thread_id"));
    size_t i;
    const json_t *image;
    json_array_foreach(json_object_get(json_object_get(tree, "debug_meta"), "images"), i, image)
    {
        assert_string_equal(json_string_value(json_object_get(image, "type")), "symbolic");
        assert_text(image, "code_file");
        assert_text(image, "debug_id");
        assert_null(json_object_get(image, "name")); // an alias of code_file
        assert_null(json_object_get(image, "id"));   // and of debug_id
    }
}

static bool is_empty(const json_t *stacks, const json_t *sample)
{
    return json_array_size(json_array_get(
               stacks, (size_t)json_integer_value(json_object_get(sample, "stack_id")))) == 0;
}

static bool same_thread(const json_t *a, const json_t *b)
{
    return number(json_object_get(a, "thread_id")) == number(json_object_get(b, "thread_id"));
}

// How many samples it leaves: without the empty ones at a thread's edges, and without threads that have
// but one.
static size_t samples_left(const json_t *samples, const json_t *stacks)
{
    json_t *active = json_array();
    size_t left = 0, n = json_array_size(samples);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(samples, i);
        bool before = false, behind = false;
        for (size_t k = 0; k < n; k++) {
            json_t *other = json_array_get(samples, k);
            bool works = same_thread(one, other) && !is_empty(stacks, other);
            before = before || (works && k <= i);
            behind = behind || (works && k >= i);
        }
        if (before && behind) {
            assert_int_equal(json_array_append(active, json_array_get(samples, i)), 0);
        }
    }
    for (size_t i = 0; i < json_array_size(active); i++) {
        size_t of_thread = 0;
        for (size_t k = 0; k < json_array_size(active); k++) {
            of_thread += same_thread(json_array_get(active, i), json_array_get(active, k));
        }
        left += of_thread > 1;
    }
    json_decref(active);
    return left;
}

// Returns the tree, as Relay would take it.
static json_t *assert_taken(const struct spy__buf *out)
{
    json_error_t error;
    json_t *tree = json_loadb(out->bytes, out->len, JSON_REJECT_DUPLICATES, &error);
    if (!tree) {
        fail_msg("%s: %.*s", error.text, (int)out->len, out->bytes);
    }
    assert_metadata(tree);
    const json_t *profile = json_object_get(tree, "profile");
    const json_t *samples = json_object_get(profile, "samples");
    const json_t *stacks = json_object_get(profile, "stacks");
    const size_t frames = json_array_size(json_object_get(profile, "frames"));
    size_t i, k;
    const json_t *item, *index;
    uint64_t last = 0;
    json_array_foreach(samples, i, item)
    {
        assert_in_range(json_integer_value(json_object_get(item, "stack_id")), 0,
                        json_array_size(stacks) - 1);
        uint64_t elapsed = number(json_object_get(item, "elapsed_since_start_ns"));
        assert_true(elapsed >= last);
        last = elapsed;
    }
    assert_true(last <= 30 * S);
    json_array_foreach(stacks, i, item)
    {
        json_array_foreach(item, k, index)
        {
            assert_in_range(json_integer_value(index), 0, frames - 1);
        }
    }
    assert_true(samples_left(samples, stacks) >= 2);
    return tree;
}

static json_t *encode(const struct spy__profile *profile)
{
    struct spy__buf out;
    struct spy__sentry_profile p = profile_of(profile);
    spy__buf_init(&out, 1 << 22);
    assert_int_equal(spy__encode_sentry_profile(&out, &p), 0);
    json_t *tree = assert_taken(&out);
    spy__buf_done(&out);
    return tree;
}

// ---- profiles

static void test_golden(void **state)
{
    (void)state;
    struct spy__profile *rig = profile_rig_new();
    json_t *tree = encode(rig);
    assert_golden(tree, "sentry_profile.json");
    spy__profile_free(rig);
}

static const uintptr_t places[] = { 0x1001, 0x2001, 0x3001 };

static void add(struct spy__profile *p, uint64_t time_ns, uint64_t weight_ns, uint64_t tid,
                const char *waits)
{
    const struct spy__profile_sample sample = {
        .time_ns = time_ns,
        .weight_ns = weight_ns,
        .count = 1,
        .stack = spy__profile_add_stack(p, places, 3),
        .thread = spy__profile_add_thread(p, tid, "worker"),
        .operation = spy__profile_add_operation(p, waits),
        .waited = waits != NULL,
    };
    assert_int_not_equal(spy__profile_add_sample(p, &sample), SPY__PROFILE_NONE);
}

static struct spy__profile *new_profile(void)
{
    struct spy__profile *p = spy__profile_new();
    assert_non_null(p);
    p->trace_lo = 7;
    p->start_ns = UINT64_C(1700000000000000000);
    return p;
}

struct wanted {
    uint64_t ms;
    int stack;
    uint64_t tid;
};

static void assert_samples(const json_t *tree, const struct wanted *wanted, size_t n)
{
    const json_t *samples = json_object_get(json_object_get(tree, "profile"), "samples");
    assert_int_equal(json_array_size(samples), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *sample = json_array_get(samples, i);
        assert_int_equal(number(json_object_get(sample, "elapsed_since_start_ns")),
                         wanted[i].ms * MS);
        assert_int_equal(json_integer_value(json_object_get(sample, "stack_id")), wanted[i].stack);
        assert_int_equal(number(json_object_get(sample, "thread_id")), wanted[i].tid);
    }
}

// Stack 0 runs, 1 is the empty one, 2 waits.
static void test_times(void **state)
{
    (void)state;
    struct spy__profile *p = new_profile();
    add(p, 20 * MS, 10 * MS, 1, NULL);
    add(p, 30 * MS, 10 * MS, 1, NULL);
    add(p, 30 * MS, 500 * MS, 1, "query"); // it ends when it was told, 500 ms later
    add(p, 540 * MS, 10 * MS, 1, NULL);
    add(p, 700 * MS, 10 * MS, 1, NULL); // nothing ran in between
    add(p, 25 * MS, 10 * MS, 2, NULL);  // another thread, once
    json_t *tree = encode(p);
    const struct wanted wanted[] = { { 10, 0, 1 },  { 15, 0, 2 },  { 20, 0, 1 },
                                     { 25, 0, 2 },  { 30, 2, 1 },  { 530, 0, 1 },
                                     { 540, 1, 1 }, { 690, 0, 1 }, { 700, 0, 1 } };
    assert_samples(tree, wanted, 9);
    const json_t *profile = json_object_get(tree, "profile");
    const json_t *stacks = json_object_get(profile, "stacks");
    assert_int_equal(json_array_size(json_array_get(stacks, 1)), 0);
    const json_t *waiting = json_array_get(json_object_get(profile, "frames"), 3);
    assert_string_equal(json_string_value(json_object_get(waiting, "function")), "waiting: query");
    assert_int_equal(json_integer_value(json_array_get(json_array_get(stacks, 2), 0)), 3);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(stacks, 2), 1)), 0);
    json_decref(tree);
    spy__profile_free(p);
}

static void test_thirty_seconds(void **state)
{
    (void)state;
    struct spy__profile *p = new_profile();
    for (uint64_t i = 1; i <= 400; i++) {
        add(p, i * 100 * MS, 100 * MS, 1, NULL);
    }
    add(p, 29 * S, 60 * S, 2, "query");
    json_t *tree = encode(p);
    const json_t *samples = json_object_get(json_object_get(tree, "profile"), "samples");
    assert_int_equal(json_array_size(samples), 300 + 1 + 2);
    json_decref(tree);
    spy__profile_free(p);
}

static int try_encode(const struct spy__profile *profile, size_t max)
{
    struct spy__buf out;
    struct spy__sentry_profile p = profile_of(profile);
    spy__buf_init(&out, max);
    int err = spy__encode_sentry_profile(&out, &p);
    spy__buf_done(&out);
    return err;
}

static void test_too_little(void **state)
{
    (void)state;
    struct spy__profile *p = new_profile();
    assert_int_equal(try_encode(p, 1 << 20), -ENODATA);
    add(p, 10 * MS, 10 * MS, 1, NULL);
    assert_int_equal(try_encode(p, 1 << 20), -ENODATA);
    add(p, 31 * S, 10 * MS, 1, NULL); // past the end
    assert_int_equal(try_encode(p, 1 << 20), -ENODATA);
    const struct spy__profile_sample summed = { .count = 2, .thread = SPY__PROFILE_NONE };
    assert_int_not_equal(spy__profile_add_sample(p, &summed), SPY__PROFILE_NONE);
    assert_int_equal(try_encode(p, 1 << 20), -ENODATA);
    add(p, 20 * MS, 10 * MS, 1, NULL);
    assert_int_equal(try_encode(p, 1 << 20), 0);
    assert_int_equal(try_encode(p, 500), -ENOMEM); // past the maximum
    spy__profile_free(p);
}

static void test_very_many_waits(void **state)
{
    (void)state;
    struct spy__profile *p = new_profile();
    for (uint64_t i = 0; i < 300; i++) {
        char operation[200];
        (void)snprintf(operation, sizeof(operation), "operation %" PRIu64 " %0150d", i, 0);
        add(p, i * 50 * MS, 50 * MS, 1, operation);
    }
    json_t *tree = encode(p);
    const json_t *stacks = json_object_get(json_object_get(tree, "profile"), "stacks");
    assert_int_equal(json_array_size(stacks), 1 + 1 + 256);
    json_decref(tree);
    spy__profile_free(p);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct spy__profile *rig = profile_rig_new();
    int err = -ENOMEM;
    long n = 0;
    for (; err != 0; n++) {
        alloc_fail_after(n);
        err = try_encode(rig, 1 << 20);
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM);
    }
    assert_true(n > 3);
    spy__profile_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),          cmocka_unit_test(test_times),
        cmocka_unit_test(test_thirty_seconds),  cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_very_many_waits), cmocka_unit_test(test_without_memory),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
