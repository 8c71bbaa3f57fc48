// What the tests of stacks share: a library that is loaded, and what a frame must be.
#ifndef TESTS_STACK_RIG_H
#define TESTS_STACK_RIG_H

#include <stdbool.h>

#include "base/stack.h"
#include "profile/stacks.h"
#include "stack_plugin.h"

#define STACK_RIG_LOAD_LINE 20 // where stack_rig.c calls plugin_stack()

// A library of stack_plugin.c, and a stack that it took.
struct plugin {
    void *handle;
    uintptr_t addresses[SPY__STACK_MAX];
    size_t n;
};

// Unload with dlclose(plugin->handle).
void plugin_load(struct plugin *plugin, const char *path);

void assert_frame(const struct spy__frame *frame, const char *function, const char *file,
                  unsigned line, bool inlined);

#endif
