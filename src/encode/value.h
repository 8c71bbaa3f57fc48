// A field's value as JSON, for every format whose fields are JSON and that wants nothing more of them.
// (A log line's are written by encode/log_json.c, whose every nanosecond counts.)
//
// A pure function.
#ifndef ENCODE_VALUE_H
#define ENCODE_VALUE_H

#include "base/json.h"
#include "spyglass/log.h"

// As encode's `max`: a string is written whole.
#define SPY__VALUE_WHOLE SIZE_MAX

// A string is cut at max bytes; what is neither a string, a number nor a truth value is null.
void spy__encode_value(struct spy__json *j, const struct spy_field *field, size_t max);
// The same as a string, for what must be one: a number, a truth value too.
void spy__encode_text(struct spy__json *j, const struct spy_field *field, size_t max);

#endif
