// What context and spans need of a timeline (spyglass/trace.h).
#ifndef SIGNALS_TRACE_H
#define SIGNALS_TRACE_H

#include "spyglass/span.h"
#include "spyglass/trace.h"

// Adds a span that was over at `end` (base/moment.h) to the timeline that this thread's context
// feeds, if there is one.
void spy__trace_add(const struct spy_span *span, struct spy_outcome outcome, uint64_t end);

// Words beyond the built-in ones that name a secret, a list with commas or NULL: masked in whatever
// is read of a timeline from here on.
void spy__trace_redact(const char *list);

#endif
