// The format Native as clients of a protocol version want it, in which each block opens with a few
// fields of its own and each column says how it is serialized
// (https://clickhouse.com/docs/native-protocol/server#block).
//
// The library writes Native for version 0 alone. But its format Buffers has the same columns with
// their lengths, and RowBinaryWithNamesAndTypes has their names and types: put together, they are
// Native of any version, and no byte of a column is looked at.
#ifndef EVENTS_NATIVE_H
#define EVENTS_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tools/events/request.h"

// Appends the blocks of buffers, whose columns are named in header. False where either is not what
// it should be, or there is no memory.
bool events_native_put(struct spy__buf *out, uint64_t protocol_version, struct events_text header,
                       struct events_text buffers);

#endif
