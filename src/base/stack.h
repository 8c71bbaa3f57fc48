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
// The same from the frame on that a return address leads to: that of a function further out, by
// __builtin_return_address(0). Where there is no such frame, from the caller on.
size_t spy__stack_capture_from(uintptr_t *out, size_t max, uintptr_t return_address);
// The same in a signal handler, of what the signal interrupted at pc: its innermost address is
// pc + 1, so that less 1 it lies in the instruction, as all others do. Where the stack cannot be
// followed back to there, that is all.
size_t spy__stack_capture_at(uintptr_t *out, size_t max, uintptr_t pc);
void spy__stack_warm_up(void);

#endif
