// What kind of statement a request brings, as the engine's own parser has it: no SQL is read here.
//
// The engine is asked for the statement in its own spelling (formatQuery), whose first word and
// whose last clause are then plain to see, and for how many statements the text holds.
#ifndef EVENTS_STATEMENT_H
#define EVENTS_STATEMENT_H

#include "base/buf.h"
#include "tools/events/engine.h"

enum events_shape {
    EVENTS_WHOLE,   // the text, and the body after it, are the statement
    EVENTS_INSERT,  // INSERT INTO … FORMAT …, and the body is its data
    EVENTS_REFUSED, // for the reason in why
};

struct events_statement {
    enum events_shape shape;
    struct spy__buf text;      // what to run: of an insert without FORMAT
    struct events_text format; // of an insert; what the statement itself says; may be empty
    bool reads;                // it changes nothing: it may be run twice
    struct spy__buf own;       // the engine's own spelling
    int status;                // of a refusal; 0: that of the error
    const char *why;           // of a refusal
    struct spy__buf words;     // where that is the engine's
};

// Query is what the URL says, body what follows it; either may be empty. Borrows both for the call.
void events_statement_read(struct events_statement *ret, struct events_session *session,
                           struct events_text query, struct events_text body);
void events_statement_done(struct events_statement *statement);

#endif
