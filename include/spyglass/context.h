/**
 * The context: who this thread works for.
 *
 * A thread has one current context: a correlation id, a W3C trace id, the innermost span, and bound
 * fields. Every record made in the thread carries it. To continue a request on another thread,
 * capture it here and attach it there.
 */
#ifndef SPYGLASS_CONTEXT_H
#define SPYGLASS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"
#include "spyglass/log.h"

SPY_BEGIN_DECLS

/** Longest correlation id, without the NUL. */
#define SPY_CORRELATION_MAX 128
/** Length of a trace id in hex, without the NUL. */
#define SPY_TRACE_ID_LEN 32
/** Length of a span id in hex, without the NUL. */
#define SPY_SPAN_ID_LEN 16
/** Length of a W3C traceparent of version 00, without the NUL. */
#define SPY_TRACEPARENT_LEN 55
/** Longest sentry-trace, without the NUL. */
#define SPY_SENTRY_TRACE_LEN 51
/** Longest tracestate and baggage that are passed on, without the NUL. */
#define SPY_TRACESTATE_MAX 8192
#define SPY_BAGGAGE_MAX 8192
/** Most fields bound at once, and the longest bound string; more are dropped and counted, a longer
 * one is cut. */
#define SPY_BOUND_MAX 16
#define SPY_BOUND_STR_MAX 256

/** A captured context: immutable, counted by reference, valid in every thread. */
struct spy_context;
struct spy__bound;

/** What attach() replaced; give it back to detach(). */
struct spy_context_scope {
    struct spy_context *previous; /* private, as is all below */
    struct spy__bound *previous_bound;
    uint64_t previous_span;
    const char *previous_operation;
};

/**
 * Captures this thread's context, returns it (free with spy_context_release()), or NULL when there
 * is none or no memory; NULL is accepted everywhere below. Threads: any.
 */
SPY_API struct spy_context *spy_context_capture(void);

/**
 * Makes ctx this thread's context until detach; takes a reference of its own. Cannot fail. NULL
 * leaves the thread without a context until detach. Threads: any.
 */
SPY_API struct spy_context_scope spy_context_attach(struct spy_context *ctx);

/**
 * As spy_context_attach(), for work that goes on after whoever asked for it has been answered: what
 * was queued, say, by a request that ended with 202. Lines and errors are the request's as ever. The
 * first span that begins under it is the root of a part of its own of the trace, below ctx's innermost
 * span: in Sentry a transaction of its own, kept or dropped by itself. Where there is no memory for
 * that (counted), it is spy_context_attach(). Threads: any.
 */
SPY_API struct spy_context_scope spy_context_attach_task(struct spy_context *ctx);

/**
 * Puts back what spy_context_attach() or spy_context_begin() replaced: last attached, first
 * detached; each scope once. Threads: the one that attached.
 */
SPY_API void spy_context_detach(struct spy_context_scope scope);

/** Gives up a captured context. NULL is a no-op. Threads: any. */
SPY_API void spy_context_release(struct spy_context *ctx);

/**
 * Starts a new context in this thread, for work that no HTTP request began (a job, a test). A
 * correlation id that is NULL or not [A-Za-z0-9._-]{1,128} is replaced by a new UUID; a traceparent
 * that is NULL or not valid by W3C Trace Context
 * (https://www.w3.org/TR/trace-context/#traceparent-header) by a new trace id. The innermost span
 * is the caller's, as traceparent named it, or none. Where there is no memory the thread has no
 * context until detach, and that is counted. End it with spy_context_detach(). Threads: any.
 */
SPY_API struct spy_context_scope spy_context_begin(const char *correlation_id,
                                                   const char *traceparent);

/** What a caller sent along with a request, as it came: any bytes. NULL where absent. */
struct spy_incoming {
    const char *correlation_id; /**< X-Correlation-ID */
    /** W3C Trace Context. A header that came twice is none: pass NULL. */
    const char *traceparent;
    /** W3C Trace Context; several headers are joined by commas (RFC 9110, section 5.3). Without a
     * valid traceparent it is left out, and where one member is invalid, or there are more than 32.
     */
    const char *tracestate;
    /** W3C Baggage; several headers are joined by commas. A member that is invalid is left out, and
     * what is more than 64 members or SPY_BAGGAGE_MAX. */
    const char *baggage;
    /** Sentry's; counts where there is no valid traceparent. One that came twice is none. */
    const char *sentry_trace;
};

/** As spy_context_begin(), with all that came. Copies what it keeps. Threads: any. */
SPY_API struct spy_context_scope spy_context_continue(const struct spy_incoming *incoming);

/** This thread's correlation id, "" where there is none. Returns a string valid until the context
 * changes. */
SPY_API const char *spy_correlation_id(void);

/** Writes this thread's trace id in hex, or "" where there is none. */
SPY_API void spy_trace_id(char ret[SPY_TRACE_ID_LEN + 1]);

/** Writes the innermost span's id in hex, or "" where there is none. */
SPY_API void spy_span_id(char ret[SPY_SPAN_ID_LEN + 1]);

/**
 * Writes the traceparent to send with an outgoing call, or "" where there is no context. Its parent
 * is the innermost span; outside of all spans, an id made up for this call.
 */
SPY_API void spy_traceparent(char ret[SPY_TRACEPARENT_LEN + 1]);

/** As spy_traceparent(), the sentry-trace; without a decision at its end where nobody has made one:
 * neither a caller nor, with a `sentry_dsn`, the sample of traces here. */
SPY_API void spy_sentry_trace(char ret[SPY_SENTRY_TRACE_LEN + 1]);

/** The tracestate to send with an outgoing call, "" where there is none. Returns a string valid
 * until the context changes. */
SPY_API const char *spy_tracestate(void);

/** As spy_tracestate(), the baggage that came. spy_propagate() adds what Sentry's services want of a
 * trace that begins here. */
SPY_API const char *spy_baggage(void);

/**
 * Reads a member of the baggage that came in: its value, percent-decoded, as UTF-8 with a NUL, cut
 * at a character where ret_size is short. Returns the length of the whole value, or -1 where there
 * is no such member; ret is then "". Threads: any.
 */
SPY_API long spy_baggage_get(char *ret, size_t ret_size, const char *key);

/**
 * Calls add(arg, name, value) for each header that an outgoing call should carry: traceparent,
 * sentry-trace, tracestate, baggage and X-Correlation-ID, as far as there are any; all name the same
 * parent. Without a context it calls nothing. The strings live for the call. Threads: any.
 *
 * Baggage is the caller's own words: leave it out where it must not leave your system.
 */
SPY_API void spy_propagate(void (*add)(void *arg, const char *name, const char *value), void *arg);

/**
 * Adds a field to every record made under this context from here on, in this thread and in contexts
 * captured from it later; the same key again replaces it. Copies; a string is cut at
 * SPY_BOUND_STR_MAX. Ends with the context. An array of addresses cannot be bound. Without a
 * context: a no-op. Threads: any.
 */
SPY_API void spy_bind(struct spy_field field);

/** Takes a bound field out again. Threads: any. */
SPY_API void spy_unbind(const char *key);

SPY_END_DECLS

#endif
