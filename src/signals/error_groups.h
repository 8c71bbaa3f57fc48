// Errors that are the same, grouped and counted: what the page shows, and what is sent only so often.
//
// Errors are the same where their type, their place (an operation, a route) and the functions of the
// program that they came through are; or where the host gave them a fingerprint, that. No address, line or
// message counts: neither another load address nor another build makes another group, as long as the
// functions are called the same.
//
// No thread, no lock, no clock: time is that of the records. Whoever owns it calls it, one at a time.
#ifndef SIGNALS_ERROR_GROUPS_H
#define SIGNALS_ERROR_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

// Groups that are kept; the next one takes the place of the one that was quiet for the longest.
#define SPY__ERROR_GROUPS_MAX 256u
// Errors that are passed on in a minute: of one group, and in all.
#define SPY__ERRORS_OF_GROUP_MAX 10u
#define SPY__ERRORS_MAX 100u
// So many failures of late are remembered, for a minute each, to tell when one is told again.
#define SPY__ERRORS_SEEN_MAX 1024u

#define SPY__ERROR_TYPE_TEXT 64u
#define SPY__ERROR_MESSAGE_TEXT 256u
#define SPY__ERROR_PLACE_TEXT 200u

struct spy__error_group {
    uint64_t key; // not 0
    uint64_t count;
    uint64_t first_ns, last_ns;
    char type[SPY__ERROR_TYPE_TEXT + 1], place[SPY__ERROR_PLACE_TEXT + 1];
    // Of the last one.
    char message[SPY__ERROR_MESSAGE_TEXT + 1], correlation_id[129];
    uint64_t trace_hi, trace_lo, event_hi, event_lo;
    // Of the first one that had a stack; strings of frames are borrowed from whoever resolved them.
    struct spy__frame *frames;
    size_t frame_count;
    // Passed since this time, for a minute.
    uint64_t minute_ns;
    unsigned in_minute;
};

struct spy__error_groups;

// Returns NULL without memory.
struct spy__error_groups *spy__error_groups_new(void);
void spy__error_groups_free(struct spy__error_groups *groups);

// What an error is grouped by, never 0: its fingerprint, where that is not NULL. Its stacks are
// frames already.
uint64_t spy__error_key(const struct spy__record *record, const char *fingerprint);

// Whether the failure was told already: one of the same type and message within its trace, or, for
// an answer of which nobody said why, any; a minute ago at most. Remembers it. Without a trace: no.
bool spy__error_groups_told(struct spy__error_groups *groups, const struct spy__record *record);
// Counts an error in its group. False: there were too many of late, it is not to be passed on.
bool spy__error_groups_take(struct spy__error_groups *groups, uint64_t key,
                            const struct spy__record *record);

// Groups in no order: NULL gives the first one, the last one gives NULL.
const struct spy__error_group *spy__error_groups_next(const struct spy__error_groups *groups,
                                                      const struct spy__error_group *after);

#endif
