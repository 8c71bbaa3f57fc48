// A log call becomes a record: the context's ids and bound fields are added, secrets masked,
// lengths kept in bounds; then the pump takes it.

#include "spyglass/log.h"

#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "metrics/dropped.h"
#include "record/mask.h"
#include "record/pump.h"
#include "record/rings.h"
#include "signals/context.h"
#include "signals/log.h"
#include "spyglass/metrics.h"

int spy__log_level = SPY_LEVEL_INFO; // atomic, relaxed: a change is seen soon

static struct spy_counter lines_by_level[SPY__LEVELS]; // const after spy__log_register()

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
    return err;
}

void spy__log_written(const uint64_t lines[SPY__LEVELS])
{
    for (int level = SPY_LEVEL_DEBUG; level < SPY__LEVELS; level++) {
        if (lines[level] > 0) {
            spy_counter_add(lines_by_level[level], lines[level]);
        }
    }
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

void spy_log_set_level(enum spy_level level)
{
    if (level < SPY_LEVEL_DEFAULT || level > SPY_LEVEL_OFF) {
        return;
    }
    int value = level == SPY_LEVEL_DEFAULT ? SPY_LEVEL_INFO : (int)level;
    __atomic_store_n(&spy__log_level, value, __ATOMIC_RELAXED);
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
    if (spy__is_secret(field)) {
        *to = spy_str(field->key, SPY__REDACTED);
    } else if (field->type == SPY_FIELD_STR && field->len > SPY__FIELD_STR_MAX) {
        to->len = spy__utf8_cut(field->value.s, field->len, SPY__FIELD_STR_MAX);
    }
}

void spy__log(enum spy_level level, const char *module, const char *event,
              const struct spy_field *fields, size_t n)
{
    if (level < SPY_LEVEL_DEBUG || level > SPY_LEVEL_ERROR) {
        return;
    }
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
        .time_ns = spy__realtime_ns(),
        .correlation_id = context.correlation_id,
        .trace_hi = context.trace_hi,
        .trace_lo = context.trace_lo,
        .span_id = context.span_id,
        .event = event ? event : "",
        .module = module,
        .fields = all.fields,
        .field_count = all.count,
    };
    enum spy__push push = spy__rings_push(&record);
    if (push == SPY__PUSH_STOPPED ||
        (push == SPY__PUSH_CHILD && !spy__pump_write_direct(&record))) {
        spy__log_lost(SPY__LOSS_STOPPED, SPY__KIND_LOG, 1);
    }
}
