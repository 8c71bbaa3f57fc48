// The store when memory or disk run out: a clear error each time, nothing half-done, and it goes on
// afterwards.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "memegen/store/store.h"

#define ID "0c9a1f4e-1111-4222-8333-00000000000"

static char folder[64];
static char path[96], url[112];
static char error[512];

// SQLite's allocator, asking ours first whether it may.
static sqlite3_mem_methods real;

static bool may_allocate(void)
{
    void *probe = malloc(1);
    free(probe);
    return probe != NULL;
}

static void *counted_malloc(int n)
{
    return may_allocate() ? real.xMalloc(n) : NULL;
}

static void *counted_realloc(void *p, int n)
{
    return may_allocate() ? real.xRealloc(p, n) : NULL;
}

// The disk, which can be full.
static atomic_bool disk_full;

static ssize_t full_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    if (atomic_load(&disk_full)) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, bytes, n, at);
}

// In SQLite's place of libc's: thousands of databases are made here, and none has to outlive the
// machine's power.
__attribute__((visibility("default"))) int fsync(int fd)
{
    (void)fd;
    return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

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

static int try_open(struct store **ret)
{
    const struct store_options options = { .url = url, .pool_size = 2 };
    error[0] = '\0';
    return store_open(ret, &options, error, sizeof(error));
}

static struct store *open_store(void)
{
    struct store *store = NULL;
    if (try_open(&store) != 0) {
        fail_msg("%s", error);
    }
    return store;
}

static struct meme a_meme(char last_of_id)
{
    static unsigned char png[20000];
    struct meme m = { .request.topic = "x",
                      .status = MEME_SUCCESS,
                      .caption_count = 1,
                      .captions = { "hi" },
                      .report_count = 1,
                      .reports = { { .agent = "router" } },
                      .png = png,
                      .png_len = sizeof(png),
                      .timeline = (char *)"{}" };
    (void)snprintf(m.id, sizeof(m.id), "%s%c", ID, last_of_id);
    return m;
}

static void test_open_without_memory(void **state)
{
    struct store *store = NULL;
    int rc = -1;
    (void)state;
    for (long n = 0; rc != 0; n++) {
        assert_true(n < 5000);
        fresh(NULL);
        alloc_fail_after(n);
        rc = try_open(&store);
        alloc_fail_never();
        if (rc != 0) {
            assert_true(error[0] != '\0');
            assert_null(store);
        }
    }
    store_close(store);
}

// Each allocation of a call fails in turn: the meme is there whole, with its image, or it is not
// there.
static void test_put_without_memory(void **state)
{
    struct store *store = open_store();
    struct meme meme = a_meme('1'), got;
    unsigned char *png;
    char *timeline;
    size_t len;
    int rc = -1;
    (void)state;
    for (long n = 0; rc != 0; n++) {
        assert_true(n < 5000);
        alloc_fail_after(n);
        rc = store_put_meme(store, &meme);
        alloc_fail_never();
        assert_int_equal(store_get_meme(store, meme.id, &got), rc == 0 ? 0 : -ENOENT);
        assert_int_equal(store_get_image(store, meme.id, &png, &len), rc == 0 ? 0 : -ENOENT);
        assert_int_equal(store_get_timeline(store, meme.id, &timeline), rc == 0 ? 0 : -ENOENT);
    }
    free(png);
    free(timeline);
    store_close(store);
}

static void test_reads_without_memory(void **state)
{
    struct store *store = open_store();
    struct meme meme = a_meme('2'), got, *memes = NULL;
    unsigned char *png = NULL;
    char *timeline = NULL;
    size_t len, count;
    int get = -1, image = -1, times = -1, list = -1, ping = -1;
    (void)state;
    assert_int_equal(store_put_meme(store, &meme), 0);
    for (long n = 0; get != 0 || image != 0 || times != 0 || list != 0 || ping != 0; n++) {
        assert_true(n < 5000);
        alloc_fail_after(n);
        get = get == 0 ? 0 : store_get_meme(store, meme.id, &got);
        alloc_fail_after(n);
        image = image == 0 ? 0 : store_get_image(store, meme.id, &png, &len);
        alloc_fail_after(n);
        times = times == 0 ? 0 : store_get_timeline(store, meme.id, &timeline);
        alloc_fail_after(n);
        list = list == 0 ? 0 : store_list_memes(store, 5, 0, &memes, &count);
        alloc_fail_after(n);
        ping = ping == 0 ? 0 : store_ping(store);
        alloc_fail_never();
        assert_true(get != -ENOENT && image != -ENOENT && times != -ENOENT);
    }
    free(timeline);
    assert_int_equal(count, 1);
    assert_int_equal(len, meme.png_len);
    free(memes);
    free(png);
    store_close(store);
}

static void test_full_disk(void **state)
{
    struct store *store = open_store();
    struct meme before = a_meme('3'), lost = a_meme('4'), got;
    struct store_interaction like = { .id = ID "a", .meme_id = ID "3", .type = "like" };
    (void)state;
    assert_int_equal(store_put_meme(store, &before), 0);
    atomic_store(&disk_full, true);
    assert_int_equal(store_put_meme(store, &lost), -ENOSPC);
    assert_int_equal(store_put_interaction(store, &like), -ENOSPC);
    assert_int_equal(store_get_meme(store, before.id, &got), 0);
    assert_int_equal(store_get_meme(store, lost.id, &got), -ENOENT);
    atomic_store(&disk_full, false);
    assert_int_equal(store_put_meme(store, &lost), 0);
    assert_int_equal(store_put_interaction(store, &like), 0);
    store_close(store);
}

static void test_open_on_a_full_disk(void **state)
{
    char expected[256];
    struct store *store = NULL;
    (void)state;
    (void)snprintf(expected, sizeof(expected),
                   "the database %s cannot be opened: database or disk is full", path);
    atomic_store(&disk_full, true);
    int rc = try_open(&store);
    atomic_store(&disk_full, false);
    assert_int_equal(rc, -ENOSPC);
    assert_string_equal(error, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_open_without_memory, fresh),
        cmocka_unit_test_setup(test_put_without_memory, fresh),
        cmocka_unit_test_setup(test_reads_without_memory, fresh),
        cmocka_unit_test_setup(test_full_disk, fresh),
        cmocka_unit_test_setup(test_open_on_a_full_disk, fresh),
    };
    sqlite3_mem_methods counted;
    sqlite3_vfs *vfs;
    int failed;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) {
        return 1;
    }
    counted = real;
    counted.xMalloc = counted_malloc;
    counted.xRealloc = counted_realloc;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_store_faults.XXXXXX");
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &counted) != SQLITE_OK ||
        sqlite3_initialize() != SQLITE_OK || !mkdtemp(folder)) {
        return 1;
    }
    json_set_alloc_funcs(malloc, free); // through this program's wrapper
    vfs = sqlite3_vfs_find(NULL);
    // One of the two, whichever this build of SQLite calls.
    (void)vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)full_pwrite);
    (void)vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)full_pwrite);
    (void)snprintf(path, sizeof(path), "%s/memegen.db", folder);
    (void)snprintf(url, sizeof(url), "sqlite:%s", path);
    failed = cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
    fresh(NULL);
    rmdir(folder);
    return failed;
}
