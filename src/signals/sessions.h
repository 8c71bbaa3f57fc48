// Sessions: what a release's health is made of. Of a server each request is one, and ends well or
// with an error; that of a process that dies is told by its next start.
#ifndef SIGNALS_SESSIONS_H
#define SIGNALS_SESSIONS_H

#include <stdbool.h>

#include "record/sessions.h"

// Where sessions are counted from here on, which must stay as long as the process: memory that
// outlives it, or NULL for our own. In a forked child that is our own again. Threads: one at a time.
void spy__sessions_into(struct spy__sessions *counts);
// Counts one that has ended. Threads: any.
void spy__sessions_count(bool errored);

#endif
