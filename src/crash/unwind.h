// The call stack of one thread of a dead process, from its registers and the bytes of its stack, by
// the unwind tables of the files that were loaded (libdw of elfutils).
#ifndef CRASH_UNWIND_H
#define CRASH_UNWIND_H

#include "crash/read.h"

struct spy__unwinder;

// Opens the files of the crash's modules, each when it is first needed. Returns NULL where nothing
// can be unwound: without memory, or for another machine's crash.
struct spy__unwinder *spy__unwinder_new(const struct spy__crash *crash);
void spy__unwinder_free(struct spy__unwinder *unwinder);

struct spy__unwound {
    uintptr_t address;
    bool exact; // where it was, not where it was to return to
};

// Writes at most max addresses of thread i, innermost first; returns how many, at least one where
// max is not zero. *ret_more: there are more than max.
size_t spy__unwind(struct spy__unwinder *unwinder, size_t i, struct spy__unwound *out, size_t max,
                   bool *ret_more);

#endif
