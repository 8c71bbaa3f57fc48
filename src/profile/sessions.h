// Profiles under way: which samples each takes, and how much.
//
// A request's profile takes the samples that carry its mark; one of the process takes all. What is
// taken goes into a struct spy__profile at once, so memory is bounded by its limits.
//
// Threads: one at a time, but for what is said to be for any. No clock of its own.
#ifndef PROFILE_SESSIONS_H
#define PROFILE_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "profile/profile.h"
#include "profile/samples.h"
#include "profile/sampler.h"

// A profile that nobody ends is given up so long after its time is over.
#define SPY__SESSION_FORGOTTEN_NS (600 * UINT64_C(1000000000))

struct spy__session_start {
    struct spy__profile_ask ask; // with its rate and seconds in force
    struct spy__work work;       // of the thread that asks
    uint64_t now_ns, realtime_ns;
};

// Returns its mark, never 0; or 0 where all are in use or there is no memory.
uint32_t spy__sessions_begin(const struct spy__session_start *start);
// Ends it. Returns what it took (NULL: not open) with its duration and the spans that are still open.
struct spy__profile *spy__sessions_end(uint32_t mark, uint64_t now_ns);

// Gives a sample of this thread to whoever wants it. Whether somebody did.
bool spy__sessions_take(const struct spy__sample *sample, uint64_t tid, const char *thread_name);
// Samples were lost on their way, it is not known whose.
void spy__sessions_lost(uint64_t n);

// Ends what was forgotten. Returns the highest rate that is wanted now, 0 for none.
unsigned spy__sessions_rate(uint64_t now_ns);

// Ends all, for nothing. In a forked child they are the parent's: forgotten.
void spy__sessions_cancel(void);
void spy__sessions_forget(void);

// Whether a request's mark is that of an open profile; and whether one of the process is open, that
// takes CPU samples (any does), or waits too. Threads: any; signal handlers too.
bool spy__session_is_open(uint32_t mark);
bool spy__sessions_whole(enum spy__profile_kind kind);
// How many are open. Threads: any.
unsigned spy__sessions_open(void);

#endif
