// What a record takes from its thread's context.
#ifndef SIGNALS_CONTEXT_H
#define SIGNALS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"
#include "spyglass/context.h"

// Borrows from the thread's context: valid until the thread changes it.
struct spy__context_view {
    const char *correlation_id; // "" for none
    uint64_t trace_hi, trace_lo, span_id;
    const struct spy_field *bound;
    size_t bound_count;
};

struct spy__context_view spy__context_view(void);

// The thread's innermost span. Without a context too: spans then have ids, but no trace.
uint64_t spy__context_span(void);
void spy__context_set_span(uint64_t span_id);

// What to say of this thread's trace in a call that goes out, with the innermost span as the parent;
// outside of all spans an id made up for this call. False without a context.
bool spy__context_trace(struct spy__traceparent *ret);

// This thread's context feeds the timeline from here on, and so do those captured from it; takes a
// reference of its own. False without a context or memory (counted).
struct spy_trace;
bool spy__context_feed(struct spy_trace *trace);
// The timeline that it feeds, or NULL. Borrows it from the context.
struct spy_trace *spy__context_fed(void);

#endif
