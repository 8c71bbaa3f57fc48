// Stacks of this program, what is kept of them, and what records get.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "encode/log_json.h"
#include "stack_rig.h"

#define KEEP(n) __asm__ volatile("" : "+r"(n))

static struct spy__stacks *stacks;
static struct spy__frame frames[SPY__FRAMES_MAX];
static uintptr_t addresses[SPY__STACK_MAX];

static int set_up(void **state)
{
    (void)state;
    stacks = spy__stacks_new();
    return stacks ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    spy__stacks_free(stacks);
    return 0;
}

// ---- this program

static unsigned line_of_capture, line_of_call;

static inline __attribute__((always_inline)) size_t folded_here(void)
{
    line_of_capture = __LINE__ + 1;
    size_t n = spy__stack_capture(addresses, SPY__STACK_MAX, 0);
    KEEP(n);
    return n;
}

__attribute__((noinline)) static size_t hidden_here(void)
{
    line_of_call = __LINE__ + 1;
    size_t n = folded_here();
    KEEP(n);
    return n;
}

static void static_and_inlined_functions_have_names(void **state)
{
    (void)state;
    unsigned line = __LINE__ + 1;
    size_t n = hidden_here();
    size_t count = spy__stacks_resolve(stacks, frames, SPY__FRAMES_MAX, addresses, n);
    assert_true(count > n);
    assert_frame(&frames[0], "folded_here", "tests/unit/test_stacks.c", line_of_capture, true);
    assert_frame(&frames[1], "hidden_here", "tests/unit/test_stacks.c", line_of_call, false);
    assert_frame(&frames[2], "static_and_inlined_functions_have_names", "tests/unit/test_stacks.c",
                 line, false);
    assert_int_equal(frames[0].address, addresses[0]);
    assert_int_equal(frames[1].address, addresses[0]);
    assert_int_equal(frames[2].address, addresses[1]);
    assert_string_equal(frames[0].module, program_invocation_short_name);
    assert_int_equal(strlen(frames[0].build_id), 40);

    // Again, from the store; and with less room than frames.
    struct spy__frame again[2];
    assert_int_equal(spy__stacks_resolve(stacks, again, 2, addresses, n), 2);
    assert_memory_equal(again, frames, sizeof(again));
    assert_int_equal(spy__stacks_resolve(stacks, again, 1, addresses, n), 1);
    assert_memory_equal(again, frames, sizeof(again[0]));
    assert_int_equal(spy__stacks_resolve(stacks, again, 0, addresses, n), 0);
}

static void an_address_of_nothing_stays_one(void **state)
{
    static char data[1];
    (void)state;
    uintptr_t nowhere[] = { 0, 1, UINTPTR_MAX, (uintptr_t)data };
    assert_int_equal(spy__stacks_resolve(stacks, frames, SPY__FRAMES_MAX, nowhere, 4), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(frames[i].address, nowhere[i]);
        assert_null(frames[i].function);
        assert_int_equal(frames[i].line, 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_null(frames[i].module);
    }
    assert_string_equal(frames[3].module, program_invocation_short_name);
}

// More places than the store holds: it begins anew, and says the same.
static void the_store_is_bounded(void **state)
{
    (void)state;
    size_t n = hidden_here();
    assert_int_equal(spy__stacks_resolve(stacks, frames, 2, addresses, n), 2);
    uintptr_t start = (uintptr_t)spy__stacks_resolve;
    for (uintptr_t i = 0; i < SPY__STACK_FRAMES_MAX + 100; i++) {
        uintptr_t address = start + i % 4096 + i / 4096 * 100000;
        assert_true(spy__stacks_resolve(stacks, frames + 2, 3, &address, 1) > 0);
        assert_int_equal(frames[2].address, address);
    }
    assert_int_equal(spy__stacks_resolve(stacks, frames + 2, 2, addresses, n), 2);
    assert_memory_equal(frames + 2, frames, 2 * sizeof(frames[0]));
}

static void the_vdso_has_names(void **state)
{
    (void)state;
    uintptr_t image = getauxval(AT_SYSINFO_EHDR);
    void *vdso = image ? dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD) : NULL;
    void *function = vdso ? dlsym(vdso, "__vdso_clock_gettime") : NULL;
    if (!function) {
        skip(); // valgrind hides it, arm64 calls it something else
    }
    uintptr_t address = (uintptr_t)function + 1;
    assert_int_equal(spy__stacks_resolve(stacks, frames, SPY__FRAMES_MAX, &address, 1), 1);
    assert_string_equal(frames[0].module, "linux-vdso.so.1");
    assert_non_null(frames[0].function);
    assert_non_null(strstr(frames[0].function, "clock_gettime"));
    dlclose(vdso);
}

// ---- memory

