// Log lines as JSON: one object a line (https://jsonlines.org), valid for any bytes.
//
//     {"timestamp":"2024-01-31T12:00:00.000001Z","level":"info","event":"request_processed","logger":"http",
//      "service":"memegen","environment":"production","correlation_id":"…","trace_id":"…","span_id":"…",
//      bound fields…, fields…}
//
// A key that is absent has no value to tell. A field cannot take the place of one of these keys: it
// is written with a
// '_' behind its own.
#ifndef ENCODE_LOG_JSON_H
#define ENCODE_LOG_JSON_H

#include "base/buf.h"
#include "record/record.h"

// What every line says. Strings are borrowed.
struct spy__log_style {
    const char *service;     // NULL or "": left out
    const char *environment; // NULL or "": left out
    bool colour;             // console form only
};

// Appends one line. `style` is a struct spy__log_style: the shape of spy__pump_options.encode.
void spy__encode_log_json(struct spy__buf *out, const struct spy__record *record,
                          const void *style);

// Appends YYYY-MM-DDTHH:MM:SS.ffffffZ (RFC 3339) for a time since 1970 UTC.
void spy__encode_time(struct spy__buf *out, uint64_t time_ns);

#endif
