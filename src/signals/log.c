// A log call becomes a record, written straight into its thread's ring: the ids and bound fields of
// the context, in wire form already, then the fields of the call. Secrets are masked, and fields of
// the same name resolved, by whoever reads it.

#include "spyglass/log.h"

#include <string.h>

#include "metrics/dropped.h"
#include "record/rings_push.h"
#include "record/shape.h"
#include "signals/context.h"
#include "signals/log.h"
#include "signals/push.h"
#include "signals/put.h"
#include "spyglass/metrics.h"

static struct spy_counter overflowed;
static struct spy_counter lines_by_level[SPY__LEVELS]; // const after spy__log_register()
static struct spy_counter lines_suppressed;

int spy__log_register(void)
{
    struct spy_counter family;
    int err =
        spy_counter_register(&family, &(struct spy_metric){ .name = "spyglass_log_lines_total",
                                                            .help = "Log lines written, by level",
                                                            .labels = SPY_LABELS("level") });
    for (int level = SPY_LEVEL_DEBUG; err == 0 && level < SPY__LEVELS; level++) {
        lines_by_level[level] = spy_counter_with(family, spy__level_name((enum spy_level)level));
    }
    if (err == 0) {
        err = spy_counter_register(
            &lines_suppressed,
            &(struct spy_metric){ .name = "spyglass_log_lines_suppressed_total",
                                  .help =
                                      "Log lines that said again what others did, and were told "
                                      "with a count instead" });
    }
    return err ? err
               : spy_counter_register(
                     &overflowed,
                     &(struct spy_metric){ .name = "spyglass_ring_overflow_total",
                                           .help = "Records of threads that found no ring of their "
                                                   "own, and shared one under a lock" });
}

void spy__log_repeated(uint64_t lines)
{
    spy_counter_add(lines_suppressed, lines);
}

void spy__log_written(const uint64_t lines[SPY__LEVELS])
{
    for (int level = SPY_LEVEL_DEBUG; level < SPY__LEVELS; level++) {
        if (lines[level] > 0) {
            spy_counter_add(lines_by_level[level], lines[level]);
        }
    }
}

void spy__log_overflowed(uint64_t records)
{
    spy_counter_add(overflowed, records);
}

void spy__log_lost(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    static const enum spy__signal signals[] = {
        [SPY__KIND_LOG] = SPY__SIGNAL_LOG,         [SPY__KIND_SPAN] = SPY__SIGNAL_SPAN,
        [SPY__KIND_EVENT] = SPY__SIGNAL_EVENT,     [SPY__KIND_ERROR] = SPY__SIGNAL_ERROR,
        [SPY__KIND_PROFILE] = SPY__SIGNAL_PROFILE,
    };
    static const enum spy__drop reasons[] = {
        [SPY__LOSS_FULL] = SPY__DROP_FULL,       [SPY__LOSS_WRITE] = SPY__DROP_WRITE,
        [SPY__LOSS_STOPPED] = SPY__DROP_STOPPED, [SPY__LOSS_MEMORY] = SPY__DROP_MEMORY,
        [SPY__LOSS_SIZE] = SPY__DROP_TOO_LONG,
    };
    spy__dropped(signals[kind], reasons[why], n);
}

// The fields of one record as they are gathered.
struct gathered {
    size_t count, dropped;
    struct spy_field fields[SPY_FIELDS_MAX];
};

static bool is_good(const struct spy_field *field)
{
    return field->key && field->key[0] && field->type > SPY_FIELD_NONE &&
           field->type <= SPY_FIELD_ADDRS;
}

// Adds a field that the caller gave; one of the same key that stands there already makes room for
// it.
static void gather(struct gathered *all, const struct spy_field *field)
{
    if (field->type == SPY_FIELD_NONE) {
        return; // left out on purpose
    }
    if (!is_good(field)) {
        all->dropped++;
        return;
    }
    struct spy_field *to = NULL;
    for (size_t i = 0; !to && i < all->count; i++) {
        if (strcmp(all->fields[i].key, field->key) == 0) {
            to = &all->fields[i];
        }
    }
    if (!to && all->count == SPY_FIELDS_MAX) {
        all->dropped++;
        return;
    }
    to = to ? to : &all->fields[all->count++];
    *to = *field;
}

// Makes a plain record of it, and pushes that: where there is no ring yet, no room, too many fields,
// or no pump.
static __attribute__((noinline)) void log_slowly(enum spy_level level, const char *module,
                                                 const char *event, const struct spy_field *fields,
                                                 size_t n)
{
    struct spy__context_view context = spy__context_view();
    struct gathered all; // its fields past `count` stay unset: 1.2 KiB not worth clearing
    all.count = context.bound_count;
    all.dropped = 0;
    for (size_t i = 0; i < context.bound_count; i++) {
        all.fields[i] = context.bound[i];
    }
    for (size_t i = 0; i < n; i++) {
        gather(&all, &fields[i]);
    }
    if (all.dropped > 0) {
        spy__dropped(SPY__SIGNAL_LOG, SPY__DROP_FIELDS, all.dropped);
    }
    struct spy__record record = {
        .level = level,
        .correlation_id = context.correlation_id,
        .trace_hi = context.trace_hi,
        .trace_lo = context.trace_lo,
        .span_id = context.span_id,
        .event = event,
        .module = module,
        .fields = all.fields,
        .field_count = all.count,
    };
    spy__push(&record);
}

