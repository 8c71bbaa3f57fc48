// The snapshot of a profile: equal things are one thing, limits hold, memory may run out anywhere.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "alloc_fail.h"
#include "profile/profile.h"

static void test_equal_stacks_are_one(void **state)
{
    (void)state;
    struct spy__profile *p = spy__profile_new();
    assert_non_null(p);
    const uintptr_t one[] = { 101, 201, 301 }, other[] = { 101, 201 }, third[] = { 301, 201, 101 };
    uint32_t a = spy__profile_add_stack(p, one, 3), b = spy__profile_add_stack(p, other, 2);
    assert_int_equal(spy__profile_add_stack(p, one, 3), a);
    assert_int_equal(spy__profile_add_stack(p, other, 2), b);
    assert_int_not_equal(a, b);
    assert_int_not_equal(spy__profile_add_stack(p, third, 3), a);
    assert_int_equal(spy__profile_add_stack(p, one, 0), SPY__PROFILE_NONE);
    assert_int_equal(p->stack_count, 3);
    assert_int_equal(p->location_count, 3);
    assert_int_equal(p->entry_count, 8);
    // Innermost first, and each address lies in its instruction.
    const uint32_t *entries = p->entries + p->stacks[a].first;
    assert_int_equal(p->locations[entries[0]].address, 100);
    assert_int_equal(p->locations[entries[2]].address, 300);
    assert_int_equal(p->locations[entries[0]].module, SPY__PROFILE_NONE);
    spy__profile_free(p);
}

static void test_samples_are_kept_or_summed(void **state)
{
    (void)state;
    struct spy__profile *p = spy__profile_new();
    assert_non_null(p);
    struct spy__profile_sample sample = { .weight_ns = 10, .count = 1, .stack = 0, .operation = 1 };
    assert_int_equal(spy__profile_sum_sample(p, &sample), 0);
    assert_int_equal(spy__profile_sum_sample(p, &sample), 0);
    sample.waited = true;
    assert_int_equal(spy__profile_sum_sample(p, &sample), 1);
    sample.operation = SPY__PROFILE_NONE;
    assert_int_equal(spy__profile_sum_sample(p, &sample), 2);
    assert_int_equal(spy__profile_add_sample(p, &sample), 3);
    assert_int_equal(p->samples[0].weight_ns, 20);
    assert_int_equal(p->samples[0].count, 2);
    assert_int_equal(spy__profile_total_ns(p, false), 20);
    assert_int_equal(spy__profile_total_ns(p, true), 30);
    while (p->sample_count < SPY__PROFILE_SAMPLES_MAX) {
        assert_int_not_equal(spy__profile_add_sample(p, &sample), SPY__PROFILE_NONE);
    }
    assert_int_equal(spy__profile_add_sample(p, &sample), SPY__PROFILE_NONE);
    spy__profile_free(p);
}

static void test_threads_spans_and_operations(void **state)
{
    (void)state;
    struct spy__profile *p = spy__profile_new();
    assert_non_null(p);
    assert_int_equal(spy__profile_add_thread(p, 7, "a name that is far too long"), 0);
    assert_int_equal(spy__profile_add_thread(p, 8, "worker"), 1);
    assert_int_equal(spy__profile_add_thread(p, 7, "renamed"), 0);
    assert_string_equal(p->threads[0].name, "a name that is ");

    char name[] = "router";
    struct spy__profile_span span = { .id = 3, .parent_id = 1, .name = name, .start_ns = 5 };
    assert_int_equal(spy__profile_add_span(p, &span), 0);
    span.end_ns = 9;
    assert_int_equal(spy__profile_add_span(p, &span), 0);
    span.id = 4;
    assert_int_equal(spy__profile_add_span(p, &span), 1);
    memset(name, 'x', sizeof(name) - 1);
    assert_string_equal(p->spans[0].name, "router"); // copied
    assert_int_equal(p->spans[0].end_ns, 9);
    assert_int_equal(p->span_count, 2);

    assert_int_equal(spy__profile_add_operation(p, "agent"), 0);
    assert_int_equal(spy__profile_add_operation(p, "http"), 1);
    assert_int_equal(spy__profile_add_operation(p, "agent"), 0);
    assert_int_equal(spy__profile_add_operation(p, ""), SPY__PROFILE_NONE);
    assert_int_equal(spy__profile_add_operation(p, NULL), SPY__PROFILE_NONE);
    spy__profile_free(p);
}

