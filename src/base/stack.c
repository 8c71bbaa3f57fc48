// Stacks by _Unwind_Backtrace() of libgcc; see the header.

#include "base/stack.h"

#include <stdbool.h>
#include <unwind.h>

// Frames above the one that is looked for, with a sanitizer's own.
#define FRAMES_ABOVE_MAX 16u

struct walk {
    uintptr_t *out;
    size_t max, skip, count;
    uintptr_t from;
    bool exact;
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

// `skip` is how far to look for the frame at `from`.
static _Unwind_Reason_Code take_from(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    int exact = 0; // not a return address, but where a signal struck
    uintptr_t address = (uintptr_t)_Unwind_GetIPInfo(frame, &exact);
    if (walk->skip > 0) {
        if ((exact != 0) != walk->exact || address != walk->from) {
            return --walk->skip > 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
        }
        walk->skip = 0;
    }
    if (address == 0 || walk->count == walk->max) {
        return _URC_END_OF_STACK;
    }
    walk->out[walk->count++] = address + (exact != 0);
    return _URC_NO_REASON;
}

__attribute__((noinline)) size_t spy__stack_capture_from(uintptr_t *out, size_t max,
                                                         uintptr_t return_address)
{
    struct walk walk = { .out = out, .max = max, .skip = FRAMES_ABOVE_MAX, .from = return_address };
    _Unwind_Backtrace(take_from, &walk);
    return walk.count > 0 ? walk.count : spy__stack_capture(out, max, 1);
}

size_t spy__stack_capture_at(uintptr_t *out, size_t max, uintptr_t pc)
{
    struct walk walk = {
        .out = out, .max = max, .skip = FRAMES_ABOVE_MAX, .from = pc, .exact = true
    };
    _Unwind_Backtrace(take_from, &walk);
    if (walk.count == 0 && max > 0) {
        out[walk.count++] = pc + 1;
    }
    return walk.count;
}

void spy__stack_warm_up(void)
{
    uintptr_t frame[4];
    (void)spy__stack_capture(frame, 4, 0);
}
