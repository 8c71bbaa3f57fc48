// The embedded store: one SQLite file in WAL mode (https://www.sqlite.org/wal.html), a handle a
// connection.
//
// A commit is in the operating system's hands before it returns (synchronous=NORMAL in WAL mode):
// it outlives the process, however that ends. Only a machine that loses power may lose the last
// commits, and even then the file stays consistent
// (https://www.sqlite.org/pragma.html#pragma_synchronous).

#include "memegen/store/backend.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/store/columns.h"
#include "memegen/store/sqlite_row.h"
#include "memegen/store/sqlite_schema.h"

#define BUSY_TIMEOUT_MS 5000

enum statement {
    BEGIN,
    COMMIT,
    ROLL_BACK,
    PUT_MEME,
    PUT_IMAGE,
    DELETE_IMAGE,
    PUT_TIMELINE,
    PUT_INTERACTION,
    FAIL_PENDING,
    GET_MEME,
    GET_IMAGE,
    GET_TIMELINE,
    GET_INTERACTION,
    LIST_MEMES,
    PING,
    STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLL_BACK] = "ROLLBACK",
    // Not INSERT OR REPLACE, which deletes the old row and, with it, its interactions.
    [PUT_MEME] =
        "INSERT INTO memes (" SQLITE_MEME_COLUMNS
        ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET revision = revision + 1, created_us = excluded.created_us,"
        " status = excluded.status, error_type = excluded.error_type,"
        " error_message = excluded.error_message, correlation_id = excluded.correlation_id,"
        " trace_id = excluded.trace_id, topic = excluded.topic, user_id = excluded.user_id,"
        " wanted_template_id = excluded.wanted_template_id, style = excluded.style,"
        " use_trends = excluded.use_trends, seed = excluded.seed, template_id = "
        "excluded.template_id,"
        " template_type = excluded.template_type, captions = excluded.captions, score = "
        "excluded.score,"
        " rounds = excluded.rounds, generation_seconds = excluded.generation_seconds,"
        " agents = excluded.agents RETURNING revision",
    [PUT_IMAGE] = "INSERT INTO images (meme_id, png) VALUES (?, ?)"
                  " ON CONFLICT (meme_id) DO UPDATE SET png = excluded.png",
    [DELETE_IMAGE] = "DELETE FROM images WHERE meme_id = ?",
    [PUT_TIMELINE] = "INSERT INTO timelines (meme_id, timeline) VALUES (?, ?)"
                     " ON CONFLICT (meme_id) DO UPDATE SET timeline = excluded.timeline",
    [PUT_INTERACTION] =
        "INSERT INTO interactions (id, meme_id, created_us, interaction_type, platform, user_id)"
        " VALUES (?, ?, ?, ?, ?, ?)",
    [FAIL_PENDING] =
        "UPDATE memes SET status = 'error', error_type = 'internal', error_message = ?,"
        " revision = revision + 1 WHERE status = 'pending'",
    [GET_MEME] = "SELECT " SQLITE_MEME_COLUMNS " FROM memes WHERE id = ?",
    [GET_IMAGE] = "SELECT png FROM images WHERE meme_id = ?",
    [GET_TIMELINE] = "SELECT timeline FROM timelines WHERE meme_id = ?",
    [GET_INTERACTION] = "SELECT id, meme_id, created_us, interaction_type, platform, user_id"
                        " FROM interactions WHERE id = ?",
    [LIST_MEMES] = "SELECT " SQLITE_MEME_COLUMNS
                   " FROM memes WHERE created_us < ? ORDER BY created_us DESC, rowid DESC"
                   " LIMIT ?",
    [PING] = "SELECT id FROM memes LIMIT 1",
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS]; // prepared at their first use
    char why[160];                        // what SQLite said of the last failure
};

// A negative errno for what SQLite answered; 0 for a row or an end.
static int to_errno(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EACCES;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_FOREIGNKEY ? -ENOENT : -EEXIST;
    default: // a full disk may come as a failed write
        return db && sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;
    }
}

