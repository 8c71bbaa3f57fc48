// The store on SQLite: what is put is got back, whatever happens to the process in between.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scrape.h"
#include "memegen/store/store.h"
#include "memegen/telemetry.h"

#define ID "0c9a1f4e-1111-4222-8333-00000000000"

static char folder[64];
static char path[96], url[112];
static char error[512];

static int fresh(void **state)
{
    char side[128];
    (void)state;
    (void)snprintf(side, sizeof(side), "%s-wal", path);
    unlink(side);
    (void)snprintf(side, sizeof(side), "%s-shm", path);
    unlink(side);
    unlink(path);
    return 0;
}

static struct store *open_store(size_t pool_size)
{
    struct store *store;
    const struct store_options options = { .url = url, .pool_size = pool_size };
    if (store_open(&store, &options, error, sizeof(error)) != 0) {
        fail_msg("%s", error);
    }
    return store;
}

static void assert_not_opened(const char *open_url, int expected, const char *expected_error)
{
    struct store *store = NULL;
    const struct store_options options = { .url = open_url, .pool_size = 2 };
    assert_int_equal(store_open(&store, &options, error, sizeof(error)), expected);
    assert_string_equal(error, expected_error);
    assert_null(store);
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
    struct meme m = {
        .correlation_id = "c-1",
        .trace_id = "0af7651916cd43dd8448eb211c80319c",
        .request = { .topic = "caf\xc3\xa9 \xf0\x9f\x98\x80 'quoted'; DROP TABLE memes",
                     .user_id = "u1",
                     .style = "dry",
                     .use_trends = true,
                     .seeded = true,
                     .seed = UINT64_MAX - 1 },
        .status = MEME_SUCCESS,
        .template_id = "two-buttons",
        .template_type = "two_panel",
        .captions = { "one \"quoted\"", "\xe4\xba\x8c\n" },
        .caption_count = 2,
        .score = { 0.1, 0.2, 0.3, 0.4, 1, 0.8, 1, 0.25 },
        .rounds = 2,
        .generation_seconds = 0.125,
        .created_us = 1700000000000000,
        .reports = { { .agent = "router", .seconds = 0.5, .ok = true, .note = "fine" },
                     { .agent = "scorer", .round = 3, .note = "low \xf0\x9f\x98\x80" } },
        .report_count = 2,
        .png = (unsigned char *)"\x89PNG\0bytes",
        .png_len = 10,
    };
    (void)snprintf(m.id, sizeof(m.id), "%s%c", ID, last_of_id);
    return m;
}

static void assert_same(const struct meme *a, const struct meme *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->correlation_id, b->correlation_id);
    assert_string_equal(a->trace_id, b->trace_id);
    assert_memory_equal(&a->request, &b->request, sizeof(a->request));
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->error_message, b->error_message);
    assert_string_equal(a->template_id, b->template_id);
    assert_string_equal(a->template_type, b->template_type);
    assert_int_equal(a->caption_count, b->caption_count);
    assert_memory_equal(a->captions, b->captions, sizeof(a->captions));
    assert_memory_equal(&a->score, &b->score, sizeof(a->score));
    assert_int_equal(a->rounds, b->rounds);
    assert_true(a->generation_seconds == b->generation_seconds);
    assert_int_equal(a->created_us, b->created_us);
    assert_int_equal(a->report_count, b->report_count);
    for (size_t i = 0; i < a->report_count; i++) {
        assert_string_equal(a->reports[i].agent, b->reports[i].agent);
        assert_string_equal(a->reports[i].note, b->reports[i].note);
        assert_int_equal(a->reports[i].round, b->reports[i].round);
        assert_int_equal(a->reports[i].ok, b->reports[i].ok);
        assert_true(a->reports[i].seconds == b->reports[i].seconds);
    }
}

static void test_gives_back_what_was_put(void **state)
{
    struct store *store = open_store(2);
    struct meme put = a_meme('1'), got;
    unsigned char *png;
    size_t len;
    (void)state;
    assert_int_equal(store_put_meme(store, &put), 0);
    store_close(store);
    store = open_store(2);
    assert_int_equal(store_get_meme(store, put.id, &got), 0);
    assert_same(&put, &got);
    assert_null(got.png);
    assert_null(got.error_type);
    assert_int_equal(store_get_image(store, put.id, &png, &len), 0);
    assert_int_equal(len, put.png_len);
    assert_memory_equal(png, put.png, len);
    free(png);
    store_close(store);
}

