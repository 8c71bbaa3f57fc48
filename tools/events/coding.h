// Bodies of requests and answers: gathered and decoded as they arrive, encoded whole.
//
// A body has a maximum as it arrives and another one decoded; all bodies together have a budget, so
// that many large requests cannot take the machine's memory.
#ifndef EVENTS_CODING_H
#define EVENTS_CODING_H

#include <stdatomic.h>

#include "base/buf.h"
#include "tools/events/request.h"

// Our batches have some 8 MB decoded. (Tests have smaller bounds.)
#ifndef EVENTS_BODY_BYTES_MAX
#define EVENTS_BODY_BYTES_MAX (128u << 20)
// Of all requests at once.
#define EVENTS_BODIES_BYTES_MAX (512u << 20)
#endif

enum events_body_state {
    EVENTS_BODY_GOOD,
    EVENTS_BODY_TOO_LONG, // 413
    EVENTS_BODY_NO_ROOM,  // 503: the budget is used up
    EVENTS_BODY_BROKEN,   // 400: it is not encoded as it says
};

struct events_body {
    struct spy__buf bytes; // decoded
    size_t counted;        // of the budget
    enum events_coding coding;
    enum events_body_state state;
    bool ended; // the encoding's own end came
    void *decoder;
};

// Zero is an empty body that is not begun.
bool events_body_begin(struct events_body *body, enum events_coding coding);
// What comes after the state is not good any more is thrown away.
void events_body_take(struct events_body *body, const char *data, size_t n);
// No more comes: a cut one is broken.
void events_body_end(struct events_body *body);
void events_body_done(struct events_body *body);

// The bytes encoded, into out. False where that fails.
bool events_encode(struct spy__buf *out, enum events_coding coding, const char *bytes, size_t n);

#endif
