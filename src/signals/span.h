// What signals/http.c needs of an operation beyond its public face.
#ifndef SIGNALS_SPAN_H
#define SIGNALS_SPAN_H

#include <stdbool.h>

#include "spyglass/span.h"

// As spy_end(), for work that was over at end_ns by the monotonic clock. Adds it to no timeline.
void spy__end_at(struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns);

// Spans become records from here on, or no longer: where nobody wants them they cost nothing.
// Threads: any.
void spy__spans_want(bool wanted);

// Publishes the record of a span that was over at end_ns, now being now_ns, both by the monotonic
// clock; of one without a trace, none.
extern bool spy__spans_wanted; // atomic, relaxed: a change is seen soon
void spy__span_record(const struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns,
                      uint64_t now_ns);

// Makes the locks of registration whole in a forked child: the registry's, then the operations'. A
// lock that is taken before these two registers its own handlers after this call.
void spy__operations_watch_forks(void);

#endif
