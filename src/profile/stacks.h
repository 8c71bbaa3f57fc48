// Code addresses become frames: which module, and with libdw (the option `symbols`) which function,
// file and line, inlined ones too.
//
// A file is read when an address in it is first asked for; what an address was found to be is kept.
// An address is taken as a return address: what is looked up is the call before it. The list of
// modules is read again whenever the loader has loaded or unloaded one, so an address in what was
// unloaded stays an address.
//
// Strings of frames live as long as what made them. Not for use by two threads at a time.
#ifndef PROFILE_STACKS_H
#define PROFILE_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

// Files that are ever looked at; addresses in later ones have no name, nor their module's.
#define SPY__STACK_FILES_MAX 512
// Frames that are kept: some 5,000 places in the program. At the next the store begins anew.
#define SPY__STACK_FRAMES_MAX 16384u

struct spy__stacks;

// NULL without memory.
struct spy__stacks *spy__stacks_new(void);
void spy__stacks_free(struct spy__stacks *s);

// Writes the frames of n addresses, at most max, and returns how many: at least one for each
// address while there is room. Without memory, an address is all that is known.
size_t spy__stacks_resolve(struct spy__stacks *s, struct spy__frame *out, size_t max,
                           const uintptr_t *addresses, size_t n);

// The same by one resolver for the whole process, which keeps what it has read until the end: strings
// stay good. Returns 0 without memory. Threads: any.
size_t spy__stacks_name(struct spy__frame *out, size_t max, const uintptr_t *addresses, size_t n);

// Whether a record has a field of SPY_FIELD_ADDRS that is not empty.
bool spy__has_stack(const struct spy__record *record);

// What a record's frames lie in, as long as the record is used.
struct spy__stacks_room {
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__frame frames[SPY__FRAMES_MAX];
};

// Gives a record with fields of SPY_FIELD_ADDRS ones of SPY__FIELD_FRAMES in their place; any other
// stays as it is. By spy__stacks_name(). Threads: any.
void spy__stacks_of_record(struct spy__record *record, struct spy__stacks_room *room);

// From here on a fork() waits until that resolver is in nobody's hands, so that a child finds it
// whole. To be called before whoever calls with a lock held registers his own handlers.
void spy__stacks_hold_over_fork(void);

#endif
