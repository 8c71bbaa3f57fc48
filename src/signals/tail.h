// What became of traces: spyglass_traces_total{outcome}. Hooks for record/recent/keep.h.
#ifndef SIGNALS_TAIL_H
#define SIGNALS_TAIL_H

#include "record/recent/traces.h"

// Returns as spy_counter_register().
int spy__tail_register(void);
void spy__tail_decided(const struct spy__trace *trace);
void spy__tail_span_lost(void);

#endif
