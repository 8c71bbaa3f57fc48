// Release health: how the process before ended, and the sessions of this one, told to Sentry each
// minute and at the end. What a process that dies had not told, its next start does.
//
// Threads: start, tell and stop one at a time, spyglass.c's; the rest as it says.
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "settings.h"

// Reads how the process before ended, and notes that this one, `run`, has begun. Sessions that were
// left are told where Sentry is on: before the pump runs. `crashed_run`: of the crash that was found;
// 0 for none. state_dir: NULL for none.
void spy__health_start(const struct spy__settings *settings, const char *state_dir, uint64_t run,
                       uint64_t crashed_run, uint64_t crashed_ns);
// Says so in a line, where it was neither in order nor a crash that is told.
void spy__health_tell(void);
// Whether the process before, `run`, ended in order: whatever its crash file says.
bool spy__health_ended_well(uint64_t run);

// What is said of the process before, `run`: as of this one but for its release, environment and
// start. In *ret, whose strings live until the stop.
struct spy__sentry_host;
const struct spy__sentry_host *spy__health_host(struct spy__sentry_host *ret, uint64_t run);

// What the pump does for it (struct spy__pump_options, tend): tells what is a minute old.
unsigned spy__health_tend(bool last);

// This process ends in order.
void spy__health_stop(void);

#endif
