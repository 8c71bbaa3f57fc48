// An ended span becomes a record: its name, its labels as fields, how it ended. That of a request
// (a span that no other of this process is above) has the context's bound fields too.
//
// Most spans of an operation differ in the values of its labels alone: those are written straight into
// their thread's ring, with the rest as one shape (record/shape.h), as log lines are.

#include <string.h>

#include "base/clock.h"
#include "base/moment.h"
#include "base/number.h"
#include "base/trace_lists.h"
#include "metrics/dropped.h"
#include "record/recent/sampling.h"
#include "record/record.h"
#include "record/rings_push.h"
#include "signals/context.h"
#include "signals/dsc.h"
#include "signals/operation.h"
#include "signals/put.h"
#include "signals/span.h"
#include "spyglass/context.h"
#include "spyglass/log.h"

bool spy__spans_wanted; // atomic

void spy__spans_want(bool wanted)
{
    __atomic_store_n(&spy__spans_wanted, wanted, __ATOMIC_RELAXED);
}

_Static_assert(SPY_BOUND_MAX + 4 + (SPY_LABELS_MAX - 1) + 1 + 2 <= SPY_FIELDS_MAX,
               "all that a span has fits into a record, but for its attributes");

struct gathered {
    size_t count;
    struct spy_field fields[SPY_FIELDS_MAX];
};

static void add(struct gathered *all, struct spy_field field)
{
    if (field.type != SPY_FIELD_NONE) { // a label that was never set, a failure without a message
        all->fields[all->count++] = field;
    }
}

// That of its operation, unless an attribute says another.
static const char *op_of(const struct spy_span *span)
{
    for (size_t i = 0; i < span->attribute_count; i++) {
        if (strcmp(span->attributes[i].key, "op") == 0) {
            return NULL;
        }
    }
    return span->operation->op;
}

static void gather(struct gathered *all, const struct spy_span *span, struct spy_outcome outcome)
{
    const struct spy_operation *operation = span->operation;
    for (size_t i = 0; i < SPY_LABELS_MAX - 1 && operation->labels[i]; i++) {
        add(all, spy_str(operation->labels[i], span->values[i]));
    }
    const char *op = op_of(span);
    if (op) {
        add(all, spy_str("op", op));
    }
    if (outcome.error_type) {
        add(all, spy_str("error_type", outcome.error_type));
        add(all, spy_str("message", outcome.message));
    }
    size_t room = SPY_FIELDS_MAX - all->count, n = span->attribute_count;
    if (n > room) {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_FIELDS, n - room);
        n = room;
    }
    for (size_t i = 0; i < n; i++) {
        add(all, span->attributes[i]);
    }
}

// No other span of this process is above it. Not without a context.
static inline bool is_root(const struct spy_span *span)
{
    return span->parent_id == 0 || span->parent_id == spy__current.ctx->remote_id;
}

// What came along about the sampling of the trace that this root goes on with.
static void gather_sampling(struct gathered *all, const struct spy__context_view *context,
                            char dsc[SPY__DSC_MAX])
{
    char rand[SPY__NUMBER_MAX];
    if (context->remote_decided) {
        add(all, spy_bool(SPY__PARENT_SAMPLED, context->sampled));
    }
    if (!spy__dsc_is_set()) {
        return;
    }
    const char *baggage = spy_baggage();
    size_t n = spy__baggage_pick(dsc, SPY__DSC_MAX, SPY__DSC_PREFIX, baggage, strlen(baggage));
    if (n > 0 && n < SPY__DSC_MAX) {
        add(all, spy_strn(SPY__DSC_FIELD, dsc, n));
    }
    long length = spy_baggage_get(rand, sizeof(rand), SPY__DSC_PREFIX "sample_rand");
    double value;
    if (length > 0 && (size_t)length < sizeof(rand) && spy__sampling_read_rate(&value, rand) &&
        value < 1) {
        add(all, spy_double(SPY__SAMPLE_RAND, value));
    }
}

