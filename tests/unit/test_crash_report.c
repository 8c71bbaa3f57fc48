// A crash file of this very process, written as a handler writes it, and read back: threads,
// modules, stacks with names.
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/clock.h"
#include "crash/capture.h"
#include "crash/machine.h"
#include "crash/name.h"
#include "crash/read.h"
#include "crash_rig.h"

#define NEVER UINT64_MAX
// The last thing that is found where there is memory for it all.
#ifdef HAVE_SYMBOLS
#define NAMED "around"
#else
#define NAMED NULL
#endif

static unsigned char *file;

static void give_ids(struct spy__crash_ids *ret)
{
    ret->trace_hi = 1;
    ret->trace_lo = 2;
    ret->span_id = 3;
    memcpy(ret->correlation_id, "request-7", 10);
}

__attribute__((noinline)) static void innermost(size_t i)
{
    ucontext_t context;
    getcontext(&context);
    spy__crash_thread(file, i, &context, give_ids);
    spy__crash_thread_at(file, i)->copy = SPY__COPY_DONE;
}

__attribute__((noinline)) static int around(size_t i)
{
    innermost(i);
    return file[0]; // so that it is no tail call
}

static int deep(size_t i, int levels)
{
    int below = levels > 0 ? deep(i, levels - 1) : around(i);
    return below + file[0];
}

static int set_up(void **state)
{
    (void)state;
    file = crash_rig_new();
    struct spy__crash_head *head = spy__crash_head(file);
    head->code = SEGV_MAPERR;
    head->run = 5;
    spy__crash_modules(file);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(file);
    return 0;
}

static const struct spy__frame *find_frame(const struct spy__crash_stack *thread,
                                           const char *function)
{
    for (size_t i = 0; i < thread->frame_count; i++) {
        if (function && thread->frames[i].function &&
            strcmp(thread->frames[i].function, function) == 0) {
            return &thread->frames[i];
        }
    }
    return function || thread->frame_count == 0 ? NULL : &thread->frames[0];
}

static void test_a_stack_with_names(void **state)
{
    struct spy__crash crash;
    (void)state;
    (void)around(0);
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
    assert_int_equal(crash.thread_count, 1);
    assert_int_equal(crash.run, 5);
    assert_true(crash.whole);
    const struct spy__crash_stack *thread = &crash.threads[0];
    assert_int_equal(thread->tid, getpid());
    assert_string_equal(thread->correlation_id, "request-7");
    assert_int_equal(thread->trace_lo, 2);
    assert_int_equal(thread->span_id, 3);
    struct spy__crash_names *names = spy__crash_name(&crash, false, NEVER);
#ifdef HAVE_SYMBOLS
    const struct spy__frame *inner = find_frame(thread, "innermost"),
                            *outer = find_frame(thread, "around");
    assert_non_null(inner);
    assert_non_null(outer);
    assert_ptr_equal(inner, &thread->frames[0]);
    assert_true(outer > inner);
    assert_non_null(find_frame(thread, "main"));
    assert_non_null(strstr(outer->file, "test_crash_report.c"));
    assert_true(outer->line > 0);
    assert_string_equal(outer->module, "test_crash_report");
    assert_non_null(outer->build_id);
#endif
    assert_false(thread->truncated);
    spy__crash_names_free(names);
    spy__crash_done(&crash);
}

static void test_raw(void **state)
{
    (void)state;
    (void)around(0);
    for (int late = 0; late < 2; late++) {
        struct spy__crash crash;
        assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
        struct spy__crash_names *names = spy__crash_name(&crash, !late, late ? 0 : NEVER);
        const struct spy__crash_stack *thread = &crash.threads[0];
        assert_true(thread->frame_count >= 1);
        assert_null(thread->frames[0].function);
        assert_int_equal(thread->frames[0].address, thread->pc);
        assert_non_null(thread->frames[0].module);
        spy__crash_names_free(names);
        spy__crash_done(&crash);
    }
}

static void test_many_frames(void **state)
{
    struct spy__crash crash;
    (void)state;
    (void)deep(0, 3000);
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
    struct spy__crash_names *names = spy__crash_name(&crash, false, NEVER);
    assert_true(crash.threads[0].frame_count <= SPY__CRASH_FRAMES_MAX);
#ifdef HAVE_SYMBOLS
    assert_true(crash.threads[0].frame_count > 50);
    assert_true(crash.threads[0].truncated);
#endif
    spy__crash_names_free(names);
    spy__crash_done(&crash);
}

// A jump to nowhere, by a call from a function that is known.
static void test_a_call_of_nothing(void **state)
{
    struct spy__crash crash;
    (void)state;
    (void)around(0);
    struct spy__crash_thread *thread = spy__crash_thread_at(file, 0);
    uint64_t caller = thread->pc + 1;
    thread->pc = 0;
#ifdef __x86_64__
    // As the call would have: the return address on the stack.
    unsigned char *stack = file + spy__crash_stack_at(0);
    thread->registers[SPY__MACHINE_SP] -= 8;
    memcpy(stack + (thread->registers[SPY__MACHINE_SP] - thread->stack_start), &caller, 8);
#else
    thread->registers[30] = caller;
#endif
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
    struct spy__crash_names *names = spy__crash_name(&crash, false, NEVER);
    assert_int_equal(crash.threads[0].frames[0].address, 0);
#ifdef HAVE_SYMBOLS
    assert_string_equal(crash.threads[0].frames[1].function, "innermost");
    assert_int_equal(crash.threads[0].frames[1].address, caller);
    assert_non_null(find_frame(&crash.threads[0], "around"));
#endif
    spy__crash_names_free(names);
    spy__crash_done(&crash);
}

