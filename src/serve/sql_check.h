// Whether a statement looks like one that reads: the first fence before ClickHouse, where `readonly`
// is the one that holds.
//
// It keeps out what that setting lets pass (KILL, USE) and says the rest in a better sentence.
#ifndef SERVE_SQL_CHECK_H
#define SERVE_SQL_CHECK_H

#include <stddef.h>

// Longer than any statement that a person writes.
#define SPY__SQL_BYTES_MAX (64u << 10)

// Returns NULL, or one English sentence of why the n bytes of anything are not asked: they are too
// many, no UTF-8 text, or their first word, behind comments, begins no statement that reads.
const char *spy__sql_check(const char *sql, size_t n);

#endif
