// What is the same for every database: the pool, the checks of ids, the timing of each call, the
// order of calls in a transaction.
//
// A call holds one connection and, where it writes to a back end that takes one writer at a time,
// the turn to write: writers wait for it here rather than polling the database's lock, and
// hold no connection while they wait, so that readers always find one.

#include "memegen/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/store/backend.h"
#include "memegen/store/pool.h"
#include "memegen/telemetry.h"

#define POOL_DEFAULT 8
#define POOL_MAX 64
#define WAIT_MS 5000
#define PING_WAIT_MS 1000 // who asks whether we are ready does not wait long
#define LIST_MAX 1000

struct store {
    const struct store_backend *backend;
    struct pool *pool;
    struct pool *turns; // one turn to write, taken before a connection; NULL where many may write
    size_t connection_count; // const after open, as all below
    struct connection *connections[POOL_MAX];
};

static const struct store_backend *const backends[] = { &store_sqlite };

// xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in lower-case hex: what memegen makes itself.
static bool is_id(const char *text)
{
    size_t i = 0;
    for (; text[i] && i < MEME_ID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (dash ? text[i] != '-' : !hex) {
            return false;
        }
    }
    return i == MEME_ID_LEN && text[i] == '\0';
}

static struct spy_outcome outcome(struct store *store, struct connection *connection, int rc)
{
    if (rc == 0 || rc == -ENOENT) {
        return SPY_SUCCESS;
    }
    return spy_failure(rc == -EBUSY ? "timeout" : "internal", store->backend->message(connection));
}

static int take(struct store *store, unsigned wait_ms, struct connection **ret)
{
    void *connection;
    int rc = pool_take(store->pool, wait_ms, &connection);
    if (rc == 0) {
        *ret = connection;
    } else {
        spy_warn("db_pool_exhausted", spy_uint("size", store->connection_count),
                 spy_uint("waited_ms", wait_ms));
    }
    return rc;
}

static int take_turn(struct store *store)
{
    void *turn;
    return store->turns ? pool_take(store->turns, WAIT_MS, &turn) : 0;
}

static void give_turn(struct store *store)
{
    if (store->turns) {
        pool_give(store->turns, store);
    }
}

// The turn to write, a connection and a transaction on it; end_write() gives all back.
static int begin_write(struct store *store, struct connection **ret)
{
    struct connection *connection;
    int rc = take_turn(store);
    if (rc != 0) {
        return rc;
    }
    rc = take(store, WAIT_MS, &connection);
    if (rc == 0) {
        rc = store->backend->begin(connection);
        if (rc == 0) {
            *ret = connection;
            return 0;
        }
        pool_give(store->pool, connection);
    }
    give_turn(store);
    return rc;
}

// Commits if rc is 0, else rolls back. Returns how it ended.
static int commit_or_roll_back(struct store *store, struct connection *connection, int rc)
{
    if (rc == 0) {
        rc = store->backend->commit(connection);
    }
    if (rc != 0) {
        store->backend->roll_back(connection);
    }
    return rc;
}

static void end_write(struct store *store, struct connection *connection)
{
    pool_give(store->pool, connection);
    give_turn(store);
}

// The scheme's back end, and what follows the colon.
static const struct store_backend *find_backend(const char *url, const char **ret_location)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        size_t len = strlen(backends[i]->scheme);
        if (strncmp(url, backends[i]->scheme, len) == 0 && url[len] == ':' &&
            url[len + 1] != '\0') {
            *ret_location = url + len + 1;
            return backends[i];
        }
    }
    return NULL;
}

static int fail_pending(struct store *store, char *error, size_t error_size)
{
    struct connection *connection;
    size_t count = 0;
    int rc = begin_write(store, &connection);
    if (rc == 0) {
        struct spy_span span = spy_begin(&telemetry_db, "update", "memes");
        rc = store->backend->fail_pending(connection, "memegen ended before this meme was made",
                                          &count);
        rc = commit_or_roll_back(store, connection, rc);
        spy_end(&span, outcome(store, connection, rc));
        end_write(store, connection);
    }
    if (rc != 0) {
        (void)snprintf(error, error_size, "the database cannot be written: %s", strerror(-rc));
    } else if (count > 0) {
        spy_warn("pending_memes_failed", spy_uint("count", count));
    }
    return rc;
}

