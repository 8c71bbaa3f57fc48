// Sixteen threads put, read and list on a pool of four: no call fails, what is read is whole, and
// afterwards all is there.
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memegen/store/store.h"
#include "memegen/telemetry.h"

#define THREADS 16
#define ROUNDS 25
#define PNG_BYTES 30000

static struct store *store;
static atomic_int failures;

static void expect(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "%s\n", what);
        atomic_fetch_add(&failures, 1);
    }
}

static void make_id(char ret[MEME_ID_LEN + 1], unsigned thread, unsigned round)
{
    (void)snprintf(ret, MEME_ID_LEN + 1, "00000000-0000-4000-8000-%06x%06x", thread, round);
}

static void put(unsigned thread, unsigned round)
{
    unsigned char png[PNG_BYTES];
    struct meme meme = {
        .request.topic = "stress", .created_us = round, .png = png, .png_len = sizeof(png)
    };
    memset(png, (int)(thread * 7 + round), sizeof(png));
    make_id(meme.id, thread, round);
    expect(store_put_meme(store, &meme) == 0, "pending meme not put");
    meme.status = MEME_SUCCESS;
    expect(store_put_meme(store, &meme) == 0, "meme not put");
}

static void read_back(unsigned thread, unsigned round)
{
    char id[MEME_ID_LEN + 1];
    struct meme meme;
    unsigned char *png;
    size_t len;
    make_id(id, thread, round);
    expect(store_get_meme(store, id, &meme) == 0 && meme.status == MEME_SUCCESS, "meme not got");
    if (store_get_image(store, id, &png, &len) != 0) {
        expect(false, "image not got");
        return;
    }
    expect(len == PNG_BYTES && png[0] == (unsigned char)(thread * 7 + round) &&
               png[len - 1] == png[0],
           "image torn");
    free(png);
}

static void *work(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct store_interaction like = { .type = "like" };
        struct meme *memes;
        size_t count;
        put(thread, round);
        read_back(thread, round);
        make_id(like.id, thread + 100, round);
        make_id(like.meme_id, thread, round);
        expect(store_put_interaction(store, &like) == 0, "interaction not put");
        if (store_list_memes(store, 10, 0, &memes, &count) == 0) {
            free(memes);
        } else {
            expect(false, "memes not listed");
        }
        expect(store_ping(store) == 0, "no ping");
    }
    return NULL;
}

static int run(const char *url)
{
    pthread_t threads[THREADS];
    char error[256];
    if (store_open(&store, &(struct store_options){ .url = url, .pool_size = 4 }, error,
                   sizeof(error)) != 0) {
        (void)fprintf(stderr, "%s\n", error);
        return 1;
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < THREADS * ROUNDS; i++) {
        read_back(i / ROUNDS, i % ROUNDS);
    }
    store_close(store);
    return atomic_load(&failures) != 0;
}

int main(void)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char folder[] = "/tmp/stress_store.XXXXXX";
    char url[96], path[96];
    int failed;
    if (!mkdtemp(folder) || telemetry_register(NULL) != 0) {
        return 1;
    }
    (void)snprintf(url, sizeof(url), "sqlite:%s/memegen.db", folder);
    failed = run(url);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/memegen.db%s", folder, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    return failed;
}