static void without_memory_an_address_stays_one(void **state)
{
    struct plugin plugin;
    bool named = false;
    (void)state;
    plugin_load(&plugin, PLUGIN);
    for (long n = 0; !named; n++) {
        assert_true(n < 1000);
        alloc_fail_after(n);
        struct spy__stacks *own = spy__stacks_new();
        size_t count =
            own ? spy__stacks_resolve(own, frames, SPY__FRAMES_MAX, plugin.addresses, plugin.n) : 0;
        alloc_fail_never();
        assert_int_equal(n == 0, own == NULL);
        if (own) {
            assert_true(count >= plugin.n);
            assert_int_equal(frames[0].address, plugin.addresses[0]);
            named = frames[0].function && frames[0].file;
            // With memory again, later addresses have names.
            count = spy__stacks_resolve(own, frames, SPY__FRAMES_MAX, plugin.addresses + 1, 1);
            assert_int_equal(count, 1);
            assert_frame(&frames[0], "plugin_stack", "tests/unit/stack_plugin.c", PLUGIN_STACK_LINE,
                         false);
        }
        spy__stacks_free(own);
    }
    dlclose(plugin.handle);
}

// ---- records

static void a_record_gets_frames_for_its_addresses(void **state)
{
    static struct spy__stacks_room room;
    struct plugin plugin;
    char expected[2000];
    (void)state;
    plugin_load(&plugin, PLUGIN);
    uintptr_t nowhere = 3;
    struct spy_field fields[] = { spy_int("before", 1), spy_addrs("traceback", plugin.addresses, 2),
                                  spy_addrs("none", NULL, 0), spy_addrs("where", &nowhere, 1) };
    struct spy__record record = { .level = SPY_LEVEL_ERROR,
                                  .correlation_id = "",
                                  .event = "x",
                                  .fields = fields,
                                  .field_count = 4 };
    assert_true(spy__has_stack(&record));
    spy__stacks_of_record(&record, &room);
    assert_false(spy__has_stack(&record));
    assert_ptr_equal(record.fields, room.fields);
    assert_int_equal(fields[1].type, SPY_FIELD_ADDRS);

    static const struct spy__log_style bare;
    struct spy__buf line;
    spy__buf_init(&line, 1 << 20);
    spy__encode_log_json(&line, &record, &bare);
    spy__buf_putc(&line, '\0');
    snprintf(expected, sizeof(expected),
             "{\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"error\",\"event\":\"x\","
             "\"before\":1,\"traceback\":["
             "{\"function\":\"folded\",\"file\":\"tests/unit/stack_plugin.c\",\"line\":%d,"
             "\"inlined\":true,\"address\":\"0x%lx\",\"module\":\"stack_plugin.so\"},"
             "{\"function\":\"hidden\",\"file\":\"tests/unit/stack_plugin.c\",\"line\":%d,"
             "\"address\":\"0x%lx\",\"module\":\"stack_plugin.so\"},"
             "{\"function\":\"plugin_stack\",\"file\":\"tests/unit/stack_plugin.c\",\"line\":%d,"
             "\"address\":\"0x%lx\",\"module\":\"stack_plugin.so\"}],"
             "\"none\":[],\"where\":[{\"address\":\"0x3\"}]}\n",
             PLUGIN_FOLDED_LINE, (unsigned long)plugin.addresses[0], PLUGIN_HIDDEN_LINE,
             (unsigned long)plugin.addresses[0], PLUGIN_STACK_LINE,
             (unsigned long)plugin.addresses[1]);
    assert_string_equal(line.bytes, expected);
    spy__buf_done(&line);
    dlclose(plugin.handle);
}

static void a_record_has_room_for_so_many_frames(void **state)
{
    static struct spy__stacks_room room;
    static uintptr_t nowhere[SPY__FRAMES_MAX + 7];
    struct spy_field fields[] = { spy_addrs("a", nowhere, SPY__FRAMES_MAX - 1),
                                  spy_addrs("b", nowhere, 3), spy_addrs("c", nowhere, 3) };
    struct spy__record record = { .fields = fields, .field_count = 3 };
    (void)state;
    spy__stacks_of_record(&record, &room);
    assert_int_equal(record.fields[0].len, SPY__FRAMES_MAX - 1);
    assert_int_equal(record.fields[1].type, SPY__FIELD_FRAMES);
    assert_int_equal(record.fields[1].len, 1);
    assert_int_equal(record.fields[2].type, SPY_FIELD_ADDRS);
    assert_int_equal(record.fields[2].len, 3);

    struct spy_field plain = spy_int("i", 1);
    record = (struct spy__record){ .fields = &plain, .field_count = 1 };
    assert_false(spy__has_stack(&record));
    spy__stacks_of_record(&record, &room);
    assert_ptr_equal(record.fields, &plain);
}

static void a_forked_child_resolves_too(void **state)
{
    static struct spy__stacks_room room;
    (void)state;
    spy__stacks_hold_over_fork();
    size_t n = hidden_here();
    struct spy_field field = spy_addrs("traceback", addresses, n);
    struct spy__record record = { .fields = &field, .field_count = 1 };
    spy__stacks_of_record(&record, &room);
    pid_t child = fork();
    if (child == 0) {
        record.fields = &field;
        spy__stacks_of_record(&record, &room);
        const struct spy__frame *found = spy__field_frames(&record.fields[0]);
        _exit(found[1].function && strcmp(found[1].function, "hidden_here") == 0 ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(static_and_inlined_functions_have_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_of_nothing_stays_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_store_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_vdso_has_names, set_up, tear_down),
        cmocka_unit_test(without_memory_an_address_stays_one),
        cmocka_unit_test(a_record_gets_frames_for_its_addresses),
        cmocka_unit_test(a_record_has_room_for_so_many_frames),
        cmocka_unit_test(a_forked_child_resolves_too),
    };
    spy__stack_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
