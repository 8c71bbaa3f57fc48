// The threads whose crashes are seen: each has a stack for signal handlers, and a place in a list
// of those that are asked for their stacks when another one crashes.
#ifndef CRASH_ATTACH_H
#define CRASH_ATTACH_H

#include <stddef.h>
#include <stdint.h>

#include "crash/file.h"

// Without the guard below it.
#define SPY__ALTSTACK_BYTES ((size_t)64 << 10)

// Hooks threads, from now on (base/threads.h), and attaches this one. `signal` is the number that
// they are asked by. Returns 0 or a negative errno.
int spy__attach_start(int signal);
// Threads that are attached stay so until they end.
void spy__attach_stop(void);

// For the handler. Places 0 to SPY__CRASH_OTHERS_MAX - 1: the thread there, or 0.
uint32_t spy__attached_at(size_t place);
// This thread's, or -1 where it has none.
int spy__attached_place(void);
// Threads that found no place.
uint32_t spy__attached_unlisted(void);

#endif
