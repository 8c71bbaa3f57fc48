// The way of a record from its signal to the pump, whatever state that is in.
#ifndef SIGNALS_PUSH_H
#define SIGNALS_PUSH_H

#include "record/record.h"

// Publishes it, or counts it as lost. In a forked child a log record is written at once, and others,
// which only a pump can hand on, are lost. Threads: any.
void spy__push(const struct spy__record *record);

#endif
