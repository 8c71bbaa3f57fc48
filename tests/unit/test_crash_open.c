// What a thread was at, written as a handler writes it, and read back: the operations that are open on
// this very stack, the request, the bound fields.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "base/moment.h"
#include "crash/capture.h"
#include "crash/read.h"
#include "crash_rig.h"
#include "signals/context.h"
#include "spyglass/span.h"

static unsigned char *file;
static struct spy__crash_ids outside; // what the context says

static int set_up(void **state)
{
    (void)state;
    file = crash_rig_new();
    outside = (struct spy__crash_ids){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(file);
    return 0;
}

static struct spy_operation house = { .name = "house" };
static struct spy_operation room = { .name = "room",
                                     .op = "a.room",
                                     .labels = SPY_LABELS("colour", "door", "floor") };
static struct spy_operation chair = { .name = "chair" };

static void give_operations(struct spy__crash_ids *ret)
{
    *ret = outside;
    ret->span_id = spy__current.span_id;
    ret->operation = spy__current.operation;
}

static void give_outside(struct spy__crash_ids *ret)
{
    *ret = outside;
}

__attribute__((noinline)) static void look_at(size_t i, void (*ids)(struct spy__crash_ids *ret))
{
    ucontext_t context;
    spy__crash_head(file)->at = (struct spy__crash_instant){ spy__counter(), spy__monotonic_ns() };
    getcontext(&context);
    spy__crash_thread(file, i, &context, ids);
    spy__crash_thread_at(file, i)->copy = SPY__COPY_DONE;
}

static void look_around(size_t i)
{
    look_at(i, give_operations);
}

// So far from its caller as the frames of a thread may be apart.
__attribute__((noinline)) static int far_away(size_t i)
{
    volatile char room_between[100000];
    room_between[0] = room_between[sizeof(room_between) - 1] = 1;
    look_around(i);
    return room_between[0];
}

// Whose spans are looked for on the stack: the address sanitizer's functions may keep theirs elsewhere.
#define ON_THE_STACK __attribute__((noinline, no_sanitize("address")))

ON_THE_STACK static void sit(size_t i)
{
    struct spy_span span = spy_begin(&chair);
    (void)far_away(i);
    spy_end(&span, SPY_SUCCESS);
}

// A compiler may have the span on its way to where it belongs.
__attribute__((noinline)) static void wipe_stack(void)
{
    volatile unsigned char bytes[200000];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 0;
    }
}

ON_THE_STACK static void begin_room(struct spy_span *span)
{
    *span = spy_begin(&room, "blue", NULL, "third");
}

// The room's span is not on the stack where `heap`: nothing is known of what it is in.
ON_THE_STACK static void be_in_room(size_t i, bool heap)
{
    struct spy_span *kept = malloc(sizeof(*kept)), here = { 0 };
    struct spy_span *span = heap ? kept : &here;
    begin_room(span);
    wipe_stack();
    sit(i);
    spy_end(span, SPY_SUCCESS);
    free(kept);
}

ON_THE_STACK static void be_in_house(size_t i, bool heap)
{
    struct spy_span span = spy_begin(&house);
    be_in_room(i, heap);
    spy_end(&span, SPY_SUCCESS);
}

static void parse(struct spy__crash *crash)
{
    assert_int_equal(spy__crash_parse(crash, file, SPY__CRASH_BYTES), 0);
}

static void test_operations(void **state)
{
    struct spy__crash crash;
    (void)state;
    be_in_house(0, false);
    parse(&crash);
    const struct spy__crash_stack *thread = &crash.threads[0];
    assert_int_equal(thread->open_count, 3);
    const struct spy__crash_operation *open = thread->open;
    assert_string_equal(open[0].operation, "chair");
    assert_string_equal(open[1].operation, "room");
    assert_string_equal(open[2].operation, "house");
    assert_string_equal(open[0].op, "");
    assert_string_equal(open[1].op, "a.room");
    assert_string_equal(open[0].detail, "");
    assert_string_equal(open[1].detail, "blue third");
    assert_int_equal(open[0].span_id, thread->span_id);
    assert_int_equal(open[0].parent_id, open[1].span_id);
    assert_int_equal(open[1].parent_id, open[2].span_id);
    assert_int_equal(open[2].parent_id, 0);
    assert_true(open[0].known && open[1].known && open[2].known);
    assert_true(open[0].open_ns <= open[1].open_ns && open[1].open_ns <= open[2].open_ns);
    spy__crash_done(&crash);
    look_around(0); // all have ended
    parse(&crash);
    assert_int_equal(crash.threads[0].open_count, 0);
    spy__crash_done(&crash);
}