static void test_other_threads(void **state)
{
    struct spy__crash crash;
    (void)state;
    (void)around(0);
    (void)around(1);
    (void)around(SPY__CRASH_THREADS_MAX - 1);
    spy__crash_thread_at(file, 5)->copy = SPY__COPY_BEGUN; // it never got done
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
    assert_int_equal(crash.thread_count, 3);
    struct spy__crash_names *names = spy__crash_name(&crash, false, NEVER);
    for (size_t i = 0; i < crash.thread_count; i++) {
        assert_true(crash.threads[i].frame_count > 0);
#ifdef HAVE_SYMBOLS
        assert_non_null(find_frame(&crash.threads[i], "around"));
#endif
    }
    spy__crash_names_free(names);
    spy__crash_done(&crash);
}

// What the handler finds by itself is what the loader says.
static void test_modules(void **state)
{
    struct spy__modules loader = { 0 };
    struct spy__crash crash;
    (void)state;
    assert_int_equal(spy__modules_read(&loader), 0);
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
    unsigned compared = 0;
    for (size_t i = 0; i < loader.count; i++) {
        const struct spy__module *theirs = &loader.list[i];
        const struct spy__module *ours = spy__modules_find(&crash.modules, theirs->start);
        assert_non_null(ours);
        assert_int_equal(ours->bias, theirs->bias);
        assert_string_equal(ours->build_id, theirs->build_id);
        compared++;
    }
    assert_true(compared >= 3); // this program, libc, the loader
    assert_int_equal(crash.modules.count, loader.count);
    spy__modules_done(&loader);
    spy__crash_done(&crash);
}

static void test_what_is_no_crash(void **state)
{
    struct spy__crash crash;
    struct spy__crash_head *head = spy__crash_head(file);
    (void)state;
    head->state = SPY__CRASH_NONE;
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), -ENOENT);
    head->state = SPY__CRASH_SURVIVED;
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), -ENOENT);
    head->state = SPY__CRASH_WHOLE;
    head->version++;
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), -EBADMSG);
    head->version--;
    memset(head->magic, 0, sizeof(head->magic));
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), -ENOENT);
    memcpy(head->magic, "SPYRINGS", 8);
    assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), -EBADMSG);
    assert_int_equal(spy__crash_parse(&crash, file, 10), -EBADMSG);
}

static void test_a_file_that_was_cut(void **state)
{
    static const size_t cuts[] = { sizeof(struct spy__crash_head), SPY__CRASH_MODULES_AT + 100,
                                   SPY__CRASH_THREADS_AT - 1,      SPY__CRASH_THREADS_AT + 10,
                                   SPY__CRASH_STACKS_AT + 100,     SPY__CRASH_BYTES - 1 };
    (void)state;
    (void)around(0);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct spy__crash crash;
        unsigned char *cut = malloc(cuts[i]); // so that a read past it is seen
        memcpy(cut, file, cuts[i]);
        assert_int_equal(spy__crash_parse(&crash, cut, cuts[i]), 0);
        assert_int_equal(crash.thread_count, 1);
        struct spy__crash_names *names = spy__crash_name(&crash, false, NEVER);
        spy__crash_names_free(names);
        spy__crash_done(&crash);
        free(cut);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    (void)around(0);
    struct spy__crash crash;
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = spy__crash_parse(&crash, file, SPY__CRASH_BYTES);
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM);
    }
    spy__crash_done(&crash);
    bool named = false;
    for (long n = 0; !named; n++) {
        assert_int_equal(spy__crash_parse(&crash, file, SPY__CRASH_BYTES), 0);
        alloc_fail_after(n);
        struct spy__crash_names *names = spy__crash_name(&crash, false, NEVER);
        alloc_fail_never();
        named = find_frame(&crash.threads[0], NAMED) != NULL;
        spy__crash_names_free(names);
        spy__crash_done(&crash);
    }
}

// Unreadable memory ends a copy, wherever it begins.
static void test_copies_stop_at_a_hole(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *bytes = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *to = calloc(3, page);
    memset(bytes, 'x', 3 * page);
    assert_int_equal(mprotect(bytes + page, page, PROT_NONE), 0);
    assert_int_equal(spy__crash_copy(to, (uintptr_t)bytes, 3 * page), page);
    assert_int_equal(spy__crash_copy(to, (uintptr_t)bytes + 100, 200), 200);
    assert_int_equal(spy__crash_copy(to, (uintptr_t)bytes + page, 8), 0);
    assert_int_equal(spy__crash_copy(to, (uintptr_t)bytes + 2 * page, page), page);
    assert_int_equal(spy__crash_copy(to, 0, 8), 0);
    assert_int_equal(spy__crash_copy(to, UINTPTR_MAX - 8, 16), 0);
    free(to);
    munmap(bytes, 3 * page);
}

static void test_names_of_signals(void **state)
{
    (void)state;
    assert_string_equal(spy__crash_signal_name(SIGBUS), "SIGBUS");
    assert_string_equal(spy__crash_signal_name(SIGTERM), "signal");
    assert_string_equal(spy__crash_code_name(SIGSEGV, SEGV_ACCERR), "SEGV_ACCERR");
    assert_string_equal(spy__crash_code_name(SIGFPE, SI_TKILL), "SI_TKILL");
    assert_string_equal(spy__crash_code_name(SIGFPE, 12345), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_stack_with_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_raw, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_call_of_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_was_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test(test_copies_stop_at_a_hole),
        cmocka_unit_test(test_names_of_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
