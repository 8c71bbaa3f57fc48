/**
 * Operations: instrument a piece of work once, get every signal.
 *
 *     static struct spy_operation agent = {
 *         .name = "agent", .labels = SPY_LABELS("agent_name"),
 *         .seconds = { "agent_execution_seconds", "Time spent in each agent", .buckets =
 * SPY_BUCKETS(0.05, 0.1) }, .success = { "agent_success_total", "Successful agent operations" },
 *         .failures = { "agent_failures_total", "Failed agent operations" },
 *     };
 *
 *     struct spy_span span = spy_begin(&agent, "router");
 *     spy_end(&span, failed ? spy_failure("timeout", "no answer in 10 s") : SPY_SUCCESS);
 *
 * gives a latency histogram, counters of success and of failure by error_type, a span id for every
 * record in between, and a log line on failure.
 */
#ifndef SPYGLASS_SPAN_H
#define SPYGLASS_SPAN_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"
#include "spyglass/log.h"
#include "spyglass/metrics.h"

SPY_BEGIN_DECLS

struct spy__operation_state;

/**
 * A kind of work. Make it static: it must outlive the process's last spy_end(), and the library
 * keeps its state in it. A metric without a name is left out. A metric lists in its own `.labels`
 * the subset of the operation's labels that it carries; none listed means all. `failures` carries
 * `error_type` as its last label, which is never listed; an operation with a label of that name is
 * refused.
 */
struct spy_operation {
    const char *name;
    const char
        *op; /**< what kind of work it is, in Sentry's words ("db", "cache.get", "http.client",
                       "gen_ai.chat": https://develop.sentry.dev/sdk/telemetry/traces/span-operations/);
                       default: its name */
    const char *labels[SPY_LABELS_MAX - 1];
    struct spy_metric seconds; /**< histogram: how long it took, in seconds, whatever its outcome */
    struct spy_metric total;   /**< counter: ended, whatever the outcome */
    struct spy_metric success; /**< counter: ended well */
    struct spy_metric failures; /**< counter: failed, by error_type */
    struct spy_metric
        cpu_seconds;     /**< counter: CPU time of its thread from spy_begin() to spy_end(),
                                      with all that lies between; costs two system calls. Requests of
                                      the HTTP middleware, which travel, count none */
    int no_failure_line; /**< 1: a failure makes no log line (the caller makes its own) */
    struct spy__operation_state *state; /* private */
};

/** How a piece of work ended. Borrows its strings until spy_end() returns. */
struct spy_outcome {
    const char *error_type; /**< NULL: well. Else a short constant: "timeout", "refused", … */
    const char *message;    /**< for people; may be NULL */
};

static inline struct spy_outcome spy__success(void)
{
    struct spy_outcome outcome = { NULL, NULL };
    return outcome;
}
#define SPY_SUCCESS spy__success()

static inline struct spy_outcome spy_failure(const char *error_type, const char *message)
{
    struct spy_outcome outcome = { error_type ? error_type : "unknown", message };
    return outcome;
}

/** A piece of work under way. Lives on its caller's stack; begun and ended in one thread. */
struct spy_span {
    struct spy_operation *operation; /* private, as is all below */
    const char *values[SPY_LABELS_MAX - 1];
    uint64_t start;
    uint64_t span_id;
    uint64_t parent_id;
    const struct spy_field *attributes;
    size_t attribute_count;
    const char *outer; /* the innermost operation's name before */
    uint64_t cpu_ns;
};

/**
 * Registers the operation's metrics, so that HELP and TYPE stand in every scrape from the start.
 * Otherwise the first spy_begin() does it. Returns as spy_counter_register(). Threads: any.
 */
SPY_API SPY_CHECK int spy_operation_register(struct spy_operation *operation);

/**
 * Makes the series of these label values exist, at zero: one value per label of the operation, NULL
 * for a value that is not known yet (metrics that carry its label are left alone); `error_types`
 * (NULL-ended, may be NULL) are those of `failures`. Returns 0, -EINVAL or as
 * spy_operation_register(). Threads: any.
 */
SPY_API SPY_CHECK int spy_operation_declare(struct spy_operation *operation,
                                            const char *const values[], size_t n,
                                            const char *const error_types[]);

SPY_API struct spy_span spy__begin(struct spy_operation *operation, const char *const values[],
                                   size_t n);

/** Sets a label's value that is known only now. Borrows value until spy_end() returns. Unknown
 * labels: a no-op. */
SPY_API void spy_span_label(struct spy_span *span, const char *label, const char *value);

/**
 * What else is known of the work, for its trace alone: the model and the tokens of an LLM call
 * (`gen_ai.request.model`, `gen_ai.usage.input_tokens`), a statement's rows. One called `op` takes the place of the
 * operation's. Borrows the fields and
 * what they point to until spy_end() returns; again replaces them. What does not fit into a record
 * of SPY_FIELDS_MAX fields is left out and counted. Strings are masked as in lines.
 */
SPY_API void spy_span_attributes(struct spy_span *span, const struct spy_field *attributes,
                                 size_t n);

/** Seconds since spy_begin(), as the span's own are measured: by the processor's counter where it
 * has a steady one, else by the monotonic clock. */
SPY_API double spy_span_seconds(const struct spy_span *span);

/** Ends the work and publishes what it gave. A span that was not begun, or ended before: a no-op.
 */
SPY_API void spy_end(struct spy_span *span, struct spy_outcome outcome);

SPY_END_DECLS

/*
 * spy_begin(operation, values…): begins a piece of work; values are those of the operation's
 * labels, in order, NULL for one that is set later (a metric that carries a label still NULL at the
 * end gets ""). They are borrowed until spy_end(). Without labels: spy_begin(&operation). Threads:
 * any.
 */
#ifdef __cplusplus
template <typename... Value> inline spy_span spy_begin(spy_operation *operation, Value... value)
{
    const char *const values[sizeof...(value) + 1] = { value... };
    return spy__begin(operation, values, sizeof...(value));
}
#else
#define spy_begin(...) SPY__BEGIN(__VA_ARGS__, NULL)
/* The last value is an empty one, so that an operation may have no labels; it is not passed on. */
#define SPY__BEGIN(operation, ...)                                                                 \
    spy__begin((operation), (const char *const[]){ __VA_ARGS__ },                                  \
               sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *) - 1)
#endif

#endif
