// The JSON form of log lines; keys in the order of the header.

#include "encode/log_json.h"

#include <string.h>

#include "base/ids.h"
#include "base/json.h"
#include "encode/log_stack.h"

// Writes v in exactly n digits.
static void digits(char *out, unsigned v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10) {
        out[i] = (char)('0' + v % 10);
    }
}

// The civil date of a day since 1970, proleptic Gregorian; eras of 400 years that begin in March
// (H. Hinnant, https://howardhinnant.github.io/date_algorithms.html#civil_from_days). Days before
// 1970 do not occur here.
static void civil(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t z = days + 719468, era = z / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (unsigned)(yoe + era * 400) + (*month <= 2);
}

void spy__encode_time(struct spy__buf *out, uint64_t time_ns)
{
    uint64_t seconds = time_ns / 1000000000u;
    unsigned micros = (unsigned)(time_ns % 1000000000u) / 1000;
    unsigned of_day = (unsigned)(seconds % 86400), year, month, day;
    civil(seconds / 86400, &year, &month, &day);
    char text[] = "0000-00-00T00:00:00.000000Z"; // 64 bits of nanoseconds end in the year 2554
    digits(text, year, 4);
    digits(text + 5, month, 2);
    digits(text + 8, day, 2);
    digits(text + 11, of_day / 3600, 2);
    digits(text + 14, of_day / 60 % 60, 2);
    digits(text + 17, of_day % 60, 2);
    digits(text + 20, micros, 6);
    spy__buf_put(out, text, sizeof(text) - 1);
}

static bool is_reserved(const char *key)
{
    static const char *const reserved[] = { "timestamp",      "level",    "event",
                                            "logger",         "service",  "environment",
                                            "correlation_id", "trace_id", "span_id" };
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (key[0] == reserved[i][0] && strcmp(key, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_key(struct spy__json *j, const char *key)
{
    if (!is_reserved(key)) {
        spy__json_key(j, key);
        return;
    }
    char own[32]; // longer than any reserved key
    size_t n = strlen(key);
    memcpy(own, key, n);
    own[n] = '_';
    spy__json_keyn(j, own, n + 1);
}

static void put_value(struct spy__json *j, const struct spy_field *field)
{
    switch ((int)field->type) {
    case SPY_FIELD_INT:
        spy__json_i64(j, field->value.i);
        break;
    case SPY_FIELD_UINT:
        spy__json_u64(j, field->value.u);
        break;
    case SPY_FIELD_DOUBLE:
        spy__json_double(j, field->value.d);
        break;
    case SPY_FIELD_BOOL:
        spy__json_bool(j, field->value.b);
        break;
    case SPY_FIELD_STR:
        spy__json_strn(j, field->value.s, field->len);
        break;
    case SPY_FIELD_ADDRS:
    case SPY__FIELD_FRAMES:
        spy__encode_stack_json(j->out, field);
        j->comma = true;
        break;
    case SPY_FIELD_NONE:
        spy__json_null(j);
        break;
    }
}

static void put_text(struct spy__json *j, const char *key, const char *value)
{
    if (value && value[0]) {
        spy__json_key(j, key);
        spy__json_str(j, value);
    }
}

static void put_ids(struct spy__json *j, const struct spy__record *record)
{
    char hex[32];
    put_text(j, "correlation_id", record->correlation_id);
    if (record->trace_hi | record->trace_lo) {
        spy__hex_u64(hex, record->trace_hi);
        spy__hex_u64(hex + 16, record->trace_lo);
        spy__json_key(j, "trace_id");
        spy__json_strn(j, hex, 32);
    }
    if (record->span_id) {
        spy__hex_u64(hex, record->span_id);
        spy__json_key(j, "span_id");
        spy__json_strn(j, hex, 16);
    }
}

void spy__encode_log_json(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    const struct spy__log_style *style = arg;
    struct spy__json j;
    spy__json_init(&j, out);
    spy__json_object(&j);
    spy__buf_puts(out, "\"timestamp\":\"");
    spy__encode_time(out, record->time_ns);
    spy__buf_puts(out, "\"");
    j.comma = true;
    spy__json_key(&j, "level");
    spy__json_str(&j, spy__level_name(record->level));
    spy__json_key(&j, "event");
    spy__json_str(&j, record->event);
    put_text(&j, "logger", record->module);
    put_text(&j, "service", style->service);
    put_text(&j, "environment", style->environment);
    put_ids(&j, record);
    for (size_t i = 0; i < record->field_count; i++) {
        put_key(&j, record->fields[i].key);
        put_value(&j, &record->fields[i]);
    }
    spy__json_object_end(&j);
    spy__buf_putc(out, '\n');
}