// Makes a plain record of it, and pushes that: a root, a failure, a span of a task, with attributes or
// without one of its labels; or where there is no ring yet, no room, or no pump.
static __attribute__((noinline)) void record_slowly(const struct spy_span *span,
                                                    struct spy_outcome outcome,
                                                    uint64_t duration_ns, uint64_t late_ns)
{
    struct spy__context_view context = spy__context_view();
    struct gathered all; // its fields past `count` stay unset
    char dsc[SPY__DSC_MAX];
    all.count = 0;
    bool root = is_root(span);
    if (root) {
        for (size_t i = 0; i < context.bound_count; i++) {
            add(&all, context.bound[i]);
        }
        gather_sampling(&all, &context, dsc);
    }
    if (spy__current.ctx->task_id != 0) {
        add(&all, spy_uint(SPY__SPAN_TASK, spy__current.ctx->task_id));
    }
    gather(&all, span, outcome);
    const struct spy__record record = {
        .kind = SPY__KIND_SPAN,
        .level = SPY_LEVEL_INFO,
        // Else it follows from the moment that it is published.
        .time_ns = late_ns ? spy__realtime_ns() - duration_ns - late_ns : 0,
        .duration_ns = duration_ns,
        .parent_id = span->parent_id,
        .root = root,
        .correlation_id = context.correlation_id,
        .trace_hi = context.trace_hi,
        .trace_lo = context.trace_lo,
        .span_id = span->span_id,
        .event = span->operation->name ? span->operation->name : "",
        .fields = all.fields,
        .field_count = all.count,
    };
    enum spy__push push = spy__rings_push(&record);
    if (push == SPY__PUSH_STOPPED || push == SPY__PUSH_CHILD) {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_STOPPED, 1);
    }
}

// The values of the operation's shape. False where the span has not just those.
static inline bool values_of(const char *ret[SPY_LABELS_MAX], const struct spy_span *span)
{
    const struct spy__operation_state *state = span->operation->state;
    size_t n = 0;
    for (; n < state->label_count; n++) {
        if (!span->values[n]) {
            return false;
        }
        ret[n] = span->values[n];
    }
    if (span->operation->op) {
        ret[n++] = span->operation->op;
    }
    return n == state->shape->n; // spy__shape_none has more
}

// A span like most of its operation, straight into the ring. False where it is not like them, or did
// not fit.
static inline bool record_shaped(const struct spy_span *span, uint64_t now, uint64_t duration_ns)
{
    const struct spy__shape *shape = span->operation->state->shape;
    const char *values[SPY_LABELS_MAX];
    struct spy__producer *p = &spy__producer;
    struct spy__wire_put put;
    if (SPY__UNLIKELY(!values_of(values, span))) {
        return false;
    }
    struct spy__wire_head head = { .kind = SPY__KIND_SPAN,
                                   .level = SPY_LEVEL_INFO,
                                   .flags = SPY__WIRE_TIME | SPY__WIRE_PARENT | SPY__WIRE_SHAPE,
                                   // The counter's moments are ticks.
                                   .ticks = spy__moment_is_count(now) ? now : spy__ticks(),
                                   .span_id = span->span_id,
                                   .field_count = (uint16_t)shape->n,
                                   .event_bytes = shape->wire_bytes };
    if (SPY__UNLIKELY(!spy__rings_begin(p, &put, &head))) {
        return false;
    }
    spy__wire_put_words(&put, 0, duration_ns);
    spy__wire_put_words(&put, span->parent_id, 0);
    spy__put_ids(&put, &head);
    spy__wire_put_blob(&put, shape->wire, shape->wire_bytes, shape->wire_sum);
    spy__wire_put_texts(&put, values, shape->n);
    return spy__rings_end(p, &put, &head);
}

void spy__span_record(const struct spy_span *span, struct spy_outcome outcome, uint64_t now,
                      uint64_t duration_ns, uint64_t late_ns)
{
    if (!spy__current.ctx) {
        return; // no trace
    }
    const bool usual = !outcome.error_type && span->attribute_count == 0 && late_ns == 0;
    if (SPY__UNLIKELY(!usual) || is_root(span) || SPY__UNLIKELY(spy__current.ctx->task_id != 0) ||
        SPY__UNLIKELY(!record_shaped(span, now, duration_ns))) {
        record_slowly(span, outcome, duration_ns, late_ns);
    }
}
