// What a database does for the store: one connection, used by one thread at a time. sqlite.c is
// one, postgres.c another day's. The store above it does what is the same for all: the pool, the
// checks of ids, the timing, the order of calls.
#ifndef MEMEGEN_STORE_BACKEND_H
#define MEMEGEN_STORE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memegen/meme.h"
#include "memegen/store/store.h"

struct connection; // each back end's own

// Every int is 0 or a negative errno; message() then says more.
struct store_backend {
    const char *scheme; // of its URLs: "sqlite"
    bool one_writer;    // writers queue before the database, not in it

    // Opens one connection to what follows the colon of the URL; the first one (migrate) brings the
    // schema up to date.
    int (*open)(struct connection **ret, const char *location, bool migrate, char *error,
                size_t error_size);
    void (*close)(struct connection *connection);
    const char *(*message)(struct connection *connection); // of the last failure

    int (*begin)(struct connection *connection); // a transaction that writes
    int (*commit)(struct connection *connection);
    void (*roll_back)(struct connection *connection);

    int (*put_meme)(struct connection *connection, const struct meme *meme, bool *ret_replaced);
    int (*put_image)(struct connection *connection, const char *id, const void *png, size_t len);
    int (*delete_image)(struct connection *connection, const char *id);
    int (*put_timeline)(struct connection *connection, const char *id, const char *timeline);
    int (*put_interaction)(struct connection *connection,
                           const struct store_interaction *interaction);
    int (*fail_pending)(struct connection *connection, const char *error_message,
                        size_t *ret_count);

    int (*get_meme)(struct connection *connection, const char *id, struct meme *ret);
    int (*get_image)(struct connection *connection, const char *id, unsigned char **ret,
                     size_t *ret_len);
    int (*get_timeline)(struct connection *connection, const char *id, char **ret);
    int (*get_interaction)(struct connection *connection, const char *id,
                           struct store_interaction *ret);
    // Writes at most limit of them to ret.
    int (*list_memes)(struct connection *connection, size_t limit, int64_t before_us,
                      struct meme *ret, size_t *ret_count);
    int (*ping)(struct connection *connection);
};

extern const struct store_backend store_sqlite;

#endif
