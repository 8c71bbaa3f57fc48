// Rows of events; what the table looks like is in monitoring/clickhouse.

#include "encode/clickhouse_rows.h"

#include "base/ids.h"
#include "base/json.h"
#include "encode/value.h"
#include "spyglass/uuid.h"

static void put_text(struct spy__json *j, const char *key, const char *value)
{
    spy__json_key(j, key);
    spy__json_str(j, value ? value : "");
}

static void put_addrs(struct spy__json *j, const struct spy_field *field)
{
    spy__json_array(j);
    for (size_t i = 0; i < field->len; i++) {
        char text[18];
        spy__json_strn(j, text, spy__address_print(text, field->value.addrs[i]));
    }
    spy__json_array_end(j);
}

static void put_properties(struct spy__json *j, const struct spy__record *record)
{
    spy__json_object(j);
    for (size_t i = 0; i < record->field_count; i++) {
        spy__json_key(j, record->fields[i].key);
        if (record->fields[i].type == SPY_FIELD_ADDRS) {
            put_addrs(j, &record->fields[i]);
        } else {
            spy__encode_value(j, &record->fields[i], SPY__VALUE_WHOLE);
        }
    }
    spy__json_object_end(j);
}

void spy__encode_clickhouse_properties(struct spy__buf *out, const struct spy__record *record)
{
    struct spy__json j;
    spy__json_init(&j, out);
    put_properties(&j, record);
}

static void put_time(struct spy__json *j, uint64_t time_ns, bool old)
{
    uint64_t micros = time_ns / 1000;
    spy__json_key(j, "timestamp");
    spy__json_u64(j, old ? micros / 1000000 : micros);
    if (old) {
        spy__json_key(j, "microsecond");
        spy__json_u64(j, micros % 1000000);
    }
}

static void put_trace_id(struct spy__json *j, const struct spy__record *record)
{
    char hex[32];
    bool any = (record->trace_hi | record->trace_lo) != 0;
    spy__hex_u64(hex, record->trace_hi);
    spy__hex_u64(hex + 16, record->trace_lo);
    spy__json_key(j, "trace_id");
    spy__json_strn(j, hex, any ? sizeof(hex) : 0);
}

void spy__encode_clickhouse_row(struct spy__buf *out, const struct spy__record *record,
                                const struct spy__rows_style *style, struct spy__buf *scratch)
{
    char id[SPY_UUID_LEN + 1];
    struct spy__json j;
    spy_uuid_print(id, (struct spy_uuid){ record->event_hi, record->event_lo });
    spy__json_init(&j, out);
    spy__json_object(&j);
    spy__json_key(&j, "event_id");
    spy__json_strn(&j, id, SPY_UUID_LEN);
    put_text(&j, "event_type", record->event);
    put_time(&j, record->time_ns, style->old);
    put_text(&j, "service", style->service);
    put_text(&j, "environment", style->environment);
    put_text(&j, "correlation_id", record->correlation_id);
    put_trace_id(&j, record);
    spy__json_key(&j, "properties");
    if (style->old) {
        spy__buf_reset(scratch);
        spy__encode_clickhouse_properties(scratch, record);
        out->failed |= scratch->failed;
        spy__json_strn(&j, scratch->bytes, scratch->len);
    } else {
        put_properties(&j, record);
    }
    spy__json_object_end(&j);
    spy__buf_putc(out, '\n');
}