static int open_connections(struct store *store, const char *location, size_t count, char *error,
                            size_t error_size)
{
    for (size_t i = 0; i < count; i++) {
        int rc = store->backend->open(&store->connections[i], location, i == 0, error, error_size);
        if (rc != 0) {
            return rc;
        }
        store->connection_count++;
    }
    return 0;
}

static int open_pools(struct store *store)
{
    int rc = pool_open(&store->pool, (void *const *)store->connections, store->connection_count,
                       telemetry_pool);
    if (rc == 0 && store->backend->one_writer) {
        rc = pool_open(&store->turns, (void *const[]){ store }, 1, NULL);
    }
    return rc;
}

int store_open(struct store **ret, const struct store_options *options, char *error,
               size_t error_size)
{
    size_t size = options->pool_size ? options->pool_size : POOL_DEFAULT;
    const char *location;
    const struct store_backend *backend = find_backend(options->url, &location);
    struct store *store;
    int rc;
    if (!backend || size > POOL_MAX) {
        (void)snprintf(error, error_size, "%s",
                       backend ? "the database pool is larger than 64"
                               : "the database's URL is not sqlite:PATH");
        return -EINVAL;
    }
    store = calloc(1, sizeof(*store));
    if (!store) {
        (void)snprintf(error, error_size, "the database cannot be opened: out of memory");
        return -ENOMEM;
    }
    store->backend = backend;
    rc = open_connections(store, location, size, error, error_size);
    if (rc == 0) {
        rc = open_pools(store);
        if (rc != 0) {
            (void)snprintf(error, error_size, "the database cannot be opened: out of memory");
        }
    }
    if (rc == 0) {
        rc = fail_pending(store, error, error_size);
    }
    if (rc != 0) {
        store_close(store);
        return rc;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store) {
        return;
    }
    pool_close(store->pool);
    pool_close(store->turns);
    for (size_t i = 0; i < store->connection_count; i++) {
        store->backend->close(store->connections[i]);
    }
    free(store);
}

// The image of a meme that was just put; replaced: there may be an older one.
static int put_image(struct store *store, struct connection *connection, const struct meme *meme,
                     bool replaced)
{
    struct spy_span span;
    int rc;
    if (!meme->png && !replaced) {
        return 0;
    }
    span = spy_begin(&telemetry_db, meme->png ? "insert" : "delete", "images");
    rc = meme->png ? store->backend->put_image(connection, meme->id, meme->png, meme->png_len)
                   : store->backend->delete_image(connection, meme->id);
    spy_end(&span, outcome(store, connection, rc));
    return rc;
}

static int put_timeline(struct store *store, struct connection *connection, const char *id,
                        const char *timeline, const char *operation)
{
    struct spy_span span = spy_begin(&telemetry_db, operation, "timelines");
    int rc = store->backend->put_timeline(connection, id, timeline);
    spy_end(&span, outcome(store, connection, rc));
    return rc;
}

int store_put_meme(struct store *store, const struct meme *meme)
{
    struct connection *connection;
    struct spy_span span;
    bool replaced = false;
    int rc;
    if (!is_id(meme->id)) {
        return -EINVAL;
    }
    rc = begin_write(store, &connection);
    if (rc != 0) {
        return rc;
    }
    span = spy_begin(&telemetry_db, "insert", "memes"); // with its image and the commit
    rc = store->backend->put_meme(connection, meme, &replaced);
    if (rc == 0) {
        rc = put_image(store, connection, meme, replaced);
    }
    if (rc == 0 && meme->timeline) {
        rc = put_timeline(store, connection, meme->id, meme->timeline, "insert");
    }
    rc = commit_or_roll_back(store, connection, rc);
    spy_span_label(&span, "operation", replaced ? "update" : "insert");
    spy_end(&span, outcome(store, connection, rc));
    end_write(store, connection);
    return rc;
}

int store_put_timeline(struct store *store, const char *id, const char *timeline)
{
    struct connection *connection;
    int rc = is_id(id) ? begin_write(store, &connection) : -ENOENT;
    if (rc != 0) {
        return rc;
    }
    rc = put_timeline(store, connection, id, timeline, "update");
    rc = commit_or_roll_back(store, connection, rc);
    end_write(store, connection);
    return rc;
}

