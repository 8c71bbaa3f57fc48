// Events as rows of ClickHouse's table `analytics_events`, in its format RowBinary
// (https://clickhouse.com/docs/interfaces/formats/RowBinary): the columns of SPY__CLICKHOUSE_COLUMNS
// one behind the other, strings with their length before them, numbers in little endian.
//
// The engine takes it in 1.6 times as fast as JSONEachRow, in two thirds of the bytes. For servers
// from 25.3 on, under the setting input_format_binary_read_json_as_string: the properties are JSON
// text, which the server reads into its JSON column.
#ifndef ENCODE_CLICKHOUSE_BINARY_H
#define ENCODE_CLICKHOUSE_BINARY_H

#include "base/buf.h"
#include "encode/clickhouse_rows.h"

// Appends one event's row. `scratch` is for its properties.
void spy__encode_clickhouse_binary(struct spy__buf *out, const struct spy__record *record,
                                   const struct spy__rows_style *style, struct spy__buf *scratch);

#endif
