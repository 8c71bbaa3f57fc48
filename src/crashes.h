// What a start does about crashes: that of the process before is taken out of the state directory and
// told, in the log and as an error, and this one's are caught.
//
// Threads: spyglass.c's, one at a time.
#ifndef CRASHES_H
#define CRASHES_H

#include <stdbool.h>

#include "record/record.h"
#include "settings.h"

// Takes what an earlier process left, and catches crashes from here on, where the host asked for
// it. state_dir: NULL where there is none, or it is in trouble. Returns 0, or what
// spy__settings_refuse() returned.
int spy__crashes_start(const struct spy__settings *settings, const char *state_dir);
// Tells what was taken, once lines can be written.
void spy__crashes_tell(void);
// Whether this error is the crash that was told: then it has gone its way, with its names. Threads:
// the pump's.
bool spy__crashes_took(const struct spy__record *record);
// Lets go of both.
void spy__crashes_stop(void);

#endif
