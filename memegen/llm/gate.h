// How many calls are under way at once, and the end of all of them. Times are milliseconds of
// CLOCK_MONOTONIC. Threads: any.
#ifndef MEMEGEN_LLM_GATE_H
#define MEMEGEN_LLM_GATE_H

#include <stddef.h>
#include <stdint.h>

struct gate;

// Returns NULL without memory.
struct gate *gate_new(size_t places);
// Nobody may be inside or wait. NULL is a no-op.
void gate_free(struct gate *gate);

// Takes a place. Returns 0, -ETIMEDOUT (none was free in time) or -ECANCELED (the gate is shut).
int gate_enter(struct gate *gate, int64_t until_ms);
void gate_leave(struct gate *gate);
// Waits without a place. Returns 0 at until_ms, or -ECANCELED as soon as the gate is shut.
int gate_wait(struct gate *gate, int64_t until_ms);
// From now on nobody gets in, and nobody waits.
void gate_shut(struct gate *gate);

int64_t gate_now_ms(void);

#endif
