// The three calls stand on the lines that the header says.
#include "stack_plugin.h"

// What comes after a call keeps it from being a jump.
#define KEEP(n) __asm__ volatile("" : "+r"(n))

static inline __attribute__((always_inline)) size_t folded(stack_capture *capture, uintptr_t *out,
                                                           size_t max)
{
    size_t n = capture(out, max, 0);
    KEEP(n);
    return n;
}

__attribute__((noinline)) static size_t hidden(stack_capture *capture, uintptr_t *out, size_t max)
{
    KEEP(max);
    size_t n = folded(capture, out, max);
    KEEP(n);
    return n;
}

size_t plugin_stack(stack_capture *capture, uintptr_t *out, size_t max)
{
    size_t n = hidden(capture, out, max);
    KEEP(n);
    return n;
}

#ifdef ANOTHER
// Makes it another file, of another build id.
__attribute__((visibility("default"))) int another;
#endif
