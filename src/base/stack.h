// The calling thread's stack as raw code addresses, innermost first; names are found elsewhere,
// later.
//
// Frames are found by libgcc's unwinder, through the unwind tables that every x86-64 and arm64
// object carries: it needs no frame pointers. All but the innermost are return addresses: subtract
// 1 to be inside the call.
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include <stddef.h>
#include <stdint.h>

// Most frames that anyone asks for.
#define SPY__STACK_MAX 64

// Writes at most max addresses, leaving out this function and `skip` callers of it; returns how
// many. The first call in a process may allocate (the unwinder is loaded and its tables are found):
// spy__stack_warm_up() makes that call. After it: async-signal-safe.
size_t spy__stack_capture(uintptr_t *out, size_t max, size_t skip);
void spy__stack_warm_up(void);

#endif
