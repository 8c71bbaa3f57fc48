#include "encode/clickhouse_binary.h"

#include <math.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"

// Seven bits a byte, the lowest first (LEB128).
static void put_count(struct spy__buf *out, size_t n)
{
    for (; n >= 0x80; n >>= 7) {
        spy__buf_putc(out, (char)(n | 0x80));
    }
    spy__buf_putc(out, (char)n);
}

static void put_string(struct spy__buf *out, const char *s, size_t n)
{
    put_count(out, n);
    spy__buf_put(out, s, n);
}

static void put_text(struct spy__buf *out, const char *s)
{
    put_string(out, s ? s : "", s ? strlen(s) : 0);
}

static void put_u64(struct spy__buf *out, uint64_t v)
{
    char bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++, v >>= 8) {
        bytes[i] = (char)v;
    }
    spy__buf_put(out, bytes, sizeof(bytes));
}

// ---- properties as paths

// Codes of types before their values.
enum type {
    TYPE_UINT64 = 0x04,
    TYPE_INT64 = 0x0a,
    TYPE_FLOAT64 = 0x0e,
    TYPE_STRING = 0x15,
    TYPE_ARRAY = 0x1e,
    TYPE_NULLABLE = 0x23,
    TYPE_BOOL = 0x2d,
};

// What SPY__CLICKHOUSE_PROPERTIES_TYPE declares.
static const struct path {
    const char *name;
    bool is_number; // Nullable(Float32), else String
} declared[] = {
    { "generation_time", true }, { "interaction_type", false }, { "meme_id", false },
    { "platform", false },       { "quality_score", true },     { "template_id", false },
    { "user_id", false },
};
#define DECLARED (sizeof(declared) / sizeof(declared[0]))

// Its index in `declared`, or DECLARED.
static size_t find_declared(const char *key)
{
    size_t i = 0;
    while (i < DECLARED && strcmp(declared[i].name, key) != 0) {
        i++;
    }
    return i;
}

// As null in text, which is no value either.
static bool is_absent(const struct spy_field *field)
{
    return field->type == SPY_FIELD_NONE ||
           (field->type == SPY_FIELD_DOUBLE && !isfinite(field->value.d));
}

static bool fits(const struct spy_field *field, const struct path *path)
{
    if (path->is_number) {
        return field->type == SPY_FIELD_INT || field->type == SPY_FIELD_UINT ||
               field->type == SPY_FIELD_DOUBLE;
    }
    return field->type == SPY_FIELD_STR;
}

bool spy__clickhouse_fits(const struct spy__record *record)
{
    unsigned seen = 0;
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        size_t at = find_declared(field->key);
        if (at == DECLARED || is_absent(field)) {
            continue;
        }
        if ((seen >> at & 1) != 0 || !fits(field, &declared[at])) {
            return false;
        }
        seen |= 1u << at;
    }
    return true;
}

// With U+FFFD in the place of what is no UTF-8, as text has it.
static void put_clean_string(struct spy__buf *out, const char *s, size_t n,
                             struct spy__buf *scratch)
{
    if (spy__utf8_valid(s, n)) {
        put_string(out, s, n);
        return;
    }
    spy__buf_reset(scratch);
    while (n > 0) {
        size_t len = spy__utf8_char((const unsigned char *)s, n);
        spy__buf_put(scratch, len > 0 ? s : "\xef\xbf\xbd", len > 0 ? len : 3);
        len += len == 0;
        s += len;
        n -= len;
    }
    out->failed |= scratch->failed;
    put_string(out, scratch->bytes, scratch->len);
}

static double number_of(const struct spy_field *field)
{
    return field->type == SPY_FIELD_INT    ? (double)field->value.i
           : field->type == SPY_FIELD_UINT ? (double)field->value.u
                                           : field->value.d;
}

