// What memegen keeps: memes, their images, interactions. One interface; sqlite.c is the embedded
// default.
//
// A call takes a connection from a bounded pool (waiting at most 5 s, then -EBUSY) and is timed as
// telemetry_db by operation and table. Threads: any.
#ifndef MEMEGEN_STORE_STORE_H
#define MEMEGEN_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "memegen/meme.h"

struct store;

struct store_options {
    const char *url;  // "sqlite:PATH"; DATABASE_URL
    size_t pool_size; // connections; default 8
};

struct store_interaction {
    char id[MEME_ID_LEN + 1];
    char meme_id[MEME_ID_LEN + 1];
    char type[65 * 4];
    char platform[65 * 4];
    char user_id[MEME_NAME_BYTES];
    int64_t created_us;
};

// Opens, migrates, and turns rows that a dead process left pending into errors. Returns 0 or a
// negative errno; error then says why.
int store_open(struct store **ret, const struct store_options *options, char *error,
               size_t error_size);
void store_close(struct store *store);

// Inserts, or replaces the row of the same id, with its image and, where it has one, its timeline. Commits before it returns. 0 or a negative errno
// (-EBUSY, -EIO, -ENOSPC).
int store_put_meme(struct store *store, const struct meme *meme);
// Reads a meme without its image. 0, -ENOENT or another negative errno.
int store_get_meme(struct store *store, const char *id, struct meme *ret);
// The image: malloc, the caller frees. 0, -ENOENT (no such meme, or it has none) or another
// negative errno.
int store_get_image(struct store *store, const char *id, unsigned char **ret, size_t *ret_len);
// Keeps or replaces the timeline of a meme. 0, -ENOENT (no such meme) or another negative errno.
int store_put_timeline(struct store *store, const char *id, const char *timeline);
// Its timeline: malloc, the caller frees. 0, -ENOENT (no such meme, or it has none) or another
// negative errno.
int store_get_timeline(struct store *store, const char *id, char **ret);
// Newest first, without images, those made before `before_us` (0: from the newest). *ret_count at
// most limit. The caller frees *ret. 0 or a negative errno.
int store_list_memes(struct store *store, size_t limit, int64_t before_us, struct meme **ret,
                     size_t *ret_count);
// -ENOENT where there is no such meme.
int store_put_interaction(struct store *store, const struct store_interaction *interaction);
// 0, -ENOENT or another negative errno.
int store_get_interaction(struct store *store, const char *id, struct store_interaction *ret);
// A quick check that the database answers, for /readyz.
int store_ping(struct store *store);

#endif
