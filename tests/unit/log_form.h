// What the tests of a log line's forms share: a buffer, styles, and a record with every type of field.
#ifndef TESTS_LOG_FORM_H
#define TESTS_LOG_FORM_H

#include "base/buf.h"
#include "encode/log_style.h"
#include "record/record.h"

// 2024-02-29T23:59:58.123456789Z
#define LEAP_NS UINT64_C(1709251198123456789)

extern struct spy__log_style bare, named, coloured;
extern struct spy__buf line;

int set_up(void **state);
int tear_down(void **state);

// That `line` holds this, and empties it.
void assert_line(const char *expected);

// At LEAP_NS, with all ids and a field of each type.
struct spy__record full(void);

#endif
