// Stacks by _Unwind_Backtrace() of libgcc; see the header.

#include "base/stack.h"

#include <unwind.h>

struct walk {
    uintptr_t *out;
    size_t max, skip, count;
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    uintptr_t address = (uintptr_t)_Unwind_GetIP(frame);
    if (address == 0) {
        return _URC_END_OF_STACK;
    }
    if (walk->skip > 0) {
        walk->skip--;
        return _URC_NO_REASON;
    }
    if (walk->count == walk->max) {
        return _URC_END_OF_STACK;
    }
    walk->out[walk->count++] = address;
    return _URC_NO_REASON;
}

__attribute__((noinline)) size_t spy__stack_capture(uintptr_t *out, size_t max, size_t skip)
{
    struct walk walk = { .out = out, .max = max, .skip = skip + 1 };
    _Unwind_Backtrace(take_frame, &walk);
    return walk.count;
}

void spy__stack_warm_up(void)
{
    uintptr_t frame[4];
    (void)spy__stack_capture(frame, 4, 0);
}
