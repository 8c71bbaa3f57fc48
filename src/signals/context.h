// What a record takes from its thread's context.
#ifndef SIGNALS_CONTEXT_H
#define SIGNALS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"
#include "record/wire.h"
#include "spyglass/context.h"

// The ids of a context, as a record's bytes have them.
struct spy__ids {
    uint64_t trace_hi, trace_lo;
    char correlation_id[SPY_CORRELATION_MAX + 1];
};

// The HTTP request that a context was begun for, and goes on with in whatever thread.
struct spy__http_root {
    uint64_t span_id, start;    // of its operation; no id: none
    const char *operation, *op; // static, as are these; NULL for none
    const char *method;
    const char *route; // the template; NULL until it is known
};

struct spy_context {
    unsigned refs; // atomic; all below is const once somebody else may have it
    bool sampled, random, deferred;
    bool sentry_head;   // nobody before us has made Sentry's sampling context
    uint32_t ids_bytes; // with the id's NUL
    uint32_t profile;   // what a profiler marked it with; 0: nothing
    uint64_t ids_sum;
    struct spy__ids ids;
    uint64_t span_id;
    uint64_t remote_id; // the caller's span, in another process or before this task; zero for none
    uint64_t task_id;   // SPY__SPAN_TASK; zero for none
    const char *operation;        // the innermost one's name, or NULL
    struct spy__bound *bound;     // a reference, or NULL
    struct spy__carried *carried; // a reference, or NULL where there is nothing to pass on
    struct spy_trace *trace;      // a reference, or NULL: the timeline that its spans go to
    struct spy__http_request
        *request; // a reference, or NULL: whom to ask for details (signals/http_request.h)
    struct spy__http_root http;
};

// What is copied with the ids is within the struct (spy__wire_put_blob()).
_Static_assert(offsetof(struct spy_context, ids) + (sizeof(struct spy__ids) + 63) / 64 * 64 <=
                   sizeof(struct spy_context),
               "a reader of the ids reads by 64 bytes");

// Bound fields, with their keys and strings, and their wire form, behind them in the same
// allocation. Immutable once published.
struct spy__bound {
    unsigned refs; // atomic
    uint32_t count;
    uint32_t wire_bytes;
    uint64_t wire_sum;
    const unsigned char *wire; // SPY__WIRE_SLACK bytes more can be read
    struct spy_field fields[];
};

// The thread's context. A signal handler may look at it at any moment: what `ctx` points to outlives
// its being there.
struct spy__current {
    struct spy_context *ctx;  // a reference, or NULL
    struct spy__bound *bound; // a reference, or NULL
    uint64_t span_id;
    const char *operation; // the name of the span's operation, or NULL; without a context too
};
extern __thread struct spy__current spy__current __attribute__((tls_model("initial-exec")));

// Borrows from the thread's context: valid until the thread changes it.
struct spy__context_view {
    const char *correlation_id; // "" for none
    uint64_t trace_hi, trace_lo, span_id;
    uint64_t remote_id;           // the caller's span, in another process; zero for none
    bool remote_decided, sampled; // whether that one decided about the trace, and what
    const struct spy_field *bound;
    size_t bound_count;
};

struct spy__context_view spy__context_view(void);

// The thread's innermost span. Without a context too: spans then have ids, but no trace.
static inline uint64_t spy__context_span(void)
{
    return spy__current.span_id;
}

static inline void spy__context_set_span(uint64_t span_id)
{
    spy__current.span_id = span_id;
}

// Whether this thread's trace begins here for Sentry: see signals/dsc.h. False without a context.
bool spy__context_is_sentry_head(void);

// This thread's context, to be changed: also for those captured from it later. Itself while nobody
// else has it, else a copy in its place. NULL without a context or memory (counted).
struct spy_context *spy__context_own(void);

// Marks this thread's context for a profiler. False without a context or memory (counted).
static inline bool spy__context_mark(uint32_t profile)
{
    struct spy_context *ctx = spy__context_own();
    if (ctx) {
        ctx->profile = profile;
    }
    return ctx != NULL;
}

// What this thread's context goes on with, for whoever looks at a process that crashed. No-ops
// without a context or memory (counted).
static inline void spy__context_set_root(const struct spy__http_root *root)
{
    struct spy_context *ctx = spy__context_own();
    if (ctx) {
        ctx->http = *root;
    }
}

static inline void spy__context_set_route(const char *route)
{
    struct spy_context *ctx = spy__context_own();
    if (ctx) {
        ctx->http.route = route;
    }
}

// What to say of this thread's trace in a call that goes out, with the innermost span as the parent;
// outside of all spans an id made up for this call. False without a context.
bool spy__context_trace(struct spy__traceparent *ret);

// This thread's context feeds the timeline from here on, and so do those captured from it; takes a
// reference of its own. False without a context or memory (counted).
struct spy_trace;
bool spy__context_feed(struct spy_trace *trace);
// The timeline that it feeds, or NULL. Borrows it from the context.
static inline struct spy_trace *spy__context_fed(void)
{
    return spy__current.ctx ? spy__current.ctx->trace : NULL;
}

// The request that this thread works for, or NULL. Borrows it from the context.
static inline struct spy__http_request *spy__context_http_request(void)
{
    return spy__current.ctx ? spy__current.ctx->request : NULL;
}

#endif
