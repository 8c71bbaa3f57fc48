// An ended span becomes a record: its name, its labels as fields, how it ended. That of a request
// (a span that no other of this process is above) has the context's bound fields too.

#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/trace_lists.h"
#include "metrics/dropped.h"
#include "record/recent/sampling.h"
#include "record/record.h"
#include "record/rings.h"
#include "signals/context.h"
#include "signals/dsc.h"
#include "signals/span.h"
#include "spyglass/context.h"
#include "spyglass/log.h"

bool spy__spans_wanted; // atomic

void spy__spans_want(bool wanted)
{
    __atomic_store_n(&spy__spans_wanted, wanted, __ATOMIC_RELAXED);
}

_Static_assert(SPY_BOUND_MAX + 3 + (SPY_LABELS_MAX - 1) + 1 + 2 <= SPY_FIELDS_MAX,
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

void spy__span_record(const struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns,
                      uint64_t now_ns)
{
    struct spy__context_view context = spy__context_view();
    if ((context.trace_hi | context.trace_lo) == 0) {
        return;
    }
    struct gathered all; // its fields past `count` stay unset
    char dsc[SPY__DSC_MAX];
    all.count = 0;
    bool root = span->parent_id == 0 || span->parent_id == context.remote_id;
    if (root) {
        for (size_t i = 0; i < context.bound_count; i++) {
            add(&all, context.bound[i]);
        }
        gather_sampling(&all, &context, dsc);
    }
    gather(&all, span, outcome);
    const struct spy__record record = {
        .kind = SPY__KIND_SPAN,
        .level = SPY_LEVEL_INFO,
        // Else it follows from the moment that it is published.
        .time_ns = end_ns == now_ns ? 0 : spy__realtime_ns() - (now_ns - span->start_ns),
        .duration_ns = end_ns > span->start_ns ? end_ns - span->start_ns : 0,
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
