// What becomes of errors on the pump's thread: told once, grouped, counted, limited, shown to the
// host, and sent.
//
// Threads: open and close one at a time, while nobody else calls; take any, one at a time; lock and
// unlock any. In a forked child nothing is taken.
#ifndef SIGNALS_ERROR_REPORT_H
#define SIGNALS_ERROR_REPORT_H

#include <stdbool.h>

#include "record/record.h"
#include "signals/error_groups.h"
#include "spyglass/errors.h"

// An error that passed.
struct spy__error_passed {
    const struct spy__record *record;
    const char *fingerprint[2]; // what it is grouped by, the second may be NULL
    const void *crash;          // as spy__error_take() was given it
};

struct spy__error_report_options {
    int (*before_send)(struct spy_error_report *report, void *arg); // may be NULL
    void *before_send_arg;
    // Sends it; NULL: errors are but grouped. Called with no lock of ours held.
    void (*send)(const struct spy__error_passed *error);
    const char *release, *environment; // of all errors, copied; may be NULL
    // One was not sent: the host did not want it, or there were too many. May be NULL.
    void (*unsent)(bool refused);
};

// Registers `spyglass_errors_total{outcome}`. Returns as spy_counter_register().
int spy__error_register(void);

// Returns 0 or -ENOMEM.
int spy__error_report_open(const struct spy__error_report_options *options);
void spy__error_report_close(void);

// Takes an error whose stacks are frames by now. `crash` is what send() has to know of a crash, and
// goes along to it; NULL for all else.
void spy__error_take(const struct spy__record *record, const void *crash);

// The groups, until spy__error_unlock(): takers wait meanwhile. NULL where there are none: then there
// is nothing to unlock.
const struct spy__error_groups *spy__error_lock(void);
void spy__error_unlock(void);
// As the options said, "" for none; between open and close.
const char *spy__error_release(void);
const char *spy__error_environment(void);

#endif
