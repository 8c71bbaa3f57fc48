// The heap's samples as a profile, and what encoders make of it, from a source made by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "alloc_fail.h"
#include "encode/flamegraph.h"
#include "encode/folded.h"
#include "encode/pprof.h"
#include "encode/speedscope.h"
#include "profile/heap.h"

#define BYTES_MAX (1u << 24)

static struct spy__heap_sum sums[3];
static struct spy__heap_losses lost;
static uint64_t mean;

static uint64_t mean_bytes(void)
{
    return mean;
}

static uint32_t count(void)
{
    return sizeof(sums) / sizeof(sums[0]);
}

static void read_sum(struct spy__heap_sum *ret, uint32_t i)
{
    *ret = sums[i];
}

static void losses(struct spy__heap_losses *ret)
{
    *ret = lost;
}

static const struct spy__heap_source source = { mean_bytes, count, read_sum, losses };

static int set_up(void **state)
{
    (void)state;
    mean = 4096;
    lost = (struct spy__heap_losses){ 0 };
    memset(sums, 0, sizeof(sums)); // the first has nothing, as where all stacks had room
    sums[1] = (struct spy__heap_sum){ .alloc_objects = 10.6,
                                      .alloc_bytes = 7000.5,
                                      .inuse_objects = 2.4,
                                      .inuse_bytes = 1234.4,
                                      .frames = 2,
                                      .stack = { 0x1001, 0x2001 } };
    sums[2] = (struct spy__heap_sum){
        .alloc_objects = 1, .alloc_bytes = 50, .frames = 1, .stack = { 0x2001 }
    };
    return 0;
}

static struct spy__profile *profile_of_source(void)
{
    struct spy__profile *profile = NULL;
    assert_int_equal(spy__profile_heap(&profile, &source), 0);
    return profile;
}

static void test_without_the_library_there_is_none(void **state)
{
    struct spy__profile *profile = NULL;
    (void)state;
    assert_null(spy__heap_source());
    assert_int_equal(spy__profile_heap(&profile, spy__heap_source()), -ENOSYS);
    mean = 0;
    assert_int_equal(spy__profile_heap(&profile, &source), -ENOSYS);
    assert_null(profile);
}

static void test_sums_become_samples(void **state)
{
    (void)state;
    struct spy__profile *p = profile_of_source();
    assert_int_equal(p->kind, SPY__PROFILE_HEAP);
    assert_int_equal(p->period_bytes, 4096);
    assert_true(p->start_ns > 0);
    assert_int_equal(p->duration_ns, 0);
    assert_string_equal(p->note, "");
    assert_int_equal(p->sample_count, 2);
    assert_int_equal(p->samples[0].weight_ns, 1234);
    assert_int_equal(p->heap[0].alloc_objects, 11);
    assert_int_equal(p->heap[0].alloc_bytes, 7001);
    assert_int_equal(p->heap[0].inuse_objects, 2);
    assert_int_equal(p->heap[0].inuse_bytes, 1234);
    assert_int_equal(p->heap[1].alloc_bytes, 50);
    assert_int_equal(p->heap[1].inuse_bytes, 0);
    assert_int_equal(p->stacks[p->samples[0].stack].count, 2);
    spy__profile_free(p);
}

static void test_what_found_no_room_is_said(void **state)
{
    (void)state;
    lost = (struct spy__heap_losses){ .stacks = 3, .untracked = 4 };
    sums[0].alloc_objects = 5;
    struct spy__profile *p = profile_of_source();
    assert_int_equal(p->sample_count, 3);
    assert_int_equal(p->samples[0].stack, SPY__PROFILE_NONE);
    assert_string_equal(p->note, "Tables were full: 3 samples and 0 places have no stack; "
                                 "4 samples count as allocated, but not as in use.");
    assert_int_equal(p->lost, 7);
    struct spy__buf out;
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_pprof(&out, p), 0);
    assert_non_null(memmem(out.bytes, out.len, p->note, strlen(p->note)));
    spy__buf_done(&out);
    spy__profile_free(p);
}

static void test_pprof_has_four_types(void **state)
{
    static const char wanted[] = "\x0a\x04\x08\x01\x10\x02\x0a\x04\x08\x03\x10\x04"
                                 "\x0a\x04\x08\x05\x10\x02\x0a\x04\x08\x06\x10\x04";
    static const char *const strings[] = { "alloc_objects", "count",       "alloc_space", "bytes",
                                           "inuse_objects", "inuse_space", "space" };
    // Two locations and four numbers: 11, 7001, 2, 1234.
    static const char sample[] = "\x0a\x02\x01\x02\x12\x06\x0b\xd9\x36\x02\xd2\x09";
    struct spy__buf out;
    (void)state;
    struct spy__profile *p = profile_of_source();
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_pprof(&out, p), 0);
    assert_memory_equal(out.bytes, wanted, sizeof(wanted) - 1);
    assert_non_null(memmem(out.bytes, out.len, sample, sizeof(sample) - 1));
    const char *at = out.bytes;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) { // in this order
        at = memmem(at, out.len - (size_t)(at - out.bytes), strings[i], strlen(strings[i]));
        assert_non_null(at);
    }
    assert_null(memmem(out.bytes, out.len, "nanoseconds", 11));
    spy__buf_done(&out);
    spy__profile_free(p);
}

static void test_other_forms_are_in_bytes(void **state)
{
    struct spy__buf out;
    (void)state;
    struct spy__profile *p = profile_of_source();
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_folded(&out, p, true), 0);
    spy__buf_putc(&out, '\0');
    assert_string_equal(out.bytes, "0x2000;0x1000 1234\n");
    spy__buf_reset(&out);
    assert_int_equal(spy__encode_speedscope(&out, p, "t", true), 0);
    assert_non_null(memmem(out.bytes, out.len, "\"unit\":\"bytes\"", 14));
    spy__buf_reset(&out);
    assert_int_equal(
        spy__encode_flamegraph(&out, &(struct spy__flamegraph){ .profile = p, .title = "t" }), 0);
    assert_non_null(memmem(out.bytes, out.len, "\"kind\":\"heap\"", 13));
    assert_non_null(memmem(out.bytes, out.len, "\"period_bytes\":4096", 19));
    spy__buf_done(&out);
    spy__profile_free(p);
}

static void test_memory_runs_out(void **state)
{
    int rc = -ENOMEM;
    (void)state;
    for (long n = 0; rc != 0; n++) {
        struct spy__profile *p = NULL;
        struct spy__buf out;
        spy__buf_init(&out, BYTES_MAX);
        alloc_fail_after(n);
        rc = spy__profile_heap(&p, &source);
        rc = rc == 0 ? spy__encode_pprof(&out, p) : rc;
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        spy__buf_done(&out);
        spy__profile_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_without_the_library_there_is_none, set_up),
        cmocka_unit_test_setup(test_sums_become_samples, set_up),
        cmocka_unit_test_setup(test_what_found_no_room_is_said, set_up),
        cmocka_unit_test_setup(test_pprof_has_four_types, set_up),
        cmocka_unit_test_setup(test_other_forms_are_in_bytes, set_up),
        cmocka_unit_test_setup(test_memory_runs_out, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