int store_put_interaction(struct store *store, const struct store_interaction *interaction)
{
    struct connection *connection;
    struct spy_span span;
    int rc;
    if (!is_id(interaction->id)) {
        return -EINVAL;
    }
    if (!is_id(interaction->meme_id)) {
        return -ENOENT;
    }
    rc = begin_write(store, &connection);
    if (rc != 0) {
        return rc;
    }
    span = spy_begin(&telemetry_db, "insert", "interactions");
    rc = store->backend->put_interaction(connection, interaction);
    rc = commit_or_roll_back(store, connection, rc);
    spy_end(&span, outcome(store, connection, rc));
    end_write(store, connection);
    return rc;
}

int store_get_meme(struct store *store, const char *id, struct meme *ret)
{
    struct connection *connection;
    struct spy_span span;
    int rc = is_id(id) ? take(store, WAIT_MS, &connection) : -ENOENT;
    if (rc != 0) {
        return rc;
    }
    span = spy_begin(&telemetry_db, "select", "memes");
    rc = store->backend->get_meme(connection, id, ret);
    spy_end(&span, outcome(store, connection, rc));
    pool_give(store->pool, connection);
    return rc;
}

int store_get_interaction(struct store *store, const char *id, struct store_interaction *ret)
{
    struct connection *connection;
    struct spy_span span;
    int rc = is_id(id) ? take(store, WAIT_MS, &connection) : -ENOENT;
    if (rc != 0) {
        return rc;
    }
    span = spy_begin(&telemetry_db, "select", "interactions");
    rc = store->backend->get_interaction(connection, id, ret);
    spy_end(&span, outcome(store, connection, rc));
    pool_give(store->pool, connection);
    return rc;
}

int store_get_image(struct store *store, const char *id, unsigned char **ret, size_t *ret_len)
{
    struct connection *connection;
    struct spy_span span;
    int rc = is_id(id) ? take(store, WAIT_MS, &connection) : -ENOENT;
    if (rc != 0) {
        return rc;
    }
    span = spy_begin(&telemetry_db, "select", "images");
    rc = store->backend->get_image(connection, id, ret, ret_len);
    spy_end(&span, outcome(store, connection, rc));
    pool_give(store->pool, connection);
    return rc;
}

int store_get_timeline(struct store *store, const char *id, char **ret)
{
    struct connection *connection;
    struct spy_span span;
    int rc = is_id(id) ? take(store, WAIT_MS, &connection) : -ENOENT;
    if (rc != 0) {
        return rc;
    }
    span = spy_begin(&telemetry_db, "select", "timelines");
    rc = store->backend->get_timeline(connection, id, ret);
    spy_end(&span, outcome(store, connection, rc));
    pool_give(store->pool, connection);
    return rc;
}

int store_list_memes(struct store *store, size_t limit, int64_t before_us, struct meme **ret,
                     size_t *ret_count)
{
    struct connection *connection;
    struct spy_span span;
    struct meme *memes;
    int rc;
    limit = limit == 0 ? 1 : limit > LIST_MAX ? LIST_MAX : limit;
    memes = calloc(limit, sizeof(*memes));
    if (!memes) {
        return -ENOMEM;
    }
    rc = take(store, WAIT_MS, &connection);
    if (rc == 0) {
        span = spy_begin(&telemetry_db, "select", "memes");
        rc = store->backend->list_memes(connection, limit, before_us, memes, ret_count);
        spy_end(&span, outcome(store, connection, rc));
        pool_give(store->pool, connection);
    }
    if (rc != 0) {
        free(memes);
        return rc;
    }
    *ret = memes;
    return 0;
}

int store_ping(struct store *store)
{
    struct connection *connection;
    struct spy_span span;
    int rc = take(store, PING_WAIT_MS, &connection);
    if (rc == 0) {
        span = spy_begin(&telemetry_db, "select", "memes");
        rc = store->backend->ping(connection);
        spy_end(&span, outcome(store, connection, rc));
        pool_give(store->pool, connection);
    }
    return rc;
}
