#include "stack_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>

void plugin_load(struct plugin *plugin, const char *path)
{
    plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!plugin->handle) {
        fail_msg("%s", dlerror());
    }
    size_t (*stack)(stack_capture *, uintptr_t *, size_t);
    *(void **)&stack = dlsym(plugin->handle, "plugin_stack");
    plugin->n = stack(spy__stack_capture, plugin->addresses, SPY__STACK_MAX);
}

void assert_frame(const struct spy__frame *frame, const char *function, const char *file,
                  unsigned line, bool inlined)
{
    assert_non_null(frame->function);
    assert_string_equal(frame->function, function);
    assert_non_null(frame->file);
    assert_string_equal(frame->file, file);
    assert_int_equal(frame->line, line);
    assert_int_equal(frame->inlined, inlined);
}
