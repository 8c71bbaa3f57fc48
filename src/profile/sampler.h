// The sampler: profiles of one request through all its threads, of the whole process, and of the last
// hours; see docs/profiling.md.
//
// Samples go from the threads' own rings (samples.h, workers.h) to a collector thread, which gives
// each to the open profiles that want it and to the history. It runs while there is something to
// collect.
//
// What a request's profile costs is paid by it alone: while one is open, all workers' timers run at
// the highest rate that is asked for, and a thread that does nothing for it drops its samples in the
// handler.
//
// In a forked child there is no sampler; it may start its own.
#ifndef PROFILE_SAMPLER_H
#define PROFILE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/work.h"
#include "profile/profile.h"

// Profiles that may be open at once.
#define SPY__PROFILES_MAX 16u
// A profile takes no more samples after so long.
#define SPY__PROFILE_SECONDS_DEFAULT 60u
#define SPY__PROFILE_SECONDS_MAX 600u
// The rate of continuous profiling: prime, so that it does not keep step with what the host does.
#define SPY__SAMPLER_HZ 101u
#define SPY__SAMPLER_HZ_MAX 1000u
// Slow requests whose samples are kept.
#define SPY__PROFILE_SLOW_MAX 32u

struct spy__sampler_options {
    unsigned continuous_hz; // 0: no history is kept
    // Of signals/context.h.
    void (*work)(struct spy__work *ret);
    bool (*mark)(uint32_t profile);
    void (*watch)(const struct spy__watch *watch);
};

// Makes profiles possible. Returns 0; -EBUSY where the host handles SIGPROF itself and continuous
// profiling is wanted (without it, the first spy__profile_begin() says so); -ENOMEM, -EAGAIN.
int spy__sampler_start(const struct spy__sampler_options *options);
// Ends the collector; open profiles and the history are given up.
void spy__sampler_stop(void);
// Before the first start: what a fork needs.
void spy__sampler_watch_forks(void);
// The family of what was sampled. Returns as spy_counter_register().
int spy__sampler_register(void);

struct spy__profile_ask {
    enum spy__profile_kind kind;
    unsigned rate_hz;     // 0 or beyond the kernel's highest: that
    unsigned seconds_max; // 0: SPY__PROFILE_SECONDS_DEFAULT
    bool whole_process;   // not one request: all workers
};

// Begins a profile of the request that the calling thread works for, here and in all threads that
// attach a context captured from here on. Returns 0, and what to end it with; -ENOTSUP without a
// started sampler, -ENOENT without a context, -EALREADY where this request is profiled, -EBUSY where
// SPY__PROFILES_MAX are open, -EPERM where the host handles SIGPROF itself, -ENOMEM, -EAGAIN (no
// thread to be had). Threads: any.
int spy__profile_begin(uint32_t *ret, const struct spy__profile_ask *ask);

// Ends it. Returns the profile with its names (free it with spy__profile_free()), or NULL where it
// is not open any more, or without memory. It may take a second where debug information is read for
// the first time. Threads: any.
struct spy__profile *spy__profile_end(uint32_t profile);
// Ends it for nothing.
void spy__profile_cancel(uint32_t profile);

// ---- the history: what continuous profiling saw

// What it covers, since 1970; false where there is none.
bool spy__profile_covered(uint64_t *ret_from_ns, uint64_t *ret_to_ns);
// Its samples of that time, to the minute at the far end, summed by stack and operation, with names.
// NULL: there is no history, or no memory.
struct spy__profile *spy__profile_window(uint64_t from_ns, uint64_t to_ns);

// `samples` is filled in here, all else by whoever tells of it.
struct spy__slow_request {
    uint64_t trace_hi, trace_lo;
    char correlation_id[129];
    char name[160];                 // its method and route, else its root's
    uint64_t start_ns, duration_ns; // since 1970
    uint32_t samples;
};

// The profile of a request that has just ended: of its single samples, which last for some minutes.
// It may have none. NULL: there is no history, or no memory.
struct spy__profile *spy__profile_of_request(const struct spy__slow_request *request);
// Keeps the samples of a request that was slow, where there are any left; the oldest one goes.
// Threads: any.
void spy__profile_keep_slow(const struct spy__slow_request *request);
// Writes at most max, the newest first, and returns how many.
size_t spy__profile_list_slow(struct spy__slow_request *ret, size_t max);
// The profile of one, by its correlation id or its trace id of 32 hex digits. NULL: not kept, or no
// memory.
struct spy__profile *spy__profile_of_slow(const char *id);

#endif