static void test_a_span_that_is_elsewhere(void **state)
{
    struct spy__crash crash;
    (void)state;
    outside.request_id = 77;
    outside.request = "a_request";
    outside.request_op = "http.server";
    outside.request_start = spy__moment_now();
    outside.method = "GET";
    outside.route = "/{id}";
    be_in_house(0, true);
    parse(&crash);
    const struct spy__crash_stack *thread = &crash.threads[0];
    const struct spy__crash_operation *open = thread->open;
    assert_int_equal(thread->open_count, 3);
    assert_string_equal(open[0].operation, "chair");
    assert_string_equal(open[1].operation, "room"); // by its name and id
    assert_int_equal(open[1].span_id, open[0].parent_id);
    assert_false(open[1].known);
    assert_string_equal(open[2].operation, "a_request"); // that much is certain
    assert_string_equal(open[2].op, "http.server");
    assert_int_equal(open[2].span_id, 77);
    assert_true(open[2].known);
    assert_string_equal(thread->method, "GET");
    assert_string_equal(thread->route, "/{id}");
    spy__crash_done(&crash);
}

// A span of another process is nothing that is open here.
static void test_the_caller_is_no_operation(void **state)
{
    struct spy__crash crash;
    (void)state;
    outside.outer_id = outside.remote_id = 12;
    spy__current.span_id = 12;
    look_around(0);
    be_in_house(1, false);
    spy__current.span_id = 0;
    parse(&crash);
    assert_int_equal(crash.threads[0].open_count, 0);
    assert_int_equal(crash.threads[1].open_count, 3);
    assert_int_equal(crash.threads[1].open[2].parent_id, 12);
    spy__crash_done(&crash);
}

// Work that was handed on: what it is part of is the other thread's to know.
static void test_chains_that_join(void **state)
{
    struct spy__crash crash;
    (void)state;
    be_in_house(1, false); // it has handed on its room
    const struct spy__crash_scene *other = spy__crash_scene_at(file, 1);
    outside.outer_id = other->open[1].span_id;
    outside.outer = "room";
    spy__current.span_id = outside.outer_id;
    spy__current.operation = "room";
    sit(0);
    spy__current.span_id = 0;
    spy__current.operation = NULL;
    parse(&crash);
    const struct spy__crash_stack *thread = &crash.threads[0];
    assert_int_equal(thread->open_count, 3);
    assert_string_equal(thread->open[0].operation, "chair");
    assert_string_equal(thread->open[1].operation, "room");
    assert_string_equal(thread->open[1].detail, "blue third");
    assert_true(thread->open[1].known);
    assert_string_equal(thread->open[2].operation, "house");
    assert_int_equal(thread->open[2].span_id, crash.threads[1].open[2].span_id);
    spy__crash_done(&crash);
}

// More than there is room for, and bytes that are none of ours.
ON_THE_STACK static void be_deep(size_t i, unsigned levels)
{
    struct spy_span span = spy_begin(&house);
    if (levels > 1) {
        be_deep(i, levels - 1);
    } else {
        look_around(i);
    }
    spy_end(&span, SPY_SUCCESS);
}

