// What becomes of the records of errors, wired: their stacks get names, they are grouped, and sent
// where there is Sentry.
//
// Threads: start and stop are spyglass.c's, one at a time; take is the pump's.
#ifndef ERRORS_H
#define ERRORS_H

#include "record/record.h"
#include "settings.h"

// Returns 0, or what spy__settings_refuse() returned.
int spy__errors_start(const struct spy__settings *settings);
void spy__errors_stop(void);

void spy__errors_take(const struct spy__record *record);

#endif
