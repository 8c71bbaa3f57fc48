// The store's timelines, and a database from before there were any.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <unistd.h>

#include "memegen/store/store.h"

#define ID "0c9a1f4e-1111-4222-8333-00000000000"

static char folder[64];
static char path[96], url[112];

static int fresh(void **state)
{
    (void)state;
    unlink(path); // the last connection to close has taken its log along
    return 0;
}

static struct store *open_store(size_t pool_size)
{
    char error[512];
    struct store *store;
    const struct store_options options = { .url = url, .pool_size = pool_size };
    if (store_open(&store, &options, error, sizeof(error)) != 0) {
        fail_msg("%s", error);
    }
    return store;
}

static void sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static struct meme a_meme(char last_of_id)
{
    struct meme m = { .status = MEME_SUCCESS,
                      .request = { .topic = "x" },
                      .template_type = "none" };
    (void)snprintf(m.id, sizeof(m.id), "%s%c", ID, last_of_id);
    return m;
}

static void test_a_timeline_is_kept(void **state)
{
    struct store *store = open_store(2);
    struct meme meme = a_meme('9'), without = a_meme('a');
    char *got = NULL;
    (void)state;
    meme.timeline = (char *)"{\"spans\":[\"caf\xc3\xa9\"]}";
    assert_int_equal(store_get_timeline(store, meme.id, &got), -ENOENT);
    assert_int_equal(store_put_timeline(store, meme.id, "{}"), -ENOENT); // no such meme
    assert_int_equal(store_put_timeline(store, "no id", "{}"), -ENOENT);
    assert_int_equal(store_get_timeline(store, "no id", &got), -ENOENT);
    assert_int_equal(store_put_meme(store, &without), 0);
    assert_int_equal(store_get_timeline(store, without.id, &got), -ENOENT);
    assert_int_equal(store_put_meme(store, &meme), 0);
    assert_int_equal(store_get_timeline(store, meme.id, &got), 0);
    assert_string_equal(got, meme.timeline);
    free(got);
    meme.timeline = NULL;
    assert_int_equal(store_put_meme(store, &meme), 0); // leaves it
    assert_int_equal(store_put_timeline(store, meme.id, "{\"more\":1}"), 0);
    store_close(store);
    store = open_store(1);
    assert_int_equal(store_get_timeline(store, meme.id, &got), 0);
    assert_string_equal(got, "{\"more\":1}");
    free(got);
    store_close(store);
}

static void test_an_older_database_is_brought_up_to_date(void **state)
{
    struct store *store = open_store(1);
    struct meme meme = a_meme('b'), got;
    char *timeline = NULL;
    (void)state;
    assert_int_equal(store_put_meme(store, &meme), 0);
    store_close(store);
    sql("DROP TABLE timelines; PRAGMA user_version = 1");
    store = open_store(1);
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_int_equal(store_get_timeline(store, meme.id, &timeline), -ENOENT);
    assert_int_equal(store_put_timeline(store, meme.id, "{}"), 0);
    assert_int_equal(store_get_timeline(store, meme.id, &timeline), 0);
    free(timeline);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_timeline_is_kept, fresh),
        cmocka_unit_test_setup(test_an_older_database_is_brought_up_to_date, fresh),
    };
    int failed;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_store_timeline.XXXXXX");
    if (!mkdtemp(folder)) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/memegen.db", folder);
    (void)snprintf(url, sizeof(url), "sqlite:%s", path);
    failed = cmocka_run_group_tests_name("store_timeline", tests, NULL, NULL);
    fresh(NULL);
    rmdir(folder);
    return failed;
}
