// Spans: one begin and end feeds its operation's families, keeps the innermost span of the thread's
// context, and makes a line on failure.

#include "spyglass/span.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/moment.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "metrics/dropped.h"
#include "record/record.h"
#include "signals/context.h"
#include "signals/error.h"
#include "signals/operation.h"
#include "signals/span.h"
#include "signals/trace.h"
#include "signals/work.h"
#include "spyglass/log.h"

static inline const char *value_at(const char *const values[], size_t n, size_t i)
{
    return i < n ? values[i] : NULL;
}

struct spy_span spy__begin(struct spy_operation *operation, const char *const values[], size_t n)
{
    if (!operation) {
        return (struct spy_span){ 0 };
    }
    spy__thread_enter();
    const struct spy__operation_state *state = spy__operation_state(operation);
    if (!state) {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_MEMORY, 1);
        return (struct spy_span){ 0 };
    }
    const uint64_t parent_id = spy__context_span(), span_id = spy__random_id();
    const char *outer = spy__current.operation;
    spy__context_set_span(span_id);
    spy__current.operation = operation->name;
    const uint64_t start = spy__moment_now();
    spy__tell_begin(span_id, parent_id, __builtin_return_address(0));
    // In one expression, so that compilers write it where the caller wants it: a variable would be
    // copied from there, by reads that wait for its stores.
    return (struct spy_span){
        .operation = operation,
        .values = { value_at(values, n, 0), value_at(values, n, 1), value_at(values, n, 2),
                    value_at(values, n, 3), value_at(values, n, 4), value_at(values, n, 5),
                    value_at(values, n, 6) },
        .start = start,
        .span_id = span_id,
        .parent_id = parent_id,
        .outer = outer,
        .cpu_ns = SPY__UNLIKELY(state->cpu_seconds.family != NULL) ? spy__thread_cpu_ns() : 0,
    };
}
_Static_assert(SPY__OPERATION_LABELS_MAX == 7, "spy__begin() goes over all of them");

void spy_span_label(struct spy_span *span, const char *label, const char *value)
{
    if (!span || !span->operation || !label) {
        return;
    }
    for (size_t i = 0; i < SPY__OPERATION_LABELS_MAX && span->operation->labels[i]; i++) {
        if (strcmp(span->operation->labels[i], label) == 0) {
            span->values[i] = value;
            return;
        }
    }
}

void spy_span_attributes(struct spy_span *span, const struct spy_field *attributes, size_t n)
{
    if (span && span->operation) {
        span->attributes = attributes;
        span->attribute_count = n;
    }
}

static double seconds_of(uint64_t ns)
{
    // Divided, not multiplied by 1e-9: the quotient is the double nearest to the decimal, and
    // prints short.
    return (double)ns / 1e9;
}

double spy_span_seconds(const struct spy_span *span)
{
    return span && span->operation
               ? seconds_of(spy__moment_ns(span->start, spy__moment_end(span->start)))
               : 0;
}

// Fields of the failure line that the operation's labels must not take the place of.
static const char *line_key(const char *label)
{
    static const char *const taken[][2] = { { "operation", "operation_" },
                                            { "error_message", "error_message_" },
                                            { "duration_seconds", "duration_seconds_" } };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(label, taken[i][0]) == 0) {
            return taken[i][1];
        }
    }
    return label;
}

// Which piece of work failed: writes at most SPY__OPERATION_LABELS_MAX + 1 fields and returns how many.
static size_t describe(struct spy_field *fields, const struct spy_span *span)
{
    const struct spy_operation *operation = span->operation;
    size_t n = 0;
    fields[n++] = spy_str("operation", operation->name);
    for (size_t i = 0; i < SPY__OPERATION_LABELS_MAX && operation->labels[i]; i++) {
        fields[n++] = spy_str(line_key(operation->labels[i]), span->values[i]);
    }
    return n;
}

static void write_failure(const struct spy_span *span, struct spy_outcome outcome, double seconds)
{
    struct spy_field fields[SPY__OPERATION_LABELS_MAX + 4];
    size_t n = describe(fields, span);
    fields[n++] = spy_str("error_type", outcome.error_type);
    fields[n++] = spy_str("error_message", outcome.message);
    fields[n++] = spy_double("duration_seconds", seconds);
    spy__log(NULL, SPY_LEVEL_WARN, NULL, "operation_failed", fields, n);
}

