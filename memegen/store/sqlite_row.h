// A meme as a row of SQLite's: the order of its columns, into a statement and out of one.
#ifndef MEMEGEN_STORE_SQLITE_ROW_H
#define MEMEGEN_STORE_SQLITE_ROW_H

#include <sqlite3.h>

#include "memegen/meme.h"

#define SQLITE_MEME_COLUMNS                                                                        \
    "id, created_us, status, error_type, error_message, correlation_id, trace_id, topic, "         \
    "user_id, wanted_template_id,"                                                                 \
    " style, use_trends, seed, template_id, template_type, captions, score, rounds, "              \
    "generation_seconds, agents"

// Binds text, as far as it is UTF-8. Borrows it until the statement is reset.
int sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text);
// Binds a row of SQLITE_MEME_COLUMNS in their order; the three columns of JSON are the caller's.
// Borrows all. 0 or -ENOMEM.
int sqlite_bind_meme(sqlite3_stmt *s, const struct meme *m, const char *captions, const char *score,
                     const char *agents);
// Reads a row of SQLITE_MEME_COLUMNS. One that another hand has changed gives what of it can be
// understood.
void sqlite_read_meme(sqlite3_stmt *s, struct meme *ret);

#endif
