#include "encode/clickhouse_binary.h"

#include <string.h>

#include "base/ids.h"

// A length in seven bits a byte, the lowest first (LEB128).
static void put_string(struct spy__buf *out, const char *s, size_t n)
{
    size_t left = n;
    for (; left >= 0x80; left >>= 7) {
        spy__buf_putc(out, (char)(left | 0x80));
    }
    spy__buf_putc(out, (char)left);
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
    spy__buf_reset(scratch);
    spy__encode_clickhouse_properties(scratch, record);
    out->failed |= scratch->failed;
    put_string(out, scratch->bytes, scratch->len);
}
