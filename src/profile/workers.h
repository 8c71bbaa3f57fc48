// The threads that work for the host, each with a timer on its CPU time, and the signal handler that
// the timers call.
//
// A thread becomes a worker when it is wanted as one, or by its first call of Spyglass while all are,
// and is none from its end on.
// Its timer signals that thread alone, and only while it runs: a thread that is blocked in a system
// call gets no signal.
//
// The handler is installed at first need and then stays: a signal may be on its way at any time. It
// keeps errno, takes signals of our timers alone, and ends in `take`, which must be
// async-signal-safe.
//
// Threads: a worker's samples and waits are its own thread's. The list and all timers are guarded by
// a lock that is held for system calls on them alone. Workers are freed by spy__workers_each().
#ifndef PROFILE_WORKERS_H
#define PROFILE_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "profile/samples.h"
#include "profile/waits.h"

#define SPY__WORKERS_MAX                                                                           \
    1024u // each has a timer and 100 KiB, of which the kernel gives what is used

struct spy__worker {
    struct spy__worker *next; // guarded by the lock, as are the next two
    timer_t timer;
    bool has_timer;
    bool ended; // atomic: released by the thread's end, its last word
    uint64_t tid;
    char name[16];
    uint64_t period_ns; // of the timer; atomic, relaxed
    struct spy__waits waits;
    struct spy__samples samples;
};

// Takes a sample in the handler: the thread has run so long, and was interrupted at pc.
typedef void spy__take(struct spy__worker *worker, uint64_t weight_ns, uintptr_t pc);

// Installs the handler. `every`: all threads that call Spyglass become workers. Returns 0; -EBUSY where the host has one of its own; or as spy__threads_hook().
// `take` stays in force until another one comes. Threads: one at a time.
int spy__workers_open(spy__take *take, bool every);
// No thread becomes one by itself any more, and timers stand still.
void spy__workers_rest(void);

// The calling thread's own, made at its first call. NULL: no memory, too many, or not its time
// (counted); a thread is not asked again then.
struct spy__worker *spy__worker_self(void);
// The same, where it was made.
struct spy__worker *spy__worker_here(void);

// Sets the period of all timers, and of those to come; 0: they stand still.
void spy__workers_set_period(uint64_t period_ns);

// Calls each(arg, worker) for all, the ended ones for the last time. Threads: one at a time.
void spy__workers_each(void (*each)(void *arg, struct spy__worker *worker), void *arg);

// In a forked child: there are no workers, nor timers.
void spy__workers_forget(void);

// What a signal must carry to be ours, for tests that send some.
void *spy__workers_token(void);

#endif
