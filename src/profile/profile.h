// A profile: what a sampler saw, as encoders take it. A plain snapshot of arrays and indices; it
// points to nothing but what it owns.
//
// Samples point to stacks, stacks to locations (innermost first), locations to their frames. Equal
// addresses are one location, equal stacks one stack. Made by adding: stacks first as bare
// addresses, which get their names all at once at the end (profile/names.h), so that collecting costs
// no look-ups.
//
// Invariant: every index lies within its array, or is SPY__PROFILE_NONE where that is said.
// Not for use by two threads at a time.
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/frame.h"

// Most of each that one profile takes; what comes beyond is counted in `lost`. A thread's 250
// samples a second fill it in four minutes.
#define SPY__PROFILE_SAMPLES_MAX 65536u
#define SPY__PROFILE_STACKS_MAX 16384u
#define SPY__PROFILE_LOCATIONS_MAX 16384u
#define SPY__PROFILE_ENTRIES_MAX (1u << 20) // locations of all stacks
#define SPY__PROFILE_THREADS_MAX 1024u
#define SPY__PROFILE_SPANS_MAX 4096u
#define SPY__PROFILE_OPERATIONS_MAX 1024u
// Longest name of a thread, without the NUL, as Linux has it.
#define SPY__PROFILE_THREAD_NAME_MAX 15

// As an index: there is none.
#define SPY__PROFILE_NONE UINT32_MAX

enum spy__profile_kind {
    SPY__PROFILE_WALL, // CPU time, and the time that operations waited
    SPY__PROFILE_CPU,
    SPY__PROFILE_HEAP, // what was allocated, and what of it is in use: no time at all
};

struct spy__profile_sample {
    uint64_t time_ns;   // since the profile's start; 0 where samples were added up
    uint64_t weight_ns; // the time that it stands for; of a heap profile, the bytes in use
    uint64_t span_id;   // the innermost span; 0: none
    uint32_t count;     // samples that were added up in it
    uint32_t stack;
    uint32_t thread;    // NONE where samples were added up
    uint32_t operation; // the innermost one; NONE outside of all
    bool waited;        // time off the CPU, charged to the operation; its stack is where that began
};

// What was allocated in the stack of a sample since the process began, and what of it is in use.
struct spy__profile_heap {
    uint64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
};

struct spy__profile_stack {
    uint32_t first, count; // in `entries`
};

struct spy__profile_location {
    uintptr_t address; // lies in the instruction that ran: of a caller, its return address less 1
    uint32_t module;   // NONE where none has it, or before it was named
    uint32_t frame_count;            // 0: has no name
    const struct spy__frame *frames; // innermost first: what is inlined, then the function itself
};

struct spy__profile_module {
    const char *path, *build_id; // build_id "" where it has none
    uintptr_t start, end;        // where it was loaded
    uintptr_t bias;              // address - bias: as its file has it
    bool is_program;
};

struct spy__profile_thread {
    uint64_t id; // the kernel's
    char name[SPY__PROFILE_THREAD_NAME_MAX + 1];
};

struct spy__profile_span {
    uint64_t id, parent_id;
    const char *name;
    uint64_t start_ns, end_ns; // since the profile's start, 0 for what was before; end_ns is the
                               // profile's end where it went on
    uint32_t thread;           // that began it; NONE where it is not known
};

struct spy__profile {
    uint64_t start_ns; // since 1970
    uint64_t duration_ns;
    enum spy__profile_kind kind;
    unsigned rate_hz;         // asked for
    char correlation_id[129]; // of the request; "" where it is of the process
    uint64_t trace_hi, trace_lo;
    uint64_t overhead_ns;  // measured in the handler and at spans
    uint64_t lost;         // samples that found no room
    bool truncated;        // it ended at its limit of time, before its request did
    uint64_t period_bytes; // of a heap profile: from one sample to the next
    char note[256];        // what its reader should know; "" for nothing
    struct spy__profile
        *against; // what it is to be compared with: another time; NULL; freed with it

    struct spy__profile_sample *samples; // by time, where they have one
    struct spy__profile_heap *heap;      // one a sample of a heap profile, else NULL; freed with it
    struct spy__profile_stack *stacks;
    uint32_t *entries; // indices of locations
    struct spy__profile_location *locations;
    struct spy__profile_module *modules;
    struct spy__profile_thread *threads;
    struct spy__profile_span *spans;
    const char **operations; // names
    uint32_t sample_count, stack_count, entry_count, location_count, module_count, thread_count,
        span_count, operation_count;

    struct spy__profile_own *own; // private: memory and look-up
};

// NULL without memory. Free it with spy__profile_free(), which takes NULL.
struct spy__profile *spy__profile_new(void);
void spy__profile_free(struct spy__profile *profile);

// These return an index, or SPY__PROFILE_NONE where there is no room or memory. Strings are copied.

// Addresses as spy__stack_capture() gives them: return addresses, innermost first; of a place that a
// signal interrupted, its address + 1. The same stack again is the same index.
uint32_t spy__profile_add_stack(struct spy__profile *profile, const uintptr_t *addresses, size_t n);
// Equal samples are not looked for.
uint32_t spy__profile_add_sample(struct spy__profile *profile,
                                 const struct spy__profile_sample *sample);
// Adds to the sample of the same stack, operation and `waited`, where there is one.
uint32_t spy__profile_sum_sample(struct spy__profile *profile,
                                 const struct spy__profile_sample *sample);
// The same id again is the same thread.
uint32_t spy__profile_add_thread(struct spy__profile *profile, uint64_t id, const char *name);
// The same id again replaces the span.
uint32_t spy__profile_add_span(struct spy__profile *profile, const struct spy__profile_span *span);
// The same name again is the same operation. NULL and "": SPY__PROFILE_NONE.
uint32_t spy__profile_add_operation(struct spy__profile *profile, const char *name);
// Every call makes a new one.
uint32_t spy__profile_add_module(struct spy__profile *profile,
                                 const struct spy__profile_module *module);

// Gives a location its module and frames, whose functions and files are copied. False without
// memory: then it has none.
bool spy__profile_name_location(struct spy__profile *profile, uint32_t location, uint32_t module,
                                const struct spy__frame *frames, size_t n);

// The weight of all samples of one kind.
uint64_t spy__profile_total_ns(const struct spy__profile *profile, bool waited);

#endif
