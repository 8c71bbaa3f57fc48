// Log lines as JSON: one object a line (https://jsonlines.org), valid for any bytes.
//
//     {"timestamp":"2024-01-31T12:00:00.000001Z","level":"info","event":"request_processed","logger":"http",
//      "service":"memegen","environment":"production","correlation_id":"…","trace_id":"…","span_id":"…",
//      bound fields…, fields…,"record_id":"1b2c3d4e.0.17","recovered":true}
//
// A key that is absent has no value to tell. A field cannot take the place of one of these keys: it
// is written with a '_' behind its own. record_id (the start of the process, the ring, the number in
// it) is there where a record outlives the process, recovered in lines that a later start wrote.
#ifndef ENCODE_LOG_JSON_H
#define ENCODE_LOG_JSON_H

#include "base/buf.h"
#include "encode/log_style.h"
#include "record/record.h"

// Appends one line; where the buffer has no room for it, nothing, and the buffer is `failed`.
// `style` is a struct spy__log_style: the shape of spy__pump_options.encode.
void spy__encode_log_json(struct spy__buf *out, const struct spy__record *record,
                          const void *style);

#endif
