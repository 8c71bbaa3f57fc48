// Logs: the wiring that spyglass.c needs.
#ifndef SIGNALS_LOG_H
#define SIGNALS_LOG_H

#include "record/pump.h"

// Registers `spyglass_log_lines_total{level}`, `spyglass_log_lines_suppressed_total` and
// `spyglass_ring_overflow_total`. Returns as spy_counter_register().
int spy__log_register(void);

// Hooks of the pump: count what became of lines.
void spy__log_written(const uint64_t lines[SPY__LEVELS]);
void spy__log_repeated(uint64_t lines);
void spy__log_overflowed(uint64_t records);
void spy__log_lost(enum spy__loss why, enum spy__record_kind kind, uint64_t n);

#endif
