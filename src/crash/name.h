// From the stacks of a crash to frames with names: each thread's is unwound by the tables of its
// modules' files (libdw), and its addresses become functions, files and lines.
//
// A module's file is looked at only if its build id is that of the module that was loaded: after a
// program was replaced, its frames are addresses. Without libdw (the option `symbols`) each thread
// has one frame, where it was.
//
// Not for use by two threads at a time.
#ifndef CRASH_NAME_H
#define CRASH_NAME_H

#include "crash/read.h"

struct spy__crash_names;

// Fills in the frames of every thread, the crashed one's first, until `deadline_ns` of
// spy__monotonic_ns(): then the rest have addresses alone. `raw`: no file is looked at at all.
// Returns what the frames' strings lie in (free it after them), or NULL without memory: then some
// threads have no frames.
struct spy__crash_names *spy__crash_name(struct spy__crash *crash, bool raw, uint64_t deadline_ns);
void spy__crash_names_free(struct spy__crash_names *names);

#endif
