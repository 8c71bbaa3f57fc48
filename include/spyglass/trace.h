/**
 * The timeline of one piece of work: its spans, gathered as they end, for a host that shows or keeps
 * them itself. No sampling touches it, and no backend is needed.
 *
 *     struct spy_trace *trace = spy_trace_gather(); // in the request's context
 *     … spans end, here and in threads that work under contexts captured from here on …
 *     spy_trace_each(trace, write_span, out);
 *     spy_trace_release(trace);
 */
#ifndef SPYGLASS_TRACE_H
#define SPYGLASS_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"
#include "spyglass/context.h"
#include "spyglass/metrics.h"

SPY_BEGIN_DECLS

/** Most spans of one timeline; more are counted by spy_trace_lost(). */
#define SPY_TRACE_SPANS_MAX 256
/** Longest text of a span (a label's value, an error's message) in bytes; a longer one is cut at a
 * character. */
#define SPY_TRACE_TEXT_MAX 256

/**
 * Spans under way to a timeline. Counted by reference: the contexts that feed it hold it too. To a
 * forked child the timelines of its parent are empty, and stay so.
 */
struct spy_trace;

/** One span that has ended. */
struct spy_trace_span {
    char span_id[SPY_SPAN_ID_LEN + 1];
    char parent_id[SPY_SPAN_ID_LEN + 1]; /**< "" where nobody is */
    const char *name;                    /**< of its operation */
    const char *labels[SPY_LABELS_MAX];  /**< of its operation, NULL-ended */
    const char *values[SPY_LABELS_MAX];  /**< of the labels; "" for one that was never set */
    uint64_t start_us;                   /**< microseconds since 1970 UTC */
    uint64_t duration_us;
    const char *error_type; /**< NULL: it ended well */
    const char *message;    /**< NULL: none */
};

/**
 * Gathers, from here on, the spans that end under this thread's context or one captured from it
 * later. A request of the HTTP middleware joins them when it is answered. Returns the timeline (free
 * with spy_trace_release()), or NULL without a context or memory; NULL is accepted everywhere below.
 * Threads: any.
 */
SPY_API struct spy_trace *spy_trace_gather(void);

/** Holds the timeline once more. Returns it. Threads: any. */
SPY_API struct spy_trace *spy_trace_hold(struct spy_trace *trace);

/** Gives it up. Threads: any. */
SPY_API void spy_trace_release(struct spy_trace *trace);

/**
 * Calls each(arg, span) for every span so far, in the order of their starts. Spans that end meanwhile
 * wait, so each() must not end one; the span and its strings live for the call. Secrets in values and
 * messages are masked as in log lines. Threads: any.
 */
SPY_API void spy_trace_each(struct spy_trace *trace,
                            void (*each)(void *arg, const struct spy_trace_span *span), void *arg);

/** Spans that are missing: beyond SPY_TRACE_SPANS_MAX, or for want of memory. Threads: any. */
SPY_API size_t spy_trace_lost(struct spy_trace *trace);

SPY_END_DECLS

#endif
