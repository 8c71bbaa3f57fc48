// A library to be loaded, whose functions ask who called them.
#ifndef TESTS_STACK_PLUGIN_H
#define TESTS_STACK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

typedef size_t stack_capture(uintptr_t *out, size_t max, size_t skip);

// Calls a static function, in which one is inlined that calls capture(): three frames of its own.
__attribute__((visibility("default"))) size_t plugin_stack(stack_capture *capture, uintptr_t *out,
                                                           size_t max);

// The lines of the three calls.
#define PLUGIN_FOLDED_LINE 10
#define PLUGIN_HIDDEN_LINE 18
#define PLUGIN_STACK_LINE 25

#endif
