// The page's read-only SQL, on the admin port: GET says whether there is a ClickHouse, POST asks it
// the statement in the body. What may be asked: serve/sql_check.h.
//
// How a statement is carried is the starter's choice, and so are its limits there
// (backends/clickhouse_ask.h; a stand-in in tests). Two are asked at once, the rest wait. An answer
// that is too long is cut, and says so in the header X-Spyglass-Cut. Threads: any but init and done.
#ifndef SERVE_SQL_H
#define SERVE_SQL_H

#include <microhttpd.h>

#include "base/buf.h"
#include "serve/slots.h"
#include "serve/upload.h"

#define SPY__SQL_PATH "/api/events/query"

// Asks as spy__clickhouse_ask() does.
typedef int spy__sql_ask(void *asker, const char *sql, size_t n, const int *stop,
                         struct spy__buf *ret);

struct spy__sql {
    spy__sql_ask *ask; // const; NULL: there is no ClickHouse to ask
    void *asker;       // const
    struct spy__slots slots;
    int stop; // atomic, relaxed: nothing else is published by it
};

void spy__sql_init(struct spy__sql *sql, spy__sql_ask *ask, void *asker);
void spy__sql_done(struct spy__sql *sql);
// Ends the questions under way, and all that come.
void spy__sql_close(struct spy__sql *sql);

// Each sets *ret_status; NULL without memory. {"status":"success","configured":true}
struct MHD_Response *spy__sql_state(const struct spy__sql *sql, unsigned *ret_status);
// ClickHouse's answer as it is with status 200, else {"status":"error","error":"…"} with its words.
// Waits for it.
struct MHD_Response *spy__sql_response(struct spy__sql *sql, const struct spy__upload *body,
                                       unsigned *ret_status);

#endif
