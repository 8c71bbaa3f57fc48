#include "encode/sentry_crumb.h"

#include "base/utf8.h"
#include "encode/sentry_common.h"
#include "encode/value.h"

#define CRUMB_MAX_BYTES 4096u
#define STRING_MAX_BYTES 256u

// Sentry's word for it.
static const char *level_of(const struct spy__record *record)
{
    if (record->kind == SPY__KIND_SPAN) {
        return spy__record_field(record, "error_type") ? "error" : "info";
    }
    return record->level == SPY_LEVEL_WARN ? "warning" : spy__level_name(record->level);
}

static void put_data(struct spy__json *j, const struct spy__record *record)
{
    const struct spy__json before = *j;
    const size_t len = j->out->len;
    spy__json_key(j, "data");
    spy__json_object(j);
    if (record->kind == SPY__KIND_SPAN) {
        spy__json_key(j, "duration_seconds");
        spy__json_double(j, (double)record->duration_ns / 1e9);
    }
    for (size_t i = 0; i < record->field_count; i++) {
        if (record->fields[i].type < SPY_FIELD_ADDRS &&
            !spy__is_request_detail(&record->fields[i]) &&
            strcmp(record->fields[i].key, SPY__SPAN_TASK) != 0) {
            spy__json_key(j, record->fields[i].key);
            spy__encode_value(j, &record->fields[i], STRING_MAX_BYTES);
        }
    }
    spy__json_object_end(j);
    if (!j->out->failed && j->out->len - len > CRUMB_MAX_BYTES) {
        j->out->len = len;
        *j = before;
    }
}

void spy__sentry_put_crumb(struct spy__json *j, const struct spy__record *record)
{
    const char *module = record->module ? record->module : "log";
    spy__json_object(j);
    spy__json_key(j, "timestamp");
    spy__sentry_put_time(j, record->time_ns + record->duration_ns); // of a span: when it was known
    spy__json_key(j, "type");
    spy__json_str(j, "default");
    spy__json_key(j, "category");
    spy__json_str(j, record->kind == SPY__KIND_SPAN ? "operation" : module);
    spy__json_key(j, "level");
    spy__json_str(j, level_of(record));
    spy__json_key(j, "message");
    spy__json_strn(j, record->event,
                   spy__utf8_cut(record->event, strlen(record->event), STRING_MAX_BYTES));
    put_data(j, record);
    spy__json_object_end(j);
}