// The statement, ready to be bound; NULL where it cannot be had.
static sqlite3_stmt *prepare(struct connection *c, enum statement which)
{
    if (!c->statements[which]) {
        (void)sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                 &c->statements[which], NULL);
    }
    return c->statements[which];
}

// Keeps SQLite's words for a failure: the roll-back that follows it would overwrite them.
static int fail(struct connection *c, int rc)
{
    int error = to_errno(c->db, rc);
    (void)snprintf(c->why, sizeof(c->why), "%s", sqlite3_errmsg(c->db));
    return error ? error : -EIO;
}

// Ends a statement that ran, whatever came of it: rc is what its last step said.
static int finish(struct connection *c, sqlite3_stmt *statement, int rc)
{
    int error = to_errno(c->db, rc) ? fail(c, rc) : 0;
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return error;
}

// A statement could not be had.
static int last_error(struct connection *c)
{
    return fail(c, sqlite3_extended_errcode(c->db));
}

static int run(struct connection *c, enum statement which)
{
    sqlite3_stmt *statement = prepare(c, which);
    return statement ? finish(c, statement, sqlite3_step(statement)) : last_error(c);
}

// Some failures have rolled the transaction back by themselves.
static void sqlite_roll_back(struct connection *c)
{
    if (!sqlite3_get_autocommit(c->db)) {
        (void)run(c, ROLL_BACK);
    }
}

// A transaction that could not even be rolled back must not swallow the next one.
static int sqlite_begin(struct connection *c)
{
    sqlite_roll_back(c);
    return run(c, BEGIN);
}

static int sqlite_commit(struct connection *c)
{
    return run(c, COMMIT);
}

static const char *sqlite_message(struct connection *c)
{
    return c->why;
}

static void sqlite_close(struct connection *c)
{
    if (c) {
        for (size_t i = 0; i < STATEMENTS; i++) {
            (void)sqlite3_finalize(c->statements[i]);
        }
        (void)sqlite3_close(c->db);
        free(c);
    }
}

static int take_word(void *ret, int columns, char **values, char **names)
{
    (void)names;
    (void)snprintf(ret, 16, "%s", columns > 0 && values[0] ? values[0] : "");
    return 0;
}

static int configure(sqlite3 *db, char *error, size_t error_size)
{
    char mode[16] = "";
    int rc = sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", take_word, mode, NULL);
    }
    if (rc == SQLITE_OK && strcmp(mode, "wal") != 0) {
        (void)snprintf(error, error_size, "its file system cannot keep a write-ahead log");
        return SQLITE_CANTOPEN;
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(
            db,
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF",
            NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        (void)snprintf(error, error_size, "%s", sqlite3_errmsg(db));
    }
    return rc;
}

static int open_database(sqlite3 **ret, const char *path, char *error, size_t error_size)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, ret, flags, NULL);
    if (rc != SQLITE_OK) {
        int cause = *ret ? sqlite3_system_errno(*ret) : 0;
        (void)snprintf(error, error_size, "%s%s%s", *ret ? sqlite3_errmsg(*ret) : "out of memory",
                       cause ? ": " : "", cause ? strerror(cause) : "");
        return rc;
    }
    (void)sqlite3_extended_result_codes(*ret, 1);
    return configure(*ret, error, error_size);
}

static int sqlite_open(struct connection **ret, const char *path, bool migrate, char *error,
                       size_t error_size)
{
    char why[256] = "out of memory";
    struct connection *c;
    int rc = SQLITE_NOMEM;
    if (strcmp(path, ":memory:") == 0) { // each connection of the pool would have its own
        (void)snprintf(error, error_size,
                       "sqlite::memory: cannot be shared by a pool: name a file");
        return -EINVAL;
    }
    c = calloc(1, sizeof(*c));
    if (c) {
        rc = open_database(&c->db, path, why, sizeof(why));
    }
    if (rc == SQLITE_OK && !prepare(c, ROLL_BACK)) { // now: it is wanted when memory is short
        rc = SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK && migrate) {
        rc = sqlite_schema_migrate(c->db, why, sizeof(why));
    }
    if (rc != SQLITE_OK) {
        int cause = to_errno(c ? c->db : NULL, rc);
        (void)snprintf(error, error_size, "the database %s cannot be opened: %s", path, why);
        sqlite_close(c);
        return cause;
    }
    *ret = c;
    return 0;
}