static void test_full_fields(void **state)
{
    struct store *store = open_store(1);
    struct meme put = { .id = ID "2", .status = MEME_REJECTED, .error_type = "rejected" }, got;
    (void)state;
    memset(put.request.topic, 'x', sizeof(put.request.topic) - 1);
    memset(put.error_message, '\xc3', sizeof(put.error_message) - 1); // no character at all
    for (put.caption_count = 0; put.caption_count < MEME_CAPTIONS_MAX; put.caption_count++) {
        memset(put.captions[put.caption_count], 'y', MEME_CAPTION_BYTES - 1);
        put.captions[put.caption_count][MEME_CAPTION_BYTES - 2] = '\xe4'; // cut inside a character
    }
    for (; put.report_count < MEME_REPORTS_MAX; put.report_count++) {
        put.reports[put.report_count] =
            (struct meme_report){ .agent = "refinement", .seconds = NAN };
    }
    put.score.total = INFINITY;
    assert_int_equal(store_put_meme(store, &put), 0);
    assert_int_equal(store_get_meme(store, put.id, &got), 0);
    assert_string_equal(got.request.topic, put.request.topic);
    assert_int_equal(got.status, MEME_REJECTED);
    assert_string_equal(got.error_type, "rejected");
    assert_string_equal(got.error_message, "");
    assert_int_equal(got.caption_count, MEME_CAPTIONS_MAX);
    assert_int_equal(strlen(got.captions[5]), MEME_CAPTION_BYTES - 2);
    assert_int_equal(got.report_count, MEME_REPORTS_MAX);
    assert_true(got.reports[0].seconds == 0);
    assert_true(got.score.total == 0);
    store_close(store);
}

static void test_replaces(void **state)
{
    struct store *store = open_store(2);
    struct meme meme = a_meme('3'), got;
    struct store_interaction like = {
        .id = ID "a", .meme_id = ID "3", .type = "like", .platform = "web"
    };
    unsigned char *png;
    size_t len;
    double inserts =
        scrape_value("db_operation_latency_seconds_count{operation=\"insert\",table=\"memes\"}");
    double updates =
        scrape_value("db_operation_latency_seconds_count{operation=\"update\",table=\"memes\"}");
    (void)state;
    assert_int_equal(store_put_meme(store, &meme), 0);
    assert_int_equal(store_put_interaction(store, &like), 0);
    meme.status = MEME_ERROR;
    meme.error_type = "timeout";
    meme.png = NULL;
    meme.request.seeded = false;
    meme.request.seed = 0;
    assert_int_equal(store_put_meme(store, &meme), 0);
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_same(&meme, &got);
    assert_string_equal(got.error_type, "timeout");
    assert_int_equal(store_get_image(store, meme.id, &png, &len), -ENOENT);
    assert_int_equal(store_put_interaction(store, &like),
                     -EEXIST); // the meme kept its interactions
    assert_true(
        scrape_value("db_operation_latency_seconds_count{operation=\"insert\",table=\"memes\"}") ==
        inserts + 1);
    assert_true(
        scrape_value("db_operation_latency_seconds_count{operation=\"update\",table=\"memes\"}") ==
        updates + 1);
    store_close(store);
}

static void test_ids(void **state)
{
    static const char *const bad[] = { "",
                                       "x",
                                       "../../etc/passwd",
                                       "' OR 1=1 --",
                                       ID,
                                       ID "G",
                                       ID "00",
                                       "0c9a1f4e-1111-4222-8333-0000000000-1",
                                       "0C9A1F4E-1111-4222-8333-00000000000A",
                                       "0c9a1f4e11114222833300000000000000000" };
    struct store *store = open_store(1);
    struct meme meme = a_meme('4');
    struct store_interaction like = { .id = ID "a", .type = "like" };
    unsigned char *png;
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(store_get_meme(store, bad[i], &meme), -ENOENT);
        assert_int_equal(store_get_image(store, bad[i], &png, &len), -ENOENT);
        (void)snprintf(meme.id, sizeof(meme.id), "%s", bad[i]);
        if (strlen(bad[i]) < sizeof(meme.id)) {
            assert_int_equal(store_put_meme(store, &meme), -EINVAL);
            (void)snprintf(like.meme_id, sizeof(like.meme_id), "%s", bad[i]);
            assert_int_equal(store_put_interaction(store, &like), -ENOENT);
        }
    }
    (void)snprintf(like.meme_id, sizeof(like.meme_id), ID "4");
    assert_int_equal(store_get_meme(store, ID "4", &meme), -ENOENT);
    assert_int_equal(store_get_image(store, ID "4", &png, &len), -ENOENT);
    assert_int_equal(store_put_interaction(store, &like), -ENOENT); // such an id, but no such meme
    like.id[0] = '\0';
    assert_int_equal(store_put_interaction(store, &like), -EINVAL);
    store_close(store);
}

