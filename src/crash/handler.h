// Crashes in-process: SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT are written down where the next
// start finds them, and go on to whoever handled them before.
//
// The handler runs on a stack of its own in every thread that is attached, that is, in each that
// has called Spyglass (base/threads.h). It writes the crashed thread's registers and the upper end
// of its stack, asks the other attached threads for theirs by a real-time signal, waits for them
// 200 ms at most, lists what is loaded, copies the last records of its request, and says so in the
// file (crash/file.h). All else is the next
// start's. Then it calls the host's earlier handler; where there was none, the process dies by the
// same signal, with its core dump, as if this had never been here.
//
// Of several threads that crash at once, one writes the report and the others wait for it, a second
// at most. A crash inside the handler ends the process at once. A forked child writes nothing.
//
// Threads: start and stop one at a time; the rest any.
#ifndef CRASH_HANDLER_H
#define CRASH_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "crash/capture.h"

struct spy__crash_options {
    const char *state_dir; // borrowed for the call
    uint64_t run;          // of this start, not zero
    // What the calling thread works for: async-signal-safe. May be NULL.
    void (*ids)(struct spy__crash_ids *ret);
    // Copies the newest records with these ids that are in no ring any more, in wire form, the oldest
    // first, into [*ret_from, return) of `to`: async-signal-safe. May be NULL.
    size_t (*records)(unsigned char *to, size_t cap, size_t *ret_from,
                      const struct spy__crash_ids *ids);
};

// Makes the file, and installs the handlers; the calling thread is attached. Whatever an earlier
// process left in the file is gone: read it before. Returns 0, -EALREADY, -ENOTSUP (a machine whose
// registers are not known), -EAGAIN (no real-time signal or key is free), -ENOMEM, or what the
// system said to the file.
int spy__crash_start(const struct spy__crash_options *options);
// Puts the earlier handlers back, where nobody has put his own over ours: that one may call ours,
// which then calls the earlier ones alone. A no-op without a start.
void spy__crash_stop(void);

#endif