static void test_a_location_gets_its_names(void **state)
{
    (void)state;
    struct spy__profile *p = spy__profile_new();
    assert_non_null(p);
    const uintptr_t address = 101;
    assert_int_equal(spy__profile_add_stack(p, &address, 1), 0);
    uint32_t module = spy__profile_add_module(
        p,
        &(struct spy__profile_module){ .path = "/usr/bin/memegen", .build_id = "ab", .start = 1 });
    assert_int_equal(module, 0);
    char function[] = "draw";
    const struct spy__frame frames[] = { { .function = "inner", .inlined = true },
                                         { .function = function, .file = "draw.c", .line = 4 } };
    assert_true(spy__profile_name_location(p, 0, module, frames, 2));
    memset(function, 'x', sizeof(function) - 1);
    const struct spy__profile_location *location = &p->locations[0];
    assert_int_equal(location->frame_count, 2);
    assert_string_equal(location->frames[1].function, "draw");
    assert_string_equal(location->frames[1].file, "draw.c");
    assert_null(location->frames[0].file);
    assert_ptr_equal(location->frames[0].module, p->modules[0].path);
    spy__profile_free(p);
}

// A profile with everything in it; how many of the adds found memory.
static int fill(struct spy__profile *p)
{
    int ok = 0;
    for (uintptr_t i = 1; i <= 100; i++) {
        const uintptr_t stack[] = { i, i + 1, 1000 };
        char name[16];
        snprintf(name, sizeof(name), "operation %d", (int)i);
        uint32_t s = spy__profile_add_stack(p, stack, 3);
        ok += s != SPY__PROFILE_NONE;
        ok += spy__profile_sum_sample(p, &(struct spy__profile_sample){ .stack = s, .count = 1 }) !=
              SPY__PROFILE_NONE;
        ok += spy__profile_add_thread(p, i, "thread") != SPY__PROFILE_NONE;
        ok += spy__profile_add_span(p, &(struct spy__profile_span){ .id = i, .name = name }) !=
              SPY__PROFILE_NONE;
        ok += spy__profile_add_operation(p, name) != SPY__PROFILE_NONE;
    }
    uint32_t module = spy__profile_add_module(
        p, &(struct spy__profile_module){ .path = "program", .build_id = "" });
    ok += module != SPY__PROFILE_NONE;
    if (p->location_count > 0) {
        const struct spy__frame frame = { .function = "main", .file = "main.c" };
        ok += spy__profile_name_location(p, 0, module, &frame, 1);
    }
    return ok;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    int ok = 0;
    for (long n = 0; ok < 502; n++) {
        alloc_fail_after(n);
        struct spy__profile *p = spy__profile_new();
        ok = p ? fill(p) : 0;
        alloc_fail_never();
        if (p) {
            assert_int_equal(p->sample_count <= 100, 1);
            for (uint32_t i = 0; i < p->stack_count; i++) {
                assert_true(p->stacks[i].first + p->stacks[i].count <= p->entry_count);
            }
            assert_int_equal(fill(p), 502); // what failed can be done again
        }
        spy__profile_free(p);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_stacks_are_one),
        cmocka_unit_test(test_samples_are_kept_or_summed),
        cmocka_unit_test(test_threads_spans_and_operations),
        cmocka_unit_test(test_a_location_gets_its_names),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
