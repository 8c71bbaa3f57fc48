// Stacks in libraries as they are found on disk: whole, stripped, replaced, cut short, gone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile/symbols.h"
#include "stack_rig.h"

static struct spy__stacks *stacks;
static struct spy__frame frames[SPY__FRAMES_MAX];
static char folder[] = "/tmp/spyglass-stacks-XXXXXX";

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

static void forget(void)
{
    spy__stacks_free(stacks);
    stacks = spy__stacks_new();
    assert_non_null(stacks);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = text ? strlen(text) : 0, m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static size_t resolve(const struct plugin *plugin)
{
    return spy__stacks_resolve(stacks, frames, SPY__FRAMES_MAX, plugin->addresses, plugin->n);
}

// Nothing of a stack's two frames in a library but where they are.
static void assert_bare(const struct plugin *plugin, const char *module)
{
    assert_int_equal(frames[0].address, plugin->addresses[0]);
    assert_null(frames[0].function);
    assert_null(frames[0].file);
    assert_int_equal(frames[0].line, 0);
    assert_string_equal(frames[0].module, module);
    assert_int_equal(strlen(frames[0].build_id), 40);
    assert_true(frames[0].offset > 0 && frames[0].offset < 1 << 20);
    assert_int_equal(frames[1].address, plugin->addresses[1]);
}

static void copy_file(const char *to, const char *from, size_t max)
{
    char block[4096];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n;
         max > 0 && (n = fread(block, 1, max < sizeof(block) ? max : sizeof(block), in)) > 0;
         max -= n) {
        assert_int_equal(fwrite(block, 1, n, out), n);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void in_folder(char path[PATH_MAX], const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static void assert_whole(const struct plugin *plugin)
{
    assert_true(resolve(plugin) > plugin->n);
    assert_frame(&frames[0], "folded", "tests/unit/stack_plugin.c", PLUGIN_FOLDED_LINE, true);
    assert_frame(&frames[1], "hidden", "tests/unit/stack_plugin.c", PLUGIN_HIDDEN_LINE, false);
    assert_frame(&frames[2], "plugin_stack", "tests/unit/stack_plugin.c", PLUGIN_STACK_LINE, false);
    assert_frame(&frames[3], "plugin_load", "tests/unit/stack_rig.c", STACK_RIG_LOAD_LINE, false);
}

static void a_library_is_seen_when_it_is_loaded(void **state)
{
    struct plugin plugin;
    (void)state;
    uintptr_t here = (uintptr_t)set_up + 1; // the list of modules is read before
    assert_int_equal(spy__stacks_resolve(stacks, frames, 1, &here, 1), 1);
    plugin_load(&plugin, PLUGIN);
    assert_whole(&plugin);
    assert_true(ends_with(PLUGIN, frames[0].module));

    // Unloaded, its addresses are nobody's; loaded again, it is the same file.
    assert_int_equal(dlclose(plugin.handle), 0);
    (void)resolve(&plugin);
    assert_null(frames[0].module);
    assert_null(frames[0].function);
    plugin_load(&plugin, PLUGIN);
    assert_whole(&plugin);
    dlclose(plugin.handle);
}

static void a_stripped_library_has_what_it_exports(void **state)
{
    struct plugin plugin;
    (void)state;
    plugin_load(&plugin, PLUGIN_STRIPPED);
    assert_true(resolve(&plugin) >= plugin.n);
    assert_bare(&plugin, "stack_plugin_stripped.so");
    assert_string_equal(frames[1].function, "plugin_stack");
    assert_null(frames[1].file);
    dlclose(plugin.handle);
}

static void symbol_tables_name_static_functions(void **state)
{
    static const char *const files[] = { PLUGIN_SYMTAB, PLUGIN_MINIDEBUG };
    struct plugin plugin;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        plugin_load(&plugin, files[i]);
        (void)resolve(&plugin);
        assert_string_equal(frames[0].function, "hidden");
        assert_null(frames[0].file);
        assert_false(frames[0].inlined);
        assert_string_equal(frames[1].function, "plugin_stack");
        dlclose(plugin.handle);
    }
}

// Files below /usr/lib/debug are the test's own.
static const char *debug_file;
static char debug_asked[PATH_MAX];
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
    if (strncmp(path, "/usr/lib/debug/", 15) == 0) {
        snprintf(debug_asked, sizeof(debug_asked), "%s", path);
        return debug_file ? __real_open64(debug_file, flags) : (errno = ENOENT, -1);
    }
    return __real_open64(path, flags);
}

static void a_debug_file_is_found_by_build_id(void **state)
{
    struct plugin plugin;
    (void)state;
    plugin_load(&plugin, PLUGIN_STRIPPED);
    debug_file = PLUGIN_DEBUG;
    assert_whole(&plugin);
    debug_file = NULL;
    char expected[PATH_MAX];
    snprintf(expected, sizeof(expected), "/usr/lib/debug/.build-id/%.2s/%s.debug",
             frames[0].build_id, frames[0].build_id + 2);
    dlclose(plugin.handle);
    plugin_load(&plugin, PLUGIN_STRIPPED);
    forget();
    assert_int_equal(spy__stacks_resolve(stacks, frames, 1, plugin.addresses, 1), 1);
    assert_string_equal(debug_asked, expected);

    // One of another build is left alone.
    forget();
    debug_file = PLUGIN_ANOTHER;
    (void)resolve(&plugin);
    debug_file = NULL;
    assert_bare(&plugin, "stack_plugin_stripped.so");
    dlclose(plugin.handle);
}

// What lies there now is not what runs.
static void a_file_that_was_replaced_says_nothing(void **state)
{
    static const char *const by[] = { PLUGIN_ANOTHER, SOURCE_FILE, NULL }; // NULL: nothing
    struct plugin plugin;
    char path[PATH_MAX];
    (void)state;
    in_folder(path, "plugin.so");
    for (size_t i = 0; i < 3; i++) {
        copy_file(path, PLUGIN, SIZE_MAX);
        plugin_load(&plugin, path);
        assert_int_equal(unlink(path), 0);
        if (by[i]) {
            copy_file(path, by[i], SIZE_MAX);
        }
        (void)resolve(&plugin);
        assert_bare(&plugin, "plugin.so");
        dlclose(plugin.handle);
        unlink(path);
        forget();
    }
    // A pipe in its place holds nobody.
    copy_file(path, PLUGIN, SIZE_MAX);
    plugin_load(&plugin, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)resolve(&plugin);
    assert_bare(&plugin, "plugin.so");
    dlclose(plugin.handle);
    unlink(path);
}

// Once a file is read it may go.
static void what_was_read_stays(void **state)
{
    struct plugin plugin;
    char path[PATH_MAX];
    (void)state;
    in_folder(path, "plugin.so");
    copy_file(path, PLUGIN, SIZE_MAX);
    plugin_load(&plugin, path);
    assert_int_equal(spy__stacks_resolve(stacks, frames, 1, plugin.addresses, 1), 1);
    unlink(path);
    assert_whole(&plugin);
    dlclose(plugin.handle);
}

static void a_file_that_is_cut_short_is_survived(void **state)
{
    struct spy__modules modules = { 0 };
    struct plugin plugin;
    struct stat st;
    char path[PATH_MAX];
    (void)state;
    in_folder(path, "cut.so");
    plugin_load(&plugin, PLUGIN);
    assert_int_equal(spy__modules_read(&modules), 0);
    struct spy__module module = *spy__modules_find(&modules, plugin.addresses[0]);
    uint64_t address = plugin.addresses[0] - module.bias - 1;
    assert_int_equal(stat(PLUGIN, &st), 0);
    module.path = path;
    for (int i = 0; i <= 32; i++) {
        struct spy__symbols *symbols;
        copy_file(path, PLUGIN, (size_t)st.st_size * (size_t)i / 32);
        int err = spy__symbols_open(&symbols, &module);
        assert_true(err == 0 || i < 32);
        if (err == 0) {
            size_t n = spy__symbols_find(symbols, address, frames, SPY__INLINED_MAX);
            assert_true(i < 32 || n == 2);
            spy__symbols_close(symbols);
        }
    }
    unlink(path);
    spy__modules_done(&modules);
    dlclose(plugin.handle);
}

static void nobody_is_asked_over_the_network(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(address);
    struct plugin plugin;
    char url[64];
    (void)state;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    setenv("DEBUGINFOD_URLS", url, 1);
    plugin_load(&plugin, PLUGIN_STRIPPED);
    (void)resolve(&plugin);
    assert_bare(&plugin, "stack_plugin_stripped.so");
    assert_int_equal(accept(server, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    unsetenv("DEBUGINFOD_URLS");
    close(server);
    dlclose(plugin.handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_library_is_seen_when_it_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stripped_library_has_what_it_exports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(symbol_tables_name_static_functions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_debug_file_is_found_by_build_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_replaced_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_read_stays, set_up, tear_down),
        cmocka_unit_test(a_file_that_is_cut_short_is_survived),
        cmocka_unit_test_setup_teardown(nobody_is_asked_over_the_network, set_up, tear_down),
    };
    spy__stack_warm_up();
    if (!mkdtemp(folder)) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