static void put_float32(struct spy__buf *out, double v)
{
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    spy__buf_putc(out, 0); // not null
    for (size_t i = 0; i < sizeof(bits); i++, bits >>= 8) {
        spy__buf_putc(out, (char)bits);
    }
}

static void put_addrs(struct spy__buf *out, const struct spy_field *field)
{
    static const char type[] = { TYPE_ARRAY, TYPE_NULLABLE, TYPE_STRING };
    spy__buf_put(out, type, sizeof(type));
    put_count(out, field->len);
    for (size_t i = 0; i < field->len; i++) {
        char text[18];
        spy__buf_putc(out, 0); // not null
        put_string(out, text, spy__address_print(text, field->value.addrs[i]));
    }
}

static void put_typed_u64(struct spy__buf *out, enum type type, uint64_t v)
{
    spy__buf_putc(out, (char)type);
    put_u64(out, v);
}

static void put_value(struct spy__buf *out, const struct spy_field *field, struct spy__buf *scratch)
{
    uint64_t bits;
    switch (field->type) {
    case SPY_FIELD_INT:
        put_typed_u64(out, TYPE_INT64, (uint64_t)field->value.i);
        break;
    case SPY_FIELD_UINT: // of one type with the signed ones as far as that goes, as in text
        put_typed_u64(out, field->value.u <= INT64_MAX ? TYPE_INT64 : TYPE_UINT64, field->value.u);
        break;
    case SPY_FIELD_DOUBLE:
        memcpy(&bits, &field->value.d, sizeof(bits));
        put_typed_u64(out, TYPE_FLOAT64, bits);
        break;
    case SPY_FIELD_BOOL:
        spy__buf_putc(out, TYPE_BOOL);
        spy__buf_putc(out, field->value.b ? 1 : 0);
        break;
    case SPY_FIELD_STR:
        spy__buf_putc(out, TYPE_STRING);
        put_clean_string(out, field->value.s, field->len, scratch);
        break;
    case SPY_FIELD_ADDRS:
        put_addrs(out, field);
        break;
    case SPY_FIELD_NONE:
        break;
    }
}

static void put_paths(struct spy__buf *out, const struct spy__record *record,
                      struct spy__buf *scratch)
{
    size_t count = 0;
    for (size_t i = 0; i < record->field_count; i++) {
        count += !is_absent(&record->fields[i]);
    }
    put_count(out, count);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        size_t at = find_declared(field->key);
        if (is_absent(field)) {
            continue;
        }
        put_clean_string(out, field->key, strlen(field->key), scratch);
        if (at == DECLARED) {
            put_value(out, field, scratch);
        } else if (declared[at].is_number) {
            put_float32(out, number_of(field));
        } else {
            put_clean_string(out, field->value.s, field->len, scratch);
        }
    }
}

// ---- rows

static void put_text_properties(struct spy__buf *out, const struct spy__record *record,
                                struct spy__buf *scratch)
{
    spy__buf_reset(scratch);
    spy__encode_clickhouse_properties(scratch, record);
    out->failed |= scratch->failed;
    put_string(out, scratch->bytes, scratch->len);
}

void spy__encode_clickhouse_binary(struct spy__buf *out, const struct spy__record *record,
                                   const struct spy__rows_style *style, struct spy__buf *scratch)
{
    char trace[32];
    bool any = (record->trace_hi | record->trace_lo) != 0;
    put_u64(out, record->event_hi);
    put_u64(out, record->event_lo);
    put_text(out, record->event);
    put_u64(out, record->time_ns / 1000);
    put_text(out, style->service);
    put_text(out, style->environment);
    put_text(out, record->correlation_id);
    spy__hex_u64(trace, record->trace_hi);
    spy__hex_u64(trace + 16, record->trace_lo);
    put_string(out, trace, any ? sizeof(trace) : 0);
    if (style->paths) {
        put_paths(out, record, scratch);
    } else {
        put_text_properties(out, record, scratch);
    }
}