static void test_lists_the_newest_first(void **state)
{
    struct store *store = open_store(1);
    struct meme *memes;
    size_t count;
    (void)state;
    assert_int_equal(store_list_memes(store, 10, 0, &memes, &count), 0);
    assert_int_equal(count, 0);
    free(memes);
    for (char c = '0'; c <= '9'; c++) {
        struct meme meme = a_meme(c);
        meme.created_us = 1000 + (c - '0') / 2; // each time twice
        assert_int_equal(store_put_meme(store, &meme), 0);
    }
    assert_int_equal(store_list_memes(store, 3, 0, &memes, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(memes[0].id, ID "9");
    assert_string_equal(memes[1].id, ID "8");
    assert_string_equal(memes[2].id, ID "7");
    free(memes);
    assert_int_equal(store_list_memes(store, 100, 1003, &memes, &count), 0);
    assert_int_equal(count, 6);
    assert_string_equal(memes[0].id, ID "5");
    free(memes);
    assert_int_equal(store_list_memes(store, 0, 0, &memes, &count), 0);
    assert_int_equal(count, 1);
    free(memes);
    store_close(store);
}

static void test_pending_memes_of_a_dead_process_are_errors(void **state)
{
    struct store *store = open_store(1);
    struct meme meme = a_meme('5'), got;
    (void)state;
    meme.status = MEME_PENDING;
    assert_int_equal(store_put_meme(store, &meme), 0);
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_int_equal(got.status, MEME_PENDING);
    store_close(store);
    store = open_store(1);
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_int_equal(got.status, MEME_ERROR);
    assert_string_equal(got.error_type, "internal");
    assert_string_equal(got.error_message, "memegen ended before this meme was made");
    store_close(store);
}

// What store_put_meme() said yes to is there after a kill that no process can see coming.
static void test_outlives_kill_9(void **state)
{
    struct meme meme = a_meme('6'), got;
    struct store *store;
    int status;
    pid_t child = fork();
    (void)state;
    if (child == 0) {
        const struct store_options options = { .url = url, .pool_size = 2 };
        if (store_open(&store, &options, error, sizeof(error)) != 0 ||
            store_put_meme(store, &meme) != 0) {
            _exit(1);
        }
        (void)kill(getpid(), SIGKILL);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    store = open_store(2);
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_same(&meme, &got);
    store_close(store);
}

static void test_rows_that_another_hand_changed(void **state)
{
    struct store *store = open_store(1);
    struct meme meme = a_meme('7'), got;
    (void)state;
    assert_int_equal(store_put_meme(store, &meme), 0);
    sql("UPDATE memes SET captions = '[1, {}, \"x\", null, "
        "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"]', score = '[]',"
        " agents = '[{\"agent\": \"nobody\"}, 3, {\"agent\": \"router\", \"note\": 7}]', "
        "error_type = 'strange',"
        " template_type = printf('%.*c', 500, 'x'), topic = CAST(x'ff' AS TEXT)");
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_int_equal(got.caption_count, MEME_CAPTIONS_MAX);
    assert_string_equal(got.captions[0], "x");
    assert_true(got.score.total == 0);
    assert_int_equal(got.report_count, 1);
    assert_string_equal(got.reports[0].note, "");
    assert_string_equal(got.error_type, "internal");
    assert_int_equal(strlen(got.template_type), sizeof(got.template_type) - 1);
    assert_string_equal(got.request.topic, "");
    sql("UPDATE memes SET captions = '', score = '{', agents = 'null'; UPDATE images SET png = "
        "x''");
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    assert_int_equal(got.caption_count + got.report_count, 0);
    unsigned char *png;
    size_t len;
    assert_int_equal(store_get_image(store, meme.id, &png, &len), -ENOENT);
    store_close(store);
}

static void test_refuses_to_open(void **state)
{
    char expected[512], other[128];
    FILE *file;
    (void)state;
    assert_not_opened("postgres://host/db", -EINVAL, "the database's URL is not sqlite:PATH");
    assert_not_opened("sqlite:", -EINVAL, "the database's URL is not sqlite:PATH");
    assert_not_opened("sqlite", -EINVAL, "the database's URL is not sqlite:PATH");
    assert_not_opened("sqlite::memory:", -EINVAL,
                      "sqlite::memory: cannot be shared by a pool: name a file");
    assert_not_opened("sqlite:/nowhere/at/all.db", -EACCES,
                      "the database /nowhere/at/all.db cannot be opened: unable to open database "
                      "file: No such file or "
                      "directory");
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++) {
        (void)fputs("this is no database, whatever its name says\n", file);
    }
    assert_int_equal(fclose(file), 0);
    (void)snprintf(expected, sizeof(expected),
                   "the database %s cannot be opened: file is not a database", path);
    assert_not_opened(url, -EIO, expected);
    fresh(NULL);
    (void)snprintf(other, sizeof(other), "sqlite:%s", folder);
    (void)snprintf(expected, sizeof(expected),
                   "the database %s cannot be opened: unable to open database file: Is a directory",
                   folder);
    assert_not_opened(other, -EACCES, expected);
}

static void test_a_newer_database_is_refused(void **state)
{
    char expected[512];
    struct store *store = open_store(1);
    struct meme meme = a_meme('8'), got;
    (void)state;
    assert_int_equal(store_put_meme(store, &meme), 0);
    store_close(store);
    sql("PRAGMA user_version = 999");
    (void)snprintf(expected, sizeof(expected),
                   "the database %s cannot be opened: its schema has version 999, this memegen "
                   "knows versions up to "
                   "2: use the memegen that made it, or a newer one",
                   path);
    assert_not_opened(url, -EIO, expected);
    sql("PRAGMA user_version = 2"); // and it was left as it was
    store = open_store(1);
    assert_int_equal(store_get_meme(store, meme.id, &got), 0);
    store_close(store);
}

static void test_a_foreign_schema_is_refused(void **state)
{
    char expected[512];
    (void)state;
    sql("CREATE TABLE memes (x)");
    (void)snprintf(expected, sizeof(expected),
                   "the database %s cannot be opened: its schema cannot be brought to version 2: "
                   "table memes already "
                   "exists",
                   path);
    assert_not_opened(url, -EIO, expected);
    sql("SELECT x FROM memes; PRAGMA user_version"); // rolled back, whole
}

static void test_pool_size_is_bounded(void **state)
{
    struct store *store = NULL;
    const struct store_options options = { .url = url, .pool_size = 65 };
    (void)state;
    assert_int_equal(store_open(&store, &options, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "the database pool is larger than 64");
}

static void test_ping(void **state)
{
    struct store *store = open_store(1);
    (void)state;
    assert_int_equal(store_ping(store), 0);
    sql("ALTER TABLE memes RENAME TO gone");
    assert_true(store_ping(store) < 0);
    store_close(store);
    store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_gives_back_what_was_put, fresh),
        cmocka_unit_test_setup(test_full_fields, fresh),
        cmocka_unit_test_setup(test_replaces, fresh),
        cmocka_unit_test_setup(test_ids, fresh),
        cmocka_unit_test_setup(test_lists_the_newest_first, fresh),
        cmocka_unit_test_setup(test_pending_memes_of_a_dead_process_are_errors, fresh),
        cmocka_unit_test_setup(test_outlives_kill_9, fresh),
        cmocka_unit_test_setup(test_rows_that_another_hand_changed, fresh),
        cmocka_unit_test_setup(test_refuses_to_open, fresh),
        cmocka_unit_test_setup(test_a_newer_database_is_refused, fresh),
        cmocka_unit_test_setup(test_a_foreign_schema_is_refused, fresh),
        cmocka_unit_test_setup(test_pool_size_is_bounded, fresh),
        cmocka_unit_test_setup(test_ping, fresh),
    };
    int failed;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_store.XXXXXX");
    if (!mkdtemp(folder) || telemetry_register(NULL) != 0) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/memegen.db", folder);
    (void)snprintf(url, sizeof(url), "sqlite:%s", path);
    failed = cmocka_run_group_tests_name("store", tests, NULL, NULL);
    fresh(NULL);
    rmdir(folder);
    return failed;
}
