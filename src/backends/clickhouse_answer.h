// What an answer of ClickHouse means: SENT, RETRY, SPLIT or DROP.
//
// An error comes back in one of three ways, since the headers may be out before it happens
// (https://clickhouse.com/docs/interfaces/http): as a status other than 200; as the header
// X-ClickHouse-Exception-Code; or in a body that began well, behind the marker `__exception__`
// (from 25.11 on with the tag of the header X-ClickHouse-Exception-Tag), or as plain text
// "Code: N. DB::Exception: …" (before 25). An insert's answer has no body: anything else in it is an
// error, or not ClickHouse at all.
//
// Pure functions over outside bytes. Threads: any.
#ifndef BACKENDS_CLICKHOUSE_ANSWER_H
#define BACKENDS_CLICKHOUSE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "deliver/backend.h"

// Codes that the caller acts on (ClickHouse's src/Common/ErrorCodes.cpp).
enum {
    SPY__CLICKHOUSE_UNKNOWN_TABLE = 60,
    SPY__CLICKHOUSE_UNKNOWN_DATABASE = 81,
    SPY__CLICKHOUSE_UNKNOWN_SETTING = 115,
    SPY__CLICKHOUSE_READONLY = 164,
    SPY__CLICKHOUSE_ACCESS_DENIED = 497,
};

// What an answer's code is about.
enum spy__clickhouse_class {
    SPY__CLICKHOUSE_FINE,
    SPY__CLICKHOUSE_TROUBLE, // the server's or the way's: the same bytes may pass later
    SPY__CLICKHOUSE_REFUSAL, // schema, settings or rights: until somebody mends them
    SPY__CLICKHOUSE_DATA,    // a row of the batch
};

struct spy__clickhouse_outcome {
    enum spy__clickhouse_class class;
    unsigned code;    // ClickHouse's; 0 where it gave none
    const char *text; // what was said, borrowed from the answer; "" for nothing
    size_t text_len;
};

// Of a statement whose answer may have a body (`reads`), or of one whose may not. What is read here
// never has the words of an error in it.
struct spy__clickhouse_outcome spy__clickhouse_outcome(const struct spy__answer *answer,
                                                       bool reads);

// Whether the code is of a trouble that is known to pass, whatever was sent.
bool spy__clickhouse_passes(unsigned code);

// Whether the answer has a header that ClickHouse alone sends.
bool spy__clickhouse_said(const struct spy__answer *answer);

// An outcome as a verdict; the answer gives its Retry-After.
struct spy__verdict spy__clickhouse_verdict(const struct spy__clickhouse_outcome *outcome,
                                            const struct spy__answer *answer);

#endif
