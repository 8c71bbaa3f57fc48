// What the crash handler does in the thread that it runs in: registers, the stack, what is loaded.
//
// All of it is async-signal-safe: no lock, no allocation, no thread-local storage but initial-exec,
// no call into libc but system calls. Memory is looked at page by page before it is read, since a
// crashed process may have anything anywhere: an unreadable page ends a copy, it does not crash.
#ifndef CRASH_CAPTURE_H
#define CRASH_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash/file.h"

// The calling thread's ids, by whoever knows them: async-signal-safe too.
struct spy__crash_ids {
    uint64_t trace_hi, trace_lo, span_id;
    char correlation_id[SPY__CRASH_CORRELATION_MAX + 1];
};

// Whether the 8 bytes at an address can be read.
bool spy__crash_readable(uintptr_t address);
// Copies what can be read of n bytes; returns how many that were, from the first on.
size_t spy__crash_copy(void *to, uintptr_t from, size_t n);

// Writes the calling thread into entry i of a mapped file: from `context`, a ucontext_t.
void spy__crash_thread(unsigned char *file, size_t i, const void *context,
                       void (*ids)(struct spy__crash_ids *ret));

// Lists what is loaded into a mapped file: from /proc/self/maps and the programs' heads in memory.
// Leaves a list that is there already as it is where that cannot be read.
void spy__crash_modules(unsigned char *file);

static inline struct spy__crash_head *spy__crash_head(unsigned char *file)
{
    return (struct spy__crash_head *)(void *)file;
}

static inline struct spy__crash_module *spy__crash_module_at(unsigned char *file, size_t i)
{
    return (struct spy__crash_module *)(void *)(file + SPY__CRASH_MODULES_AT) + i;
}

static inline struct spy__crash_thread *spy__crash_thread_at(unsigned char *file, size_t i)
{
    return (struct spy__crash_thread *)(void *)(file + SPY__CRASH_THREADS_AT) + i;
}

#endif
