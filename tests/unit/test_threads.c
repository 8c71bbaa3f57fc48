// Hooks of threads: begun once in each at its first call, ended with it.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/threads.h"
#include "spyglass/spyglass.h"

static int begun, ended; // atomic

static void begin(void)
{
    __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
}

static void end(void)
{
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
}

static const struct spy__thread_hook hook = { begin, end };

static int set_up(void **state)
{
    (void)state;
    begun = ended = 0;
    return spy__threads_hook(&hook);
}

static int tear_down(void **state)
{
    (void)state;
    spy__threads_unhook(&hook);
    return 0;
}

static void run(void *(*call)(void *))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *enter(void *arg)
{
    spy__thread_enter();
    spy__thread_enter();
    return arg;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static void test_once_a_thread(void **state)
{
    (void)state;
    run(enter);
    assert_int_equal(begun, 1);
    assert_int_equal(ended, 1);
    run(enter);
    assert_int_equal(begun, 2);
    assert_int_equal(ended, 2);
    run(do_nothing);
    assert_int_equal(begun, 2);
    assert_int_equal(ended, 2);
}

static void *attach_context(void *arg)
{
    spy_context_detach(spy_context_attach(NULL));
    return arg;
}

static void *begin_span(void *arg)
{
    static struct spy_operation operation = { .name = "op" };
    struct spy_span span = spy_begin(&operation);
    spy_end(&span, SPY_SUCCESS);
    return arg;
}

static struct spy_counter counter;

static void *count(void *arg)
{
    spy_counter_inc(counter);
    return arg;
}

static void *write_line(void *arg)
{
    spy_info("line");
    return arg;
}

static void test_every_first_call_is_one(void **state)
{
    (void)state;
    assert_int_equal(
        spy_counter_register(&counter, &(struct spy_metric){ "threads_total", "Threads" }), 0);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(
        spy_start(&(struct spy_options){ .log_level = SPY_LEVEL_WARN, .log_fd = nowhere }), 0);
    close(nowhere);
    void *(*const calls[])(void *) = { attach_context, begin_span, count, write_line };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        int before = ended;
        spy_log_set_level(SPY_LEVEL_INFO);
        run(calls[i]);
        assert_int_equal(ended, before + 1);
    }
    assert_int_equal(spy_stop(10000), 0);
}

static void test_a_hook_that_is_added_again(void **state)
{
    (void)state;
    spy__thread_enter();
    assert_int_equal(begun, 1);
    assert_int_equal(spy__threads_hook(&hook), 0);
    spy__thread_enter();
    assert_int_equal(begun, 2);
    spy__threads_unhook(&hook);
    spy__thread_enter();
    assert_int_equal(begun, 2);
}

static void test_no_more_than_fit(void **state)
{
    static const struct spy__thread_hook others[SPY__THREAD_HOOKS_MAX] = {
        { begin, end }, { begin, end }, { begin, end }, { begin, end }
    };
    (void)state;
    for (int i = 0; i < SPY__THREAD_HOOKS_MAX - 1; i++) {
        assert_int_equal(spy__threads_hook(&others[i]), 0);
    }
    assert_int_equal(spy__threads_hook(&others[SPY__THREAD_HOOKS_MAX - 1]), -ENOSPC);
    run(enter);
    assert_int_equal(begun, SPY__THREAD_HOOKS_MAX);
    assert_int_equal(ended, SPY__THREAD_HOOKS_MAX);
    for (int i = 0; i < SPY__THREAD_HOOKS_MAX; i++) {
        spy__threads_unhook(&others[i]);
    }
    run(enter);
    assert_int_equal(ended, SPY__THREAD_HOOKS_MAX + 1);
}

static pthread_key_t late;

static void call_late(void *arg)
{
    (void)arg;
    spy__thread_enter();
}

static void *end_late(void *arg)
{
    pthread_setspecific(late, &late);
    spy__thread_enter();
    return arg;
}

static void test_a_destructor_that_runs_later(void **state)
{
    (void)state;
    assert_int_equal(pthread_key_create(&late, call_late), 0); // after the hooks' own key
    run(end_late);
    assert_int_equal(begun, 2);
    assert_int_equal(ended, 2);
    pthread_key_delete(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once_a_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_first_call_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hook_that_is_added_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_than_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_destructor_that_runs_later, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
