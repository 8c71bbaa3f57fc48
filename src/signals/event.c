// Events: a call becomes a record; on the pump's thread it is counted by type, and its fields are held
// against what was declared.

#include "signals/event.h"

#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "metrics/dropped.h"
#include "record/rings_push.h"
#include "signals/context.h"
#include "signals/event_types.h"
#include "signals/push.h"
#include "signals/put.h"
#include "spyglass/metrics.h"

// How many undeclared types, and fields of types, are counted by name.
#define SERIES_MAX 1000u

static struct spy_counter events, unexpected;          // families; const after register
static const struct spy__pseudonyms *event_pseudonyms; // const while a pump runs

// Its series stand in every scrape from here on, at zero.
static void make_series(const char *type)
{
    (void)spy_counter_with(events, type);
    (void)spy_counter_with(unexpected, type, "undeclared");
    (void)spy_counter_with(unexpected, type, "type");
}

int spy__event_register(void)
{
    int err =
        spy_counter_register(&events, &(struct spy_metric){ .name = "spyglass_events_total",
                                                            .help = "Product events, by type",
                                                            .labels = SPY_LABELS("event_type"),
                                                            .series_max = SERIES_MAX });
    if (err == 0) {
        err = spy_counter_register(
            &unexpected,
            &(struct spy_metric){ .name = "spyglass_event_fields_unexpected_total",
                                  .help = "Fields of events that their type does not declare "
                                          "(undeclared), or declares otherwise (type)",
                                  .labels = SPY_LABELS("event_type", "reason"),
                                  .series_max = SERIES_MAX });
    }
    if (err == 0) {
        spy__event_types_hook(make_series);
    }
    return err;
}

void spy__event_set_pseudonyms(const struct spy__pseudonyms *pseudonyms)
{
    event_pseudonyms = pseudonyms;
}

// The field's value as the declared type, where nothing is lost by that.
static bool convert(struct spy_field *field, enum spy_field_type type)
{
    const double two_63 = 9223372036854775808.0;
    const int64_t exact = INT64_C(1) << 53; // every whole number up to here is a double
    switch (type) {
    case SPY_FIELD_DOUBLE:
        if (field->type == SPY_FIELD_INT && field->value.i >= -exact && field->value.i <= exact) {
            *field = spy_double(field->key, (double)field->value.i);
            return true;
        }
        if (field->type == SPY_FIELD_UINT && field->value.u <= (uint64_t)exact) {
            *field = spy_double(field->key, (double)field->value.u);
            return true;
        }
        return false;
    case SPY_FIELD_INT:
        if (field->type == SPY_FIELD_UINT && field->value.u <= INT64_MAX) {
            *field = spy_int(field->key, (int64_t)field->value.u);
            return true;
        }
        if (field->type == SPY_FIELD_DOUBLE && field->value.d >= -two_63 &&
            field->value.d < two_63 && (double)(int64_t)field->value.d == field->value.d) {
            *field = spy_int(field->key, (int64_t)field->value.d);
            return true;
        }
        return false;
    case SPY_FIELD_UINT:
        if (field->type == SPY_FIELD_INT && field->value.i >= 0) {
            *field = spy_uint(field->key, (uint64_t)field->value.i);
            return true;
        }
        if (field->type == SPY_FIELD_DOUBLE && field->value.d >= 0 && field->value.d < 2 * two_63 &&
            (double)(uint64_t)field->value.d == field->value.d) {
            *field = spy_uint(field->key, (uint64_t)field->value.d);
            return true;
        }
        return false;
    default:
        return false;
    }
}

// The declared field of that name, or NULL. `*at` is where the last one was found: fields mostly come
// in the order in which they were declared.
static const struct spy_event_field *declared(const struct spy__event_type *type, const char *key,
                                              size_t *at)
{
    for (size_t tried = 0; tried < type->count; tried++) {
        size_t i = *at < type->count ? *at : 0;
        *at = i + 1;
        if (strcmp(type->fields[i].name, key) == 0) {
            return &type->fields[i];
        }
    }
    return NULL;
}