static int sqlite_put_meme(struct connection *c, const struct meme *meme, bool *ret_replaced)
{
    sqlite3_stmt *s = prepare(c, PUT_MEME);
    char *captions = column_from_captions(meme);
    char *score = column_from_score(&meme->score);
    char *agents = column_from_reports(meme);
    int rc;
    if (!s) {
        rc = last_error(c);
    } else if (!captions || !score || !agents ||
               sqlite_bind_meme(s, meme, captions, score, agents) != 0) {
        rc = finish(c, s, SQLITE_NOMEM);
    } else {
        int step = sqlite3_step(s);
        *ret_replaced = step == SQLITE_ROW && sqlite3_column_int64(s, 0) > 0;
        rc = finish(c, s, step);
    }
    free(captions);
    free(score);
    free(agents);
    return rc;
}

static int sqlite_put_image(struct connection *c, const char *id, const void *png, size_t len)
{
    sqlite3_stmt *s = prepare(c, PUT_IMAGE);
    if (!s) {
        return last_error(c);
    }
    if (sqlite_bind_text(s, 1, id) != SQLITE_OK ||
        sqlite3_bind_blob64(s, 2, png, len, SQLITE_STATIC) != SQLITE_OK) {
        return finish(c, s, sqlite3_extended_errcode(c->db));
    }
    return finish(c, s, sqlite3_step(s));
}

static int sqlite_delete_image(struct connection *c, const char *id)
{
    sqlite3_stmt *s = prepare(c, DELETE_IMAGE);
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, id); // borrowed: nothing that could fail
    return finish(c, s, sqlite3_step(s));
}

static int sqlite_put_timeline(struct connection *c, const char *id, const char *timeline)
{
    sqlite3_stmt *s = prepare(c, PUT_TIMELINE);
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, id);
    (void)sqlite_bind_text(s, 2, timeline);
    return finish(c, s, sqlite3_step(s));
}

static int sqlite_put_interaction(struct connection *c, const struct store_interaction *interaction)
{
    sqlite3_stmt *s = prepare(c, PUT_INTERACTION);
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, interaction->id);
    (void)sqlite_bind_text(s, 2, interaction->meme_id);
    (void)sqlite3_bind_int64(s, 3, interaction->created_us);
    (void)sqlite_bind_text(s, 4, interaction->type);
    (void)sqlite_bind_text(s, 5, interaction->platform);
    (void)sqlite_bind_text(s, 6, interaction->user_id);
    return finish(c, s, sqlite3_step(s));
}

static int sqlite_fail_pending(struct connection *c, const char *error_message, size_t *ret_count)
{
    sqlite3_stmt *s = prepare(c, FAIL_PENDING);
    int step;
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, error_message);
    step = sqlite3_step(s);
    *ret_count = step == SQLITE_DONE ? (size_t)sqlite3_changes(c->db) : 0;
    return finish(c, s, step);
}

static int sqlite_get_meme(struct connection *c, const char *id, struct meme *ret)
{
    sqlite3_stmt *s = prepare(c, GET_MEME);
    int step, rc;
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, id);
    step = sqlite3_step(s);
    if (step == SQLITE_ROW) {
        sqlite_read_meme(s, ret);
    }
    rc = finish(c, s, step);
    return step == SQLITE_DONE ? -ENOENT : rc;
}

