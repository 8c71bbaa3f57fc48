// Migrations, oldest first: row i brings a database from user_version i to i + 1. A row that was
// released is never changed; a change of the schema is a new row.

#include "memegen/store/sqlite_schema.h"

#include <stdio.h>

static const char *const migrations[] = {
    // 1: memes, their images apart (a list of memes must not read them), interactions.
    "CREATE TABLE memes ("
    "  id TEXT NOT NULL PRIMARY KEY,"
    "  revision INTEGER NOT NULL DEFAULT 0," // how often the row was replaced
    "  created_us INTEGER NOT NULL,"         // Unix time, microseconds
    "  status TEXT NOT NULL CHECK (status IN ('pending', 'success', 'rejected', 'error')),"
    "  error_type TEXT NOT NULL,"
    "  error_message TEXT NOT NULL,"
    "  correlation_id TEXT NOT NULL,"
    "  trace_id TEXT NOT NULL,"
    "  topic TEXT NOT NULL,"
    "  user_id TEXT NOT NULL,"
    "  wanted_template_id TEXT NOT NULL," // what the request asked for
    "  style TEXT NOT NULL,"
    "  use_trends INTEGER NOT NULL,"
    "  seed INTEGER," // its 64 bits, signed; NULL: none was given
    "  template_id TEXT NOT NULL,"
    "  template_type TEXT NOT NULL,"
    "  captions TEXT NOT NULL," // JSON: [text]
    "  score TEXT NOT NULL,"    // JSON: {part: 0 to 1}
    "  rounds INTEGER NOT NULL,"
    "  generation_seconds REAL NOT NULL,"
    "  agents TEXT NOT NULL" // JSON: [{agent, round, seconds, ok, note}]
    ") STRICT;"
    "CREATE INDEX memes_by_time ON memes (created_us DESC);"
    "CREATE INDEX memes_pending ON memes (id) WHERE status = 'pending';"
    "CREATE TABLE images ("
    "  meme_id TEXT NOT NULL PRIMARY KEY REFERENCES memes (id) ON DELETE CASCADE,"
    "  png BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE interactions ("
    "  id TEXT NOT NULL PRIMARY KEY,"
    "  meme_id TEXT NOT NULL REFERENCES memes (id) ON DELETE CASCADE,"
    "  created_us INTEGER NOT NULL,"
    "  interaction_type TEXT NOT NULL,"
    "  platform TEXT NOT NULL,"
    "  user_id TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX interactions_by_meme ON interactions (meme_id, created_us);",
    // 2: what a meme's making took, span by span.
    "CREATE TABLE timelines ("
    "  meme_id TEXT NOT NULL PRIMARY KEY REFERENCES memes (id) ON DELETE CASCADE,"
    "  timeline TEXT NOT NULL" // JSON: memegen/timeline.h
    ") STRICT;",
};

#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

static int read_version(sqlite3 *db, int *ret)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            *ret = sqlite3_column_int(statement, 0);
        }
        rc = sqlite3_finalize(statement);
    }
    return rc;
}

// One step, or none where nothing is left to do. On failure the transaction may still be open: its
// message is wanted.
static int step(sqlite3 *db, int *ret_version)
{
    char set_version[48];
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = read_version(db, ret_version);
    if (rc == SQLITE_OK && *ret_version < VERSION) {
        rc = sqlite3_exec(db, migrations[*ret_version], NULL, NULL, NULL);
        if (rc == SQLITE_OK) {
            (void)snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d",
                           ++*ret_version);
            rc = sqlite3_exec(db, set_version, NULL, NULL, NULL);
        }
    }
    return rc == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : rc;
}

int sqlite_schema_migrate(sqlite3 *db, char *error, size_t error_size)
{
    int version = -1;
    while (version < VERSION) {
        int rc = step(db, &version);
        if (rc != SQLITE_OK) {
            (void)snprintf(error, error_size, "its schema cannot be brought to version %d: %s",
                           VERSION, sqlite3_errmsg(db));
            if (!sqlite3_get_autocommit(db)) {
                (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            }
            return rc;
        }
    }
    if (version > VERSION) {
        (void)snprintf(error, error_size,
                       "its schema has version %d, this memegen knows versions up to %d: use the "
                       "memegen that made it, or a newer one",
                       version, VERSION);
        return SQLITE_SCHEMA;
    }
    return SQLITE_OK;
}
