// What the tests of the pump share: an encoder that writes the event, a first field of text and a newline, counters of
// what became of lines, files in memory and full pipes. No test sleeps: where time must pass, a
// pipe or the pump's own bounded wait passes it.
#ifndef TESTS_PUMP_RIG_H
#define TESTS_PUMP_RIG_H

#include <stdatomic.h>
#include <stddef.h>

#include "record/pump.h"

// Tests of a stuck descriptor wait for a moment, all others for as long as a loaded machine may
// take.
#define MOMENT_MS 30
#define LONG_MS 20000

extern atomic_ulong rig_written[SPY__LEVELS], rig_lost[SPY__LOSSES];
extern struct spy__pump_options rig_options;

// Sums over levels, and over reasons.
unsigned long rig_all_written(void);
unsigned long rig_all_lost(void);

// Set-up and tear-down of each test.
int rig_set_up(void **state);
int rig_tear_down(void **state);

void rig_start(int fd);
// Publishes a record as a caller does: in a forked child it writes the line itself.
void rig_give(enum spy_level level, const char *event);

int rig_new_file(void);
// The whole file so far. Returns a string that lives until the next call.
const char *rig_read(int fd);
unsigned rig_count_lines(const char *s);

// A pipe of one page, full already with rig_prefilled bytes, and the pump upon it.
extern size_t rig_prefilled;
void rig_start_on_full_pipe(int ends[2]);
// An event that makes a line of 1,000 bytes.
const char *rig_thousand_bytes(void);
// Gives lines until one is lost. Returns how many were given.
unsigned rig_fill(enum spy_level level);

#endif