// The operation's name and the values of its labels, with spaces between them.
static void print_place(char out[SPY__ERROR_PLACE_MAX + 1], const struct spy_span *span)
{
    const char *name = span->operation->name ? span->operation->name : "";
    size_t len = spy__utf8_cut(name, strlen(name), SPY__ERROR_PLACE_MAX);
    memcpy(out, name, len);
    for (size_t i = 0; i < SPY__OPERATION_LABELS_MAX && span->operation->labels[i]; i++) {
        const char *value = span->values[i] ? span->values[i] : "";
        if (value[0] && len + 1 < SPY__ERROR_PLACE_MAX) {
            out[len++] = ' ';
            size_t n = spy__utf8_cut(value, strlen(value), SPY__ERROR_PLACE_MAX - len);
            memcpy(out + len, value, n);
            len += n;
        }
    }
    out[len] = '\0';
}

// A failure is an error: told before its line, which is then none of what led to it.
static __attribute__((noinline)) void
publish_error(const struct spy_span *span, struct spy_outcome outcome, uint64_t duration_ns)
{
    uintptr_t stack[SPY__ERROR_FRAMES_MAX];
    struct spy_field fields[SPY__OPERATION_LABELS_MAX + 2];
    char place[SPY__ERROR_PLACE_MAX + 1];
    size_t n = describe(fields, span);
    print_place(place, span);
    fields[n++] = spy_double("duration_seconds", seconds_of(duration_ns));
    const struct spy__error error = {
        .type = outcome.error_type,
        .message = outcome.message,
        .mechanism = "spy_end",
        .place = place,
        .fields = fields,
        .field_count = n,
        .stack = stack,
        .depth = spy__stack_capture(stack, SPY__ERROR_FRAMES_MAX, 2), // spy_end() too
    };
    spy__error_record(spy__uuid_random(), &error);
}

static inline void end_span(struct spy_span *span, struct spy_outcome outcome, uint64_t now,
                            uint64_t duration_ns, uint64_t late_ns)
{
    const struct spy_operation *operation = span->operation;
    if (operation->state->counts) {
        spy__operation_count(operation->state, span->values, outcome.error_type,
                             seconds_of(duration_ns));
    }
    if (SPY__UNLIKELY(outcome.error_type != NULL) && !operation->no_failure_line &&
        spy_log_enabled(SPY_LEVEL_WARN)) {
        write_failure(span, outcome, seconds_of(duration_ns));
    }
    if (__atomic_load_n(&spy__spans_wanted, __ATOMIC_RELAXED)) {
        spy__span_record(span, outcome, now, duration_ns, late_ns);
    }
    // A span that is no longer the innermost (its context was detached meanwhile) leaves things as
    // they are.
    if (spy__context_span() == span->span_id) {
        spy__context_set_span(span->parent_id);
        spy__current.operation = span->outer;
    }
    span->operation = NULL;
}

void spy__end_at(struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns)
{
    const uint64_t now_ns = spy__monotonic_ns(), late_ns = now_ns > end_ns ? now_ns - end_ns : 0;
    const uint64_t now = spy__moment_end(span->start), all_ns = spy__moment_ns(span->start, now);
    spy__tell_end(span, __builtin_return_address(0));
    end_span(span, outcome, now, all_ns > late_ns ? all_ns - late_ns : 0, late_ns);
}

void spy_end(struct spy_span *span, struct spy_outcome outcome)
{
    if (!span || !span->operation) {
        return;
    }
    const uint64_t now = spy__moment_end(span->start);
    const struct spy__operation_state *state = span->operation->state;
    if (SPY__UNLIKELY(state->cpu_seconds.family != NULL)) {
        spy__operation_count_cpu(state, span->values,
                                 seconds_of(spy__thread_cpu_ns() - span->cpu_ns));
    }
    spy__tell_end(span, __builtin_return_address(0));
    if (SPY__UNLIKELY(spy__context_fed() != NULL)) {
        spy__trace_add(span, outcome, now);
    }
    const uint64_t duration_ns = spy__moment_ns(span->start, now);
    if (SPY__UNLIKELY(outcome.error_type != NULL) &&
        __atomic_load_n(&spy__errors_wanted, __ATOMIC_RELAXED)) {
        publish_error(span, outcome, duration_ns);
    }
    end_span(span, outcome, now, duration_ns, 0);
}
