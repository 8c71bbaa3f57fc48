// Log lines as logfmt (https://brandur.org/logfmt): key=value pairs, one line a record.
//
//     timestamp=2024-01-31T12:00:00.000001Z level=info event=request_processed logger=http
//     service=memegen environment=production correlation_id=… trace_id=… span_id=… fields…
//
// Keys, their order and the '_' behind a key that is one of ours are as in JSON. Quoting is that of
// go-logfmt (https://github.com/go-logfmt/logfmt, encode.go), so that its reader and those made
// after it (Loki, hl, lnav) take any line: a value with a byte up to the space, '=', a quote, DEL or
// no UTF-8 stands in double quotes, with JSON's escapes inside; so does an empty one, and the word
// "null". What cannot stand in a key is a '_'.
#ifndef ENCODE_LOG_LOGFMT_H
#define ENCODE_LOG_LOGFMT_H

#include "base/buf.h"
#include "encode/line.h"
#include "encode/log_style.h"
#include "record/record.h"

// As spy__encode_log_json().
void spy__encode_log_logfmt(struct spy__buf *out, const struct spy__record *record,
                            const void *style);

// One value, quoted where it must be.
char *spy__logfmt_value(struct spy__line *l, char *at, const char *s, size_t n);

#endif