static int sqlite_get_image(struct connection *c, const char *id, unsigned char **ret,
                            size_t *ret_len)
{
    sqlite3_stmt *s = prepare(c, GET_IMAGE);
    int step, rc;
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, id);
    step = sqlite3_step(s);
    rc = step == SQLITE_DONE ? -ENOENT : to_errno(c->db, step);
    if (step == SQLITE_ROW) {
        const void *png = sqlite3_column_blob(s, 0);
        size_t len = (size_t)sqlite3_column_bytes(s, 0);
        unsigned char *copy = png ? malloc(len) : NULL;
        if (copy) {
            memcpy(copy, png, len);
            *ret = copy;
            *ret_len = len;
        }
        rc = copy ? 0 : len == 0 ? -ENOENT : -ENOMEM;
    }
    (void)finish(c, s, step);
    return rc;
}

static int sqlite_get_timeline(struct connection *c, const char *id, char **ret)
{
    sqlite3_stmt *s = prepare(c, GET_TIMELINE);
    int step, rc;
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, id);
    step = sqlite3_step(s);
    rc = step == SQLITE_DONE ? -ENOENT : to_errno(c->db, step);
    if (step == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(s, 0);
        char *copy = text ? strdup((const char *)text) : NULL;
        if (copy) {
            *ret = copy;
        }
        rc = copy ? 0 : -ENOMEM;
    }
    (void)finish(c, s, step);
    return rc;
}

static void copy_column(char *ret, size_t ret_size, sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    column_copy(ret, ret_size, text ? (const char *)text : "");
}

static int sqlite_get_interaction(struct connection *c, const char *id,
                                  struct store_interaction *ret)
{
    sqlite3_stmt *s = prepare(c, GET_INTERACTION);
    int step, rc;
    if (!s) {
        return last_error(c);
    }
    (void)sqlite_bind_text(s, 1, id);
    step = sqlite3_step(s);
    if (step == SQLITE_ROW) {
        copy_column(ret->id, sizeof(ret->id), s, 0);
        copy_column(ret->meme_id, sizeof(ret->meme_id), s, 1);
        ret->created_us = sqlite3_column_int64(s, 2);
        copy_column(ret->type, sizeof(ret->type), s, 3);
        copy_column(ret->platform, sizeof(ret->platform), s, 4);
        copy_column(ret->user_id, sizeof(ret->user_id), s, 5);
    }
    rc = finish(c, s, step);
    return step == SQLITE_DONE ? -ENOENT : rc;
}

static int sqlite_list_memes(struct connection *c, size_t limit, int64_t before_us,
                             struct meme *ret, size_t *ret_count)
{
    sqlite3_stmt *s = prepare(c, LIST_MEMES);
    size_t count = 0;
    int step;
    if (!s) {
        return last_error(c);
    }
    (void)sqlite3_bind_int64(s, 1, before_us > 0 ? before_us : INT64_MAX);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)limit);
    while ((step = sqlite3_step(s)) == SQLITE_ROW && count < limit) {
        sqlite_read_meme(s, &ret[count++]);
    }
    *ret_count = count;
    return finish(c, s, step);
}

static int sqlite_ping(struct connection *c)
{
    return run(c, PING);
}

const struct store_backend store_sqlite = {
    .scheme = "sqlite",
    .one_writer = true,
    .open = sqlite_open,
    .close = sqlite_close,
    .message = sqlite_message,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .roll_back = sqlite_roll_back,
    .put_meme = sqlite_put_meme,
    .put_image = sqlite_put_image,
    .delete_image = sqlite_delete_image,
    .put_timeline = sqlite_put_timeline,
    .put_interaction = sqlite_put_interaction,
    .fail_pending = sqlite_fail_pending,
    .get_meme = sqlite_get_meme,
    .get_image = sqlite_get_image,
    .get_timeline = sqlite_get_timeline,
    .get_interaction = sqlite_get_interaction,
    .list_memes = sqlite_list_memes,
    .ping = sqlite_ping,
};