static void check_fields(struct spy__record *record, const struct spy__event_type *type,
                         struct spy__event_room *room)
{
    size_t at = 0, strange = 0, mistyped = 0;
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        const struct spy_event_field *wanted = declared(type, field->key, &at);
        if (!wanted) {
            strange++;
            continue;
        }
        if (wanted->type == field->type) {
            continue;
        }
        struct spy_field converted = *field;
        if (!convert(&converted, wanted->type)) {
            mistyped++;
            continue;
        }
        if (record->fields != room->fields) {
            memcpy(room->fields, record->fields, record->field_count * sizeof(room->fields[0]));
            record->fields = room->fields;
            record->wire = NULL;
        }
        room->fields[i] = converted;
    }
    if (strange > 0) {
        spy_counter_add(spy_counter_with(unexpected, record->event, "undeclared"), strange);
    }
    if (mistyped > 0) {
        spy_counter_add(spy_counter_with(unexpected, record->event, "type"), mistyped);
    }
}

void spy__event_check(struct spy__record *record, struct spy__event_room *room)
{
    const struct spy__event_type *type = spy__event_type_find(record->event);
    spy_counter_inc(spy_counter_with(events, record->event));
    if (type) {
        check_fields(record, type, room);
    } else if (record->field_count > 0 && spy__event_types_any()) {
        spy_counter_add(spy_counter_with(unexpected, record->event, "undeclared"),
                        record->field_count);
    }
    (void)spy__pseudonyms_apply(event_pseudonyms, record, &room->pseudonyms);
}

// ---- the call

// No ring yet, no room, more fields than a record has.
static __attribute__((noinline)) void publish_slowly(struct spy_uuid id, const char *type,
                                                     const struct spy_field *fields, size_t n)
{
    struct spy__context_view context = spy__context_view();
    const struct spy__record record = {
        .kind = SPY__KIND_EVENT,
        .level = SPY_LEVEL_INFO,
        .correlation_id = context.correlation_id,
        .trace_hi = context.trace_hi,
        .trace_lo = context.trace_lo,
        .span_id = context.span_id,
        .event = type,
        .fields = fields,
        .field_count = n < SPY_FIELDS_MAX ? n : SPY_FIELDS_MAX,
        .event_hi = id.hi,
        .event_lo = id.lo,
    };
    if (n > SPY_FIELDS_MAX) {
        spy__dropped(SPY__SIGNAL_EVENT, SPY__DROP_FIELDS, n - SPY_FIELDS_MAX);
    }
    spy__push(&record);
}

void spy__event(const struct spy_uuid *given, const char *type, const struct spy_field *fields,
                size_t n)
{
    struct spy_uuid id = given ? *given : spy__uuid_v7(spy__realtime_coarse_ns());
    struct spy__producer *p = &spy__producer;
    struct spy__wire_put put;
    struct spy__wire_head head = { .kind = SPY__KIND_EVENT,
                                   .level = SPY_LEVEL_INFO,
                                   .flags = SPY__WIRE_EVENT,
                                   .ticks = spy__ticks() };
    type = type ? type : "";
    if (SPY__UNLIKELY(n > SPY_FIELDS_MAX) || SPY__UNLIKELY(!spy__rings_begin(p, &put, &head))) {
        publish_slowly(id, type, fields, n);
        return;
    }
    head.span_id = spy__current.span_id;
    spy__wire_put_words(&put, id.hi, id.lo);
    spy__put_ids(&put, &head);
    head.event_bytes = (uint32_t)spy__wire_put_text(&put, type);
    unsigned bad = spy__put_fields(&put, &head, fields, n);
    if (SPY__UNLIKELY(!spy__rings_end(p, &put, &head))) {
        publish_slowly(id, type, fields, n);
    } else if (SPY__UNLIKELY(bad)) {
        spy__dropped(SPY__SIGNAL_EVENT, SPY__DROP_FIELDS, bad);
    }
}
