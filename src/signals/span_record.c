// An ended span becomes a record: its name, its labels as fields, how it ended. That of a request
// (a span that no other of this process is above) has the context's bound fields too.

#include "base/clock.h"
#include "metrics/dropped.h"
#include "record/record.h"
#include "record/rings.h"
#include "signals/context.h"
#include "signals/span.h"
#include "spyglass/log.h"

bool spy__spans_wanted; // atomic

void spy__spans_want(bool wanted)
{
    __atomic_store_n(&spy__spans_wanted, wanted, __ATOMIC_RELAXED);
}

_Static_assert(SPY_BOUND_MAX + 1 + (SPY_LABELS_MAX - 1) + 2 <= SPY_FIELDS_MAX,
               "all that a span has fits into a record");

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

static void gather(struct gathered *all, const struct spy_span *span, struct spy_outcome outcome)
{
    const struct spy_operation *operation = span->operation;
    for (size_t i = 0; i < SPY_LABELS_MAX - 1 && operation->labels[i]; i++) {
        add(all, spy_str(operation->labels[i], span->values[i]));
    }
    if (outcome.error_type) {
        add(all, spy_str("error_type", outcome.error_type));
        add(all, spy_str("message", outcome.message));
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
    all.count = 0;
    bool root = span->parent_id == 0 || span->parent_id == context.remote_id;
    if (root) {
        for (size_t i = 0; i < context.bound_count; i++) {
            add(&all, context.bound[i]);
        }
        if (context.remote_decided) {
            add(&all, spy_bool("parent_sampled", context.sampled));
        }
    }
    gather(&all, span, outcome);
    const struct spy__record record = {
        .kind = SPY__KIND_SPAN,
        .level = SPY_LEVEL_INFO,
        .time_ns = spy__realtime_ns() - (now_ns - span->start_ns),
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
