// Events as rows of ClickHouse's table `analytics_events`, in its format JSONEachRow: one object a
// line (https://clickhouse.com/docs/interfaces/formats/JSONEachRow).
//
//     {"event_id":"…","event_type":"meme_generated","timestamp":1709251198123456,"service":"memegen",
//      "environment":"production","correlation_id":"…","trace_id":"…","properties":{fields…}}
//
// The time is a whole number of microseconds, as DateTime64(6) reads it. NaN and infinities are null,
// bytes that are no UTF-8 are U+FFFD; integers of 64 bits are plain numbers, which ClickHouse reads
// exactly.
//
// Servers before 25.3 have no column for JSON objects, and very old ones no DateTime64: for their
// table (`old`) properties are JSON text in a string, and the time is "timestamp", in whole seconds,
// with "microsecond".
#ifndef ENCODE_CLICKHOUSE_ROWS_H
#define ENCODE_CLICKHOUSE_ROWS_H

#include <stdbool.h>

#include "base/buf.h"
#include "record/record.h"

// The columns that a row fills, in the order of RowBinary.
#define SPY__CLICKHOUSE_COLUMNS                                                                    \
    "event_id,event_type,timestamp,service,environment,correlation_id,trace_id,properties"
// Those of the table for old servers.
#define SPY__CLICKHOUSE_COLUMNS_OLD                                                                \
    "event_id,event_type,timestamp,microsecond,service,environment,correlation_id,trace_id,"       \
    "properties"

// What every row says. Strings are borrowed.
struct spy__rows_style {
    const char *service;     // NULL: ""
    const char *environment; // NULL: ""
    bool old;
    bool paths; // RowBinary alone: properties as paths rather than as text
};

// Appends one event's row with its newline. `scratch` is used where the style is old.
void spy__encode_clickhouse_row(struct spy__buf *out, const struct spy__record *record,
                                const struct spy__rows_style *style, struct spy__buf *scratch);

// An event's properties alone, as a JSON object.
void spy__encode_clickhouse_properties(struct spy__buf *out, const struct spy__record *record);

#endif
