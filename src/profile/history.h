// What continuous profiling saw in the last hours, by minute: how often each stack was met in each
// operation; and, for as long as they last, the single samples, so that those of a request can still
// be found.
//
// A stack is stored once, counted by what points to it. Memory is bounded by bytes: past them the
// oldest minute goes, and a new one begins with what is met next.
//
// Threads: one at a time. No clock of its own: time is that of the samples, in nanoseconds since 1970,
// and does not run backwards by more than a minute.
#ifndef PROFILE_HISTORY_H
#define PROFILE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "profile/sampler.h"
#include "profile/samples.h"

#define SPY__HISTORY_MINUTES_MAX 240u
#define SPY__HISTORY_BYTES_MAX (16u << 20) // of stacks and minutes
// Single samples: at 101 a second and CPU, five minutes of one that is busy. 2 MiB.
#define SPY__HISTORY_RECENT_MAX 32768u

struct spy__history;

// NULL without memory.
struct spy__history *spy__history_new(void);
void spy__history_free(struct spy__history *history);

// Takes a sample, which was taken at that time. False without memory.
bool spy__history_add(struct spy__history *history, const struct spy__sample *sample, uint64_t tid,
                      const char *thread_name, uint64_t time_ns);

// What it has; false: nothing.
bool spy__history_covers(const struct spy__history *history, uint64_t *ret_from_ns,
                         uint64_t *ret_to_ns);
// Adds the samples of all minutes that overlap the time to the profile; sets its start and duration.
void spy__history_window(const struct spy__history *history, uint64_t from_ns, uint64_t to_ns,
                         struct spy__profile *profile);

// Keeps the request's single samples that are still there. Returns how many.
uint32_t spy__history_keep(struct spy__history *history, const struct spy__slow_request *request);
// Adds them to the profile without keeping them, with its times and ids.
void spy__history_single(const struct spy__history *history,
                         const struct spy__slow_request *request, struct spy__profile *profile);
size_t spy__history_kept(const struct spy__history *history, struct spy__slow_request *ret,
                         size_t max);
// Fills in the profile of one that was kept. False: it was not.
bool spy__history_slow(const struct spy__history *history, const char *id,
                       struct spy__profile *profile);

#endif
