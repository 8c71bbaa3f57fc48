// Levels of the program and of its modules.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SPY_MODULE "store"
#include "signals/log_level.h"
#include "spyglass/log.h"

static int set_up(void **state)
{
    (void)state;
    spy__log_levels_set(SPY_LEVEL_INFO, &(struct spy__module_levels){ 0 });
    return 0;
}

static bool on(const char *module, enum spy_level level)
{
    bool yes = spy__log_module_enabled(level, module);
    // What no module makes is told by the first look.
    assert_true(!yes || (int)level >= spy__log_level);
    return yes;
}

static void one_module_differs(void **state)
{
    (void)state;
    assert_int_equal(spy__log_modules, 0);
    assert_int_equal(spy_log_set_module_level("store", SPY_LEVEL_DEBUG), 0);
    assert_int_equal(spy__log_level, SPY_LEVEL_DEBUG);
    assert_true(spy_log_enabled(SPY_LEVEL_DEBUG)); // this file is in it
    assert_true(on("store", SPY_LEVEL_DEBUG));
    assert_false(on("stor", SPY_LEVEL_DEBUG));
    assert_false(on("stores", SPY_LEVEL_DEBUG));
    assert_false(on(NULL, SPY_LEVEL_DEBUG));
    assert_true(on(NULL, SPY_LEVEL_INFO));
    assert_int_equal(spy_log_set_module_level("http", SPY_LEVEL_OFF), 0);
    assert_false(on("http", SPY_LEVEL_ERROR));
    spy_log_set_level(SPY_LEVEL_WARN);
    assert_false(on("llm", SPY_LEVEL_INFO));
    assert_true(on("store", SPY_LEVEL_DEBUG));
    assert_int_equal(spy_log_set_module_level("store", SPY_LEVEL_DEFAULT), 0);
    assert_false(spy_log_enabled(SPY_LEVEL_INFO));
    assert_int_equal(spy__log_level, SPY_LEVEL_WARN);
    assert_int_equal(spy_log_set_module_level("store", SPY_LEVEL_ERROR), 0);
    assert_false(spy_log_enabled(SPY_LEVEL_WARN));
    assert_true(on("llm", SPY_LEVEL_WARN));
    set_up(NULL);
    assert_int_equal(spy__log_modules, 0);
    assert_true(on("http", SPY_LEVEL_INFO));
}

static void arguments_wait_for_their_level(void **state)
{
    (void)state;
    int evaluated = 0;
    spy_log_set_level(SPY_LEVEL_DEBUG);
    assert_int_equal(spy_log_set_module_level("store", SPY_LEVEL_ERROR), 0);
    spy_debug("no", spy_int("n", ++evaluated));
    spy_warn("no", spy_int("n", ++evaluated));
    assert_int_equal(evaluated, 0);
    assert_int_equal(spy_log_set_module_level("store", SPY_LEVEL_WARN), 0);
    spy_warn("yes", spy_int("n", ++evaluated));
    assert_int_equal(evaluated, 1);
}

static void what_cannot_be(void **state)
{
    (void)state;
    static const char *const bad[] = { "",     "*",    "a b",  "a,b",        "a=b",
                                       "a\"b", "a\\b", "a\nb", "caf\xc3\xa9" };
    char longest[SPY_MODULE_NAME_MAX + 2];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(spy_log_set_module_level(bad[i], SPY_LEVEL_DEBUG), -EINVAL);
    }
    memset(longest, 'm', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(spy_log_set_module_level(longest, SPY_LEVEL_DEBUG), -EINVAL);
    assert_int_equal(spy_log_set_module_level(longest + 1, SPY_LEVEL_DEBUG), 0);
    assert_int_equal(spy_log_set_module_level(NULL, SPY_LEVEL_DEBUG), -EINVAL);
    assert_int_equal(spy_log_set_module_level("m", (enum spy_level)9), -EINVAL);
    assert_int_equal(spy_log_set_module_level("m", (enum spy_level) - 1), -EINVAL);
    assert_int_equal(spy_log_set_module_level("never", SPY_LEVEL_DEFAULT), 0);
}

static void lists(void **state)
{
    (void)state;
    struct spy__module_levels levels = { .count = 7 };
    enum spy_level all = SPY_LEVEL_WARN;
    static const char *const bad[] = { "http",       "http=",        "=debug",    "http=loud",
                                       "http=DEBUG", "http=default", "*=default", "a=info,b",
                                       "a==info",    "a=info;b=info" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (spy__log_levels_parse(&levels, &all, bad[i]) != -EINVAL) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(levels.count, 7);
    assert_int_equal(spy__log_levels_parse(&levels, &all, NULL), 0);
    assert_int_equal(levels.count, 0);
    assert_int_equal(all, SPY_LEVEL_WARN);
    assert_int_equal(spy__log_levels_parse(&levels, &all, " http=debug,store=off, *=error ,"), 0);
    assert_int_equal(levels.count, 2);
    assert_string_equal(levels.modules[0].module, "http");
    assert_int_equal(levels.modules[0].level, SPY_LEVEL_DEBUG);
    assert_string_equal(levels.modules[1].module, "store");
    assert_int_equal(levels.modules[1].level, SPY_LEVEL_OFF);
    assert_int_equal(all, SPY_LEVEL_ERROR);

    spy__log_levels_set(all, &levels);
    assert_true(on("http", SPY_LEVEL_DEBUG));
    assert_false(on("store", SPY_LEVEL_ERROR));
    assert_false(on("llm", SPY_LEVEL_WARN));
    struct spy__module_levels now;
    assert_int_equal(spy__log_levels_get(&now), SPY_LEVEL_ERROR);
    assert_int_equal(now.count, 2);
}

// The last test: places are never given back.
static void a_place_for_so_many(void **state)
{
    (void)state;
    char name[16];
    int err = 0, taken = 0;
    for (; err == 0 && taken < 1000; taken++) {
        snprintf(name, sizeof(name), "module-%d", taken);
        err = spy_log_set_module_level(name, SPY_LEVEL_DEBUG);
    }
    assert_int_equal(err, -ENOSPC);
    assert_in_range(taken, SPY__MODULES_MAX - 10, SPY__MODULES_MAX);
    assert_false(on(name, SPY_LEVEL_DEBUG));
    assert_true(on("module-0", SPY_LEVEL_DEBUG));
    assert_int_equal(spy_log_set_module_level("module-0", SPY_LEVEL_ERROR), 0); // it has its place
    assert_false(on("module-0", SPY_LEVEL_WARN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_module_differs, set_up),
        cmocka_unit_test_setup(arguments_wait_for_their_level, set_up),
        cmocka_unit_test_setup(what_cannot_be, set_up),
        cmocka_unit_test_setup(lists, set_up),
        cmocka_unit_test_setup(a_place_for_so_many, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