// The context's bound fields, which are in wire form already.
static inline void put_bound(struct spy__wire_put *put, struct spy__wire_head *head)
{
    const struct spy__bound *bound = spy__current.bound;
    if (bound) {
        head->bound_bytes = bound->wire_bytes;
        head->field_count = (uint16_t)bound->count;
        spy__wire_put_blob(put, bound->wire, bound->wire_bytes, bound->wire_sum);
    }
}

// A call that adds up to more fields than a record holds goes the slow road, which counts them.
static inline bool too_many(size_t n)
{
    const struct spy__bound *bound = spy__current.bound;
    return n + (bound ? bound->count : 0) > SPY_FIELDS_MAX;
}

// Notes the shape of a place that has not been seen before. Of two that come at once, one is kept.
static __attribute__((noinline)) void learn(struct spy__site *site, const char *module,
                                            const char *event, const struct spy_field *fields,
                                            size_t n)
{
    const void *none = NULL;
    (void)__atomic_compare_exchange_n(&site->shape, &none,
                                      spy__shape_make(event, module, fields, n), false,
                                      __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

// A line of its place's shape. False where it did not fit.
static inline bool log_shaped(const struct spy__shape *shape, enum spy_level level, uint64_t ticks,
                              const struct spy_field *fields, size_t n)
{
    struct spy__producer *p = &spy__producer;
    struct spy__wire_put put;
    struct spy__wire_head head = { .kind = SPY__KIND_LOG,
                                   .level = (uint8_t)level,
                                   .flags = SPY__WIRE_SHAPE,
                                   .ticks = ticks,
                                   .event_bytes = shape->wire_bytes };
    if (SPY__UNLIKELY(too_many(n)) || SPY__UNLIKELY(!spy__rings_begin(p, &put, &head))) {
        return false;
    }
    head.span_id = spy__current.span_id;
    spy__put_ids(&put, &head);
    spy__wire_put_blob(&put, shape->wire, shape->wire_bytes, shape->wire_sum);
    put_bound(&put, &head);
    spy__wire_put_values(&put, fields, n);
    head.field_count = (uint16_t)(head.field_count + n);
    return spy__rings_end(p, &put, &head);
}

// Any other line.
static __attribute__((noinline)) void log_plainly(struct spy__site *site, enum spy_level level,
                                                  const char *module, const char *event,
                                                  const struct spy_field *fields, size_t n)
{
    struct spy__producer *p = &spy__producer;
    struct spy__wire_put put;
    struct spy__wire_head head = { .kind = SPY__KIND_LOG,
                                   .level = (uint8_t)level,
                                   .ticks = spy__ticks() };
    event = event ? event : "";
    if (site && !__atomic_load_n(&site->shape, __ATOMIC_RELAXED)) {
        learn(site, module, event, fields, n);
    }
    if (SPY__UNLIKELY(too_many(n)) || SPY__UNLIKELY(!spy__rings_begin(p, &put, &head))) {
        log_slowly(level, module, event, fields, n);
        return;
    }
    head.span_id = spy__current.span_id;
    spy__put_ids(&put, &head);
    head.event_bytes = (uint32_t)spy__wire_put_text(&put, event);
    if (module) {
        head.module_bytes = (uint32_t)spy__wire_put_text(&put, module);
    }
    put_bound(&put, &head);
    unsigned bad = spy__put_fields(&put, &head, fields, n);
    if (SPY__UNLIKELY(!spy__rings_end(p, &put, &head))) {
        log_slowly(level, module, event, fields, n);
    } else if (SPY__UNLIKELY(bad)) {
        spy__dropped(SPY__SIGNAL_LOG, SPY__DROP_FIELDS, bad);
    }
}

void spy__log(struct spy__site *site, enum spy_level level, const char *module, const char *event,
              const struct spy_field *fields, size_t n)
{
    // First of all: what follows goes on while the counter is read, which takes long.
    const uint64_t ticks = spy__ticks();
    if (SPY__UNLIKELY(level < SPY_LEVEL_DEBUG || level > SPY_LEVEL_ERROR)) {
        return;
    }
    const struct spy__shape *shape =
        site ? (const struct spy__shape *)__atomic_load_n(&site->shape, __ATOMIC_ACQUIRE) : NULL;
    if (SPY__UNLIKELY(!shape) || SPY__UNLIKELY(!spy__shape_fits(shape, event, module, fields, n))) {
        log_plainly(site, level, module, event, fields, n);
    } else if (SPY__UNLIKELY(!log_shaped(shape, level, ticks, fields, n))) {
        log_slowly(level, module, event, fields, n);
    }
}
