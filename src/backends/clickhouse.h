// Product events into ClickHouse, over its HTTP interface
// (https://clickhouse.com/docs/interfaces/http).
//
// One batch is one INSERT, under a token that names its range of the journal: the table knows its
// last thousand, so that a batch whose answer was lost is not taken twice. Only settings that the
// server's version knows are sent, since an unknown one is an error. Inserts are synchronous
// (batches are made here already), and answered when they are done (wait_end_of_query).
//
// Threads: one at a time.
#ifndef BACKENDS_CLICKHOUSE_H
#define BACKENDS_CLICKHOUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/clickhouse_url.h"
#include "deliver/backend.h"
#include "record/record.h"

struct spy__clickhouse;

struct spy__clickhouse_options {
    const char *url;         // borrowed for the call; see clickhouse_url.h
    const char *service;     // borrowed until free
    const char *environment; // borrowed until free
    bool no_migrate;         // the schema is somebody else's to change
    // Told of each migration that was applied; may be NULL.
    void (*applied)(void *arg, const char *name);
    void *arg;
};

// Returns 0 with *ret (free with spy__clickhouse_free()), -EINVAL with one English sentence in
// *ret_why (it never quotes the address), or -ENOMEM.
int spy__clickhouse_new(struct spy__clickhouse **ret, const struct spy__clickhouse_options *options,
                        const char **ret_why);
void spy__clickhouse_free(struct spy__clickhouse *ch);

// Where its requests go: "http://HOST:PORT".
const char *spy__clickhouse_base(const struct spy__clickhouse *ch);

// The functions of a backend (deliver/backend.h); self is the struct spy__clickhouse.
int spy__clickhouse_prepare(void *self, struct spy__request *ret, struct spy__buf *body);
struct spy__verdict spy__clickhouse_prepared(void *self, const struct spy__answer *answer);
int spy__clickhouse_encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                           struct spy__request *ret);
struct spy__verdict spy__clickhouse_judge(void *self, const struct spy__answer *answer);
// For the dead-letter file: {"dropped_at", "reason", "text", "row"} a line, the time in seconds since
// 1970, the row as JSONEachRow takes it: to be sent by hand once mended. Returns as
// spy__clickhouse_encode().
int spy__clickhouse_bury(void *self, const struct spy__delivery *delivery,
                         const struct spy__verdict *verdict, struct spy__buf *ret);

// How many migrations the server lacks, once prepared: the user may not apply them, or no_migrate.
size_t spy__clickhouse_missing(const struct spy__clickhouse *ch);

// spy_events_migrate() of spyglass/events.h, over deliver/http.h; waits for the server.
int spy__clickhouse_migrate_now(const char *url, const struct spy__tls *tls,
                                void (*applied)(void *arg, const char *name), void *arg,
                                char *error, size_t error_bytes);

#endif
