// Events as rows of ClickHouse's table `analytics_events`, in its format RowBinary
// (https://clickhouse.com/docs/interfaces/formats/RowBinary): the columns of SPY__CLICKHOUSE_COLUMNS
// one behind the other, strings with their length before them, numbers in little endian. For servers
// from 25.3 on.
//
// The properties are a value of a JSON column, which can be written in two ways. As text, under the
// setting input_format_binary_read_json_as_string: the server parses it, and guesses types. As paths
// (https://clickhouse.com/docs/sql-reference/data-types/newjson#binary-format): a count, then each
// path with its value; one that the column declares has a value of that type, any other has its type
// before it (https://clickhouse.com/docs/sql-reference/data-types/data-types-binary-encoding). Paths
// cost the engine half the time of text. They are right for the declaration below alone, and for
// records whose fields have what it declares: spy__clickhouse_fits().
//
// What is stored is the same, but for what text cannot say: a whole double stays a double, a string
// that looks like a date stays a string.
#ifndef ENCODE_CLICKHOUSE_BINARY_H
#define ENCODE_CLICKHOUSE_BINARY_H

#include "base/buf.h"
#include "encode/clickhouse_rows.h"

// The column's type, as the server spells it (monitoring/clickhouse/current/001_analytics_events.sql).
#define SPY__CLICKHOUSE_PROPERTIES_TYPE                                                            \
    "JSON(generation_time Nullable(Float32), interaction_type String, meme_id String, platform "   \
    "String, quality_score Nullable(Float32), template_id String, user_id String)"

// Whether the event can be written as paths: no declared one comes twice, or with another type.
bool spy__clickhouse_fits(const struct spy__record *record);

// Appends one event's row; style->paths says how its properties are written. `scratch` is for them.
void spy__encode_clickhouse_binary(struct spy__buf *out, const struct spy__record *record,
                                   const struct spy__rows_style *style, struct spy__buf *scratch);

#endif