static void test_bad_operations(void **state)
{
    struct spy__crash crash;
    (void)state;
    be_deep(0, 3 * SPY__CRASH_OPEN_MAX);
    struct spy__crash_scene *scene = spy__crash_scene_at(file, 0);
    assert_int_equal(scene->count, SPY__CRASH_OPEN_MAX);
    scene->count = UINT64_MAX;
    memset(scene->open[0].operation, 'x', sizeof(scene->open[0].operation)); // no NUL
    memcpy(scene->open[1].operation, "caf\xc3", 5);                          // cut in a character
    memcpy(scene->open[2].operation, "\xff\xff\xff\xff\xff", 6);
    scene->open[3].open_ns = SPY__CRASH_UNKNOWN;
    memset(scene->route, 'y', sizeof(scene->route));
    spy__crash_head(file)->records_from = 100;
    spy__crash_head(file)->records_to = SPY__CRASH_RECORD_BYTES_MAX + 8;
    spy__crash_head(file)->bound_bytes = UINT32_MAX;
    parse(&crash);
    const struct spy__crash_stack *thread = &crash.threads[0];
    assert_int_equal(thread->open_count, SPY__CRASH_OPEN_MAX);
    assert_int_equal(strlen(thread->open[0].operation), sizeof(scene->open[0].operation));
    assert_string_equal(thread->open[1].operation, "caf");
    assert_string_equal(thread->open[2].operation, "");
    assert_false(thread->open[3].known);
    assert_int_equal(strlen(thread->route), sizeof(scene->route));
    assert_int_equal(crash.record_bytes, 0);
    assert_int_equal(crash.bound_count, 0);
    spy__crash_done(&crash);
}

// A stack full of what is looked for, and none of it: it is not looked at for ever.
__attribute__((noinline)) static int many_ids(uint64_t id)
{
    volatile uint64_t ids[60000];
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        ids[i] = id;
    }
    look_around(0);
    return ids[0] == id;
}

static void test_an_id_in_many_places(void **state)
{
    struct spy__crash crash;
    (void)state;
    struct spy_span span = spy_begin(&house);
    assert_true(many_ids(span.span_id));
    spy_end(&span, SPY_SUCCESS);
    parse(&crash);
    assert_int_equal(crash.threads[0].open_count, 1);
    assert_string_equal(crash.threads[0].open[0].operation, "house");
    assert_false(crash.threads[0].open[0].known);
    spy__crash_done(&crash);
}

// Operations that a process has written over: whatever lies there is not followed.
static void test_wild_pointers(void **state)
{
    struct spy__crash crash;
    (void)state;
    outside.operation = (const char *)(uintptr_t)0x10;
    outside.span_id = 99;
    outside.outer_id = 98;
    outside.outer = (const char *)UINTPTR_MAX;
    outside.request_id = 97;
    outside.request = outside.request_op = outside.method = outside.route =
        (const char *)(uintptr_t)0xdead00000000beef;
    outside.bound = (const void *)(uintptr_t)0x20;
    outside.bound_bytes = 100;
    struct spy_span wild = { .operation = (struct spy_operation *)(uintptr_t)0x30, .span_id = 99 };
    __asm__ volatile("" : : "r"(&wild) : "memory");
    look_at(0, give_outside);
    parse(&crash);
    assert_int_equal(crash.threads[0].open_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(crash.threads[0].open[i].span_id, 99 - i);
        assert_string_equal(crash.threads[0].open[i].operation, "");
        assert_int_equal(crash.threads[0].open[i].known, i == 2); // that of the request is a number
    }
    assert_int_equal(crash.bound_count, 0);
    spy__crash_done(&crash);
}

static void test_bound_fields(void **state)
{
    struct spy__crash crash;
    (void)state;
    struct spy_context_scope scope = spy_context_begin("request-8", NULL);
    spy_bind(spy_str("path", "/kitchen"));
    spy_bind(spy_int("table", -7));
    spy_bind(spy_str("password", "hunter2"));
    outside.bound = spy__current.bound->wire;
    outside.bound_bytes = spy__current.bound->wire_bytes;
    look_at(0, give_outside);
    spy_context_detach(scope);
    parse(&crash);
    assert_int_equal(crash.bound_count, 3);
    assert_string_equal(crash.bound[0].key, "path");
    assert_int_equal(crash.bound[0].len, 8);
    assert_memory_equal(crash.bound[0].value.s, "/kitchen", 8);
    assert_int_equal(crash.bound[1].value.i, -7);
    assert_memory_equal(crash.bound[2].value.s, "[redacted]", crash.bound[2].len);
    spy__crash_done(&crash);
    spy__crash_head(file)->bound_bytes -= 4; // cut: what is whole is read
    parse(&crash);
    assert_int_equal(crash.bound_count, 2);
    spy__crash_done(&crash);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_operations),
        TEST(test_a_span_that_is_elsewhere),
        TEST(test_the_caller_is_no_operation),
        TEST(test_chains_that_join),
        TEST(test_bad_operations),
        TEST(test_an_id_in_many_places),
        TEST(test_wild_pointers),
        TEST(test_bound_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
