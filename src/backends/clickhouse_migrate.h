// Getting a ClickHouse server ready, one request after the other: which version it is, which
// migrations it has, those that are missing, and whether its JSON column is the one that we know.
//
// Applied migrations are rows of the table spyglass_migrations. Each is noted after it was applied,
// and may be applied again: two processes that start at once, or one that dies in between, do no
// harm. A database keeps the schema that it was begun with, whatever version its server has later.
//
// No I/O: requests out, answers in. Threads: one at a time.
#ifndef BACKENDS_CLICKHOUSE_MIGRATE_H
#define BACKENDS_CLICKHOUSE_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/clickhouse_answer.h"
#include "base/buf.h"

#define SPY__CLICKHOUSE_ASK_VERSION "SELECT version() FORMAT TabSeparated"

enum spy__migrate_step {
    SPY__MIGRATE_VERSION, // ask for it
    SPY__MIGRATE_LIST,    // ask what is applied
    SPY__MIGRATE_TABLE,   // make the table that notes it
    SPY__MIGRATE_APPLY,
    SPY__MIGRATE_NOTE,
    SPY__MIGRATE_TYPE, // ask for that of the properties; not of the legacy schema
    SPY__MIGRATE_DONE,
};

struct spy__migrate {
    enum spy__migrate_step step;
    bool apply;       // false: only look
    bool not_allowed; // the user may not change the schema: migrations are left to who may
    unsigned version; // 1000 × major + minor
    bool old;         // the schema is legacy
    bool known_type;  // the properties are as encode/clickhouse_binary.h has them
    uint64_t applied; // bit n: migration number n of the schema
    size_t at;        // index of the migration under way
    // Told of each migration when it is applied.
    void (*notice)(void *arg, const char *name); // "SCHEMA/NAME"
    void *arg;
};

// Starts over with the version; keeps `apply` and `notice`.
void spy__migrate_reset(struct spy__migrate *m);

// Appends the statement of the step: true; or false when all is done.
bool spy__migrate_next(const struct spy__migrate *m, struct spy__buf *statement);

// Takes the answer to it, and goes on to the next step. Returns SENT, or RETRY: the same step again.
struct spy__verdict spy__migrate_answered(struct spy__migrate *m, const struct spy__answer *answer);

// What an answer to "SELECT version() FORMAT TabSeparated" says: 1000 × major + minor, or 0 where it
// is no version.
unsigned spy__clickhouse_version(const struct spy__answer *answer);

// How many migrations of the schema are missing.
size_t spy__migrate_missing(const struct spy__migrate *m);

#endif
