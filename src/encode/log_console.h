// Log lines for people at a terminal:
//
//     12:00:00.000001 info  request_processed  status_code=200 path=/memes correlation_id=… trace_id=… span_id=…
//
// The time is UTC. Nothing that a field holds can move the cursor, change colours or begin a line:
// control characters (C0, C1 and DEL) are written as JSON escapes.
#ifndef ENCODE_LOG_CONSOLE_H
#define ENCODE_LOG_CONSOLE_H

#include "base/buf.h"
#include "encode/log_style.h"
#include "record/record.h"

// As spy__encode_log_json().
void spy__encode_log_console(struct spy__buf *out, const struct spy__record *record,
                             const void *style);

#endif
