// Errors: what other signals publish as one, and the wiring that spyglass.c needs.
//
// An error is a record of kind ERROR: its event is the error's type, event_hi/lo its id; its fields
// are the context's bound ones, the error's own, those of the keys below, and the details of its
// request (signals/http_request.h).
#ifndef SIGNALS_ERROR_H
#define SIGNALS_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stack.h"
#include "spyglass/errors.h"
#include "spyglass/uuid.h"

// Keys of an error's fields; one of the host's own that is called the same gets a '_'.
#define SPY__ERROR_MESSAGE "message"
#define SPY__ERROR_STACK "stack" // return addresses, innermost first
// The call that told of it: "spy_error", "spy_end", …
#define SPY__ERROR_MECHANISM "mechanism"
#define SPY__ERROR_PLACE "place" // the operation and its labels, or the method and route; or none
// One of the host's own: what the error is grouped by, see spy_error_fingerprint().
#define SPY__ERROR_FINGERPRINT "fingerprint"
#define SPY__ERROR_FINGERPRINT_MAX 256
// The mechanism of an answer 5xx of which nobody said why.
#define SPY__ERROR_UNEXPLAINED "spy_http_end"

// Longest place in bytes; a longer one is cut.
#define SPY__ERROR_PLACE_MAX 200

// Most frames of an error: enough to leave any handler of a host.
#define SPY__ERROR_FRAMES_MAX SPY__STACK_MAX

// Most fields that an error has beside the context's and its caller's.
#define SPY__ERROR_FIELDS 4

struct spy__error {
    const char *type, *message; // the message may be NULL
    const char *module;         // NULL for none
    const char *mechanism;      // the call that told of it: "spy_error", …
    const char *place;          // NULL for none
    const struct spy_field *fields;
    size_t field_count;
    const uintptr_t *stack;
    size_t depth;
};

// Errors become records from here on, or no longer: where nobody wants them a failure costs nothing.
// Threads: any.
void spy__errors_want(bool wanted);
extern bool spy__errors_wanted; // atomic, relaxed: a change is seen soon

// Publishes the record of an error with this id, a UUID of version 4. Threads: any.
void spy__error_record(struct spy_uuid id, const struct spy__error *error);

#endif
