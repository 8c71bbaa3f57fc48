// What signals/http.c needs of a span beyond its public face, and the way to its record.
#ifndef SIGNALS_SPAN_H
#define SIGNALS_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "spyglass/span.h"

// As spy_end(), for work that was over at end_ns by the monotonic clock. Adds it to no timeline.
void spy__end_at(struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns);

// Spans become records from here on, or no longer: where nobody wants them they cost nothing.
// Threads: any.
void spy__spans_want(bool wanted);

// Publishes the record of a span that took so long, and has been over for late_ns now (base/moment.h,
// of the start's kind); of one without a trace, none.
extern bool spy__spans_wanted; // atomic, relaxed: a change is seen soon
void spy__span_record(const struct spy_span *span, struct spy_outcome outcome, uint64_t now,
                      uint64_t duration_ns, uint64_t late_ns);

#endif
