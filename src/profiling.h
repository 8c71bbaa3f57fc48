// Wires the sampler to what it does not know: contexts, operations, traces.
#ifndef PROFILING_H
#define PROFILING_H

#include <stdbool.h>

#include "profile/profile.h"
#include "record/recent/traces.h"
#include "settings.h"

// Returns as spy_counter_register().
int spy__profiling_register(void);

// Returns 0, or what spy__settings_refuse() returned.
int spy__profiling_start(const struct spy__settings *settings);
// A line where it is not as it was asked for, once there is a log.
void spy__profiling_say(void);
void spy__profiling_stop(void);

// For struct spy__keep_options: the profile of a request that took slow_ns is kept. Before the
// traces: how long that is.
void spy__profiling_slow(uint64_t slow_ns);
void spy__profiling_decided(const struct spy__trace *trace);
// After that: whether it was.
bool spy__profiling_has_slow(const struct spy__trace *trace);
// What continuous profiling has of a trace that has just ended; NULL where there is none, or no
// memory. Free it with spy__profile_free().
struct spy__profile *spy__profiling_of_trace(const struct spy__trace *trace,
                                             const struct spy__record *root);

#endif
