// What the crash handler does in the thread that it runs in: registers, the stack, what is loaded,
// what it was at.
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

// What the calling thread works for, by whoever knows it: async-signal-safe too. Pointers are those
// of a process that crashes: what they point to is read by spy__crash_copy() alone.
struct spy__crash_ids {
    uint64_t trace_hi, trace_lo, span_id;
    char correlation_id[SPY__CRASH_CORRELATION_MAX + 1];
    const char *operation; // of the span; NULL for none
    // The span that was the innermost one when its context was captured, in whatever thread.
    uint64_t outer_id;
    const char *outer;
    uint64_t remote_id; // the caller's, in another process: all spans end there
    // The HTTP request that it is, or is part of; zero for none.
    uint64_t request_id, request_start; // its span, and when that began: a moment
    const char *request, *request_op;   // of its operation
    const char *method, *route;
    const void *bound; // fields in wire form
    size_t bound_bytes;
};

// Whether the 8 bytes at an address can be read.
bool spy__crash_readable(uintptr_t address);
// Copies what can be read of n bytes; returns how many that were, from the first on.
size_t spy__crash_copy(void *to, uintptr_t from, size_t n);

// Copies a text that ends in a NUL, as far as `cap` goes: what is left of that is zero.
void spy__crash_copy_text(char *to, size_t cap, uintptr_t from);

// The operations that the calling thread is in, the innermost first: at most `max` of them. Spans lie
// on the stack of whoever began them (spyglass/span.h): they are looked for from sp upwards, by their
// ids. What lies elsewhere is known by its name and id alone, and by who began the context.
// Returns how many.
uint32_t spy__crash_open(struct spy__crash_open *out, uint32_t max,
                         const struct spy__crash_ids *ids, uintptr_t sp,
                         const struct spy__crash_instant *crashed);

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

static inline struct spy__crash_scene *spy__crash_scene_at(unsigned char *file, size_t i)
{
    return (struct spy__crash_scene *)(void *)(file + SPY__CRASH_SCENES_AT) + i;
}

#endif
