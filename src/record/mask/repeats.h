// Lines that say the same over and over, told once with a count.
//
// Lines are the same where level, module, event, correlation id and all fields are. More than
// max_per_second of them within a second of the records' time are held back; when the second is
// over, one line of the same event and fields says `repeated`: how many were. Lines of
// `request_processed` and `request_failed` always pass, and so do those of a dead process.
//
// It remembers a bounded number of lines: under very many different ones some pass that might have
// been held back, and none is held back without its count.
//
// Not for use by two threads at a time.
#ifndef RECORD_MASK_REPEATS_H
#define RECORD_MASK_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"
#include "spyglass/options.h"

struct spy__repeats;

struct spy__repeats_options {
    unsigned max_per_second; // SPY_REPEATS_UNLIMITED: all pass
    // Takes the line that tells of repeats, borrowed for the call.
    void (*line)(void *arg, const struct spy__record *record);
    void *arg;
    // Counts lines that were held back, as they are. May be NULL.
    void (*suppressed)(uint64_t lines);
};

// Returns NULL without memory; free with spy__repeats_free().
struct spy__repeats *spy__repeats_new(const struct spy__repeats_options *options);
void spy__repeats_free(struct spy__repeats *repeats);

// Whether the line is to be written. May hand out lines of the second before first.
bool spy__repeats_pass(struct spy__repeats *repeats, const struct spy__record *record);

// Hands out the lines of seconds that are over at now_ns; UINT64_MAX: of all.
void spy__repeats_flush(struct spy__repeats *repeats, uint64_t now_ns);

// Whether a line waits for its second's end.
bool spy__repeats_waiting(const struct spy__repeats *repeats);

#endif
