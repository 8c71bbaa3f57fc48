// One request's statement, from its text to its answer, within the limits of how much may run at
// once.
#ifndef EVENTS_WORK_H
#define EVENTS_WORK_H

#include "serve/slots.h"
#include "tools/events/engine.h"
#include "tools/events/formats.h"

struct events_work {
    struct events_engine engine;
    struct events_formats formats;
    struct spy__slots inserts, queries;
};

// What came of a request. Zero is nothing; done with events_outcome_done.
struct events_outcome {
    unsigned status;
    struct events_answer answer;
    const struct events_format *format; // of the result; NULL: not told, or none
    char summary[512];                  // X-ClickHouse-Summary
};

// False, with a sentence in why.
bool events_work_start(struct events_work *work, const char *folder, unsigned queries, char *why,
                       size_t why_bytes);
// Whoever waits for its turn is sent away.
void events_work_close(struct events_work *work);
void events_work_stop(struct events_work *work);

// Threads: any.
void events_work_run(struct events_work *work, const struct events_request *request, bool readonly,
                     struct events_text body, struct events_outcome *ret);
// An outcome that is an error: text is "Code: N. DB::Exception: …". Status 0: the code's own.
void events_outcome_error(struct events_outcome *ret, unsigned status, const char *text);
void events_outcome_done(struct events_outcome *outcome);

#endif
