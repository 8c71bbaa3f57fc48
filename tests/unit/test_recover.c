// What a dead process left in its rings: all of it is found, and of damaged files all but what is
// damaged.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/random.h"
#include "record/drain.h"
#include "record/mask/keys.h"
#include "record/recover.h"
#include "record/rings.h"

#define RECORDS 100

static char dir[64], path[96];
static struct spy__dead dead;
static unsigned number;

static int set_up(void **state)
{
    (void)state;
    number = 0;
    strncpy(dir, "/tmp/test_recover.XXXXXX", sizeof(dir));
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/rings", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    spy__recover_close(&dead);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static void on_lost(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    (void)why;
    (void)kind;
    (void)n;
}

static void push(int i, size_t text_bytes)
{
    static char text[4096];
    memset(text, 'a' + i % 26, sizeof(text));
    const struct spy_field fields[] = { spy_int("i", i), spy_strn("text", text, text_bytes) };
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .correlation_id = "c-1",
                                  .event = "event",
                                  .fields = fields,
                                  .field_count = 2 };
    if (spy__rings_push(&record) != SPY__PUSH_OK) {
        _exit(2);
    }
}

// A child makes rings, publishes so many records, gives the oldest back, and dies.
static void die(int records, int released, bool clean)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int why;
        const struct spy__rings_options options = { .state_dir = dir,
                                                    .slots = 4,
                                                    .ring_bytes = SPY__RING_BYTES_MIN,
                                                    .full_wait_ms = 1,
                                                    .lost = on_lost };
        if (spy__rings_open(&options, &why) != 0 || why != 0) {
            _exit(1);
        }
        for (int i = 0; i < records; i++) {
            push(i, 20);
        }
        spy__rings_snapshot();
        void *bytes;
        size_t n, give_back = 0;
        struct spy__wire_view view;
        for (size_t ring = 0; ring < spy__rings_count(); ring++) {
            if (spy__rings_peek(ring, &bytes, &n)) {
                for (int i = 0; i < released; i++) {
                    if (spy__wire_read(&view, (char *)bytes + give_back, n - give_back) != 0) {
                        _exit(3);
                    }
                    give_back += view.bytes;
                }
                spy__rings_release(ring, give_back);
            }
        }
        if (clean) {
            spy__rings_close(true);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// Reads the dead file's records in order; returns how many, each with i = first, first + 1, ….
static int check_in_order(int first)
{
    static struct spy__keys keys;
    struct spy__drain drain;
    int i = first;
    assert_int_equal(spy__drain_init(&drain, dead.slots, &keys), 0);
    spy__drain_begin(&drain, &dead.map, dead.run, true);
    for (unsigned slot = 0; slot < dead.slots; slot++) {
        spy__drain_lane(&drain, slot, dead.slot[slot].bytes, dead.slot[slot].n);
    }
    for (; spy__drain_first(&drain); spy__drain_next(&drain), i++) {
        const struct spy__record *record = &drain.view.record;
        assert_int_equal(record->fields[0].value.i, i);
        assert_int_equal(record->id.sequence, i + 1);
        assert_true(record->id.run == dead.run);
        assert_true(record->recovered);
        assert_string_equal(record->correlation_id, "c-1");
    }
    assert_int_equal(drain.unreadable, 0);
    spy__drain_done(&drain);
    return i - first;
}

static void all_that_was_not_given_back_is_found(void **state)
{
    (void)state;
    die(RECORDS, 30, false);
    assert_int_equal(spy__recover_set_aside(dir), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
    assert_int_equal(dead.records, RECORDS - 30);
    assert_int_equal(dead.unreadable, 0);
    assert_int_equal(check_in_order(30), RECORDS - 30);
    spy__recover_close(&dead);
    // Until it is removed, it is found again.
    number = 0;
    assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
    assert_int_equal(dead.records, RECORDS - 30);
    spy__recover_remove(dir, number);
    spy__recover_close(&dead);
    number = 0;
    assert_int_equal(spy__recover_open(&dead, dir, &number), -ENOENT);
}

static void a_clean_end_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(spy__recover_set_aside(dir), 0); // no file at all
    die(RECORDS, RECORDS, true);
    assert_int_equal(spy__recover_set_aside(dir), 0);
    assert_int_equal(spy__recover_open(&dead, dir, &number), -ENOENT);
}

static void drops_are_found(void **state)
{
    (void)state;
    die(0, 0, false); // a ring full of nothing: no drop
    pid_t pid = fork();
    if (pid == 0) {
        int why;
        const struct spy__rings_options options = { .state_dir = dir,
                                                    .slots = 4,
                                                    .ring_bytes = SPY__RING_BYTES_MIN,
                                                    .full_wait_ms = 1,
                                                    .lost = on_lost };
        unlink(path);
        if (spy__rings_open(&options, &why) != 0) {
            _exit(1);
        }
        struct spy__record record = { .level = SPY_LEVEL_DEBUG,
                                      .correlation_id = "",
                                      .event = "fills the ring" };
        int accepted = 0, dropped = 0;
        for (int i = 0; i < 2000; i++) {
            if (spy__rings_push(&record) == SPY__PUSH_OK) {
                accepted++;
            } else {
                dropped++;
            }
        }
        _exit(accepted > 0 && dropped > 0 ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(spy__recover_set_aside(dir), 0);
    assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
    assert_int_equal(dead.records + dead.dropped[SPY__KIND_LOG][SPY__LOSS_FULL], 2000);
}

// ---- damage: the file's bytes, changed

static unsigned char *file;
static size_t file_bytes;

static void load(void)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    file_bytes = (size_t)st.st_size;
    file = malloc(file_bytes);
    assert_int_equal(read(fd, file, file_bytes), (ssize_t)file_bytes);
    close(fd);
}

static struct spy__rings_header *header(void)
{
    return (struct spy__rings_header *)file;
}

static struct spy__slot *slot(unsigned i)
{
    return (struct spy__slot *)(file + header()->slots_offset) + i;
}

// The ring that has the records.
static unsigned used_slot(void)
{
    for (unsigned i = 0; i <= header()->slots; i++) {
        if (slot(i)->head > 0) {
            return i;
        }
    }
    fail();
    return 0;
}

static unsigned char *ring(unsigned i)
{
    return file + header()->data_offset + i * header()->ring_bytes;
}

static int read_here(void)
{
    spy__recover_close(&dead);
    return spy__recover_read(&dead, file, file_bytes, header()->boot_id);
}

static void a_damaged_record_is_lost_alone(void **state)
{
    (void)state;
    die(RECORDS, 0, false);
    load();
    unsigned used = used_slot();
    struct spy__wire_view view;
    unsigned char *at = ring(used);
    assert_int_equal(spy__wire_read(&view, at, 4096), 0);
    at[view.bytes + 70] ^= 1; // in the second record's strings
    assert_int_equal(read_here(), 0);
    assert_int_equal(dead.records, RECORDS - 1);
    assert_int_equal(dead.unreadable, 1);
    at[view.bytes + 70] ^= 1;
    // Its length too: the next one is found all the same.
    memset(at + view.bytes, 0xff, 8);
    assert_int_equal(read_here(), 0);
    assert_int_equal(dead.records, RECORDS - 1);
    // A wiped one is nothing to tell.
    memset(at + view.bytes, 0, view.bytes);
    assert_int_equal(read_here(), 0);
    assert_int_equal(dead.records, RECORDS - 1);
    assert_int_equal(dead.unreadable, 0);
    free(file);
}

// After a loss of power the ring's head may be older than the records behind it, or newer.
static void another_boot(void **state)
{
    (void)state;
    die(RECORDS, 0, false);
    load();
    unsigned used = used_slot();
    uint64_t head = slot(used)->head;
    struct spy__wire_view view;
    assert_int_equal(spy__wire_read(&view, ring(used), 4096), 0);
    slot(used)->head = view.bytes; // one record
    assert_int_equal(read_here(), 0);
    assert_int_equal(dead.records, 1); // this boot: it is as the process left it
    spy__recover_close(&dead);
    assert_int_equal(spy__recover_read(&dead, file, file_bytes, "other"), 0);
    assert_int_equal(dead.records, RECORDS);
    assert_int_equal(dead.unreadable, 0);
    assert_int_equal(check_in_order(0), RECORDS);
    spy__recover_close(&dead);
    slot(used)->head = head + 4096; // and pages of it that never came
    assert_int_equal(spy__recover_read(&dead, file, file_bytes, "other"), 0);
    assert_int_equal(dead.records, RECORDS);
    free(file);
}

static void numbers_that_cannot_be(void **state)
{
    (void)state;
    die(RECORDS, 0, false);
    load();
    unsigned used = used_slot();
    struct spy__slot saved = *slot(used);
    slot(used)->head = UINT64_MAX - 3;
    slot(used)->dropped[0][0] = UINT64_MAX;
    assert_int_equal(read_here(), 0);
    assert_int_equal(dead.records, RECORDS); // the whole ring is looked through
    assert_int_equal(dead.dropped[0][0], 0);
    *slot(used) = saved;

    struct spy__rings_header good = *header();
    struct {
        size_t offset, size;
        uint64_t value;
    } cases[] = {
#define FIELD(name, v) { offsetof(struct spy__rings_header, name), sizeof(good.name), (v) }
        FIELD(magic, 0),
        FIELD(endian, 0x04030201),
        FIELD(version, SPY__RINGS_VERSION + 1),
        FIELD(slots, UINT32_MAX),
        FIELD(slots, SPY__RING_SLOTS_MAX),
        FIELD(slot_size, 8),
        FIELD(ring_bytes, 0),
        FIELD(ring_bytes, 100000),
        FIELD(ring_bytes, UINT64_C(1) << 63),
        FIELD(ring_bytes, SPY__RING_BYTES_MAX),
        FIELD(slots_offset, UINT64_MAX),
        FIELD(data_offset, UINT64_MAX - 7),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(file + cases[i].offset, &cases[i].value, cases[i].size);
        spy__recover_close(&dead);
        assert_int_equal(spy__recover_read(&dead, file, file_bytes, ""), -EBADMSG);
        *header() = good;
    }
    for (size_t n = 0; n < sizeof(good); n += 13) {
        assert_int_equal(spy__recover_read(&dead, file, n, ""), -EBADMSG);
    }
    free(file);
}

static void any_damage_is_survived(void **state)
{
    (void)state;
    die(RECORDS, 0, false);
    load();
    unsigned used = used_slot();
    size_t used_bytes = (size_t)slot(used)->head;
    spy__random_seed(11);
    for (int round = 0; round < 300; round++) {
        unsigned char *at = ring(used) + spy__random_u64() % used_bytes, old = *at;
        *at = (unsigned char)spy__random_u64();
        assert_int_equal(read_here(), 0);
        assert_true(dead.records == RECORDS || (*at != old && dead.records == RECORDS - 1));
        *at = old;
    }
    free(file);
}

static void a_file_of_others_is_told(void **state)
{
    (void)state;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char bytes[8192];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    close(fd);
    assert_int_equal(spy__recover_set_aside(dir), 0);
    assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
    assert_int_equal(dead.slots, 0);
    assert_int_equal(dead.records, 0);
    assert_int_equal(dead.unreadable, 1);
}

// Starts that could not replay: their files wait, the oldest first.
static void dead_files_queue_up(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= SPY__DEAD_FILES_MAX; i++) {
        die((int)i, 0, false);
        assert_int_equal(spy__recover_set_aside(dir), 0);
    }
    die(50, 0, false);
    assert_int_equal(spy__recover_set_aside(dir), -ENOSPC);
    assert_int_equal(access(path, F_OK), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
        assert_int_equal(dead.records, i);
        spy__recover_close(&dead);
        spy__recover_remove(dir, number);
    }
    assert_int_equal(spy__recover_set_aside(dir), 0);
    number = 0;
    for (unsigned i = 4; i <= SPY__DEAD_FILES_MAX + 1; i++) {
        assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
        assert_int_equal(dead.records, i > SPY__DEAD_FILES_MAX ? 50 : i);
        spy__recover_close(&dead);
        spy__recover_remove(dir, number);
    }
    assert_int_equal(spy__recover_open(&dead, dir, &number), -ENOENT);
}

static void a_folder_that_refuses(void **state)
{
    (void)state;
    char taken[128];
    die(1, 0, false);
    if (geteuid() != 0) { // root may do anything
        assert_int_equal(chmod(dir, 0500), 0);
        assert_int_equal(spy__recover_set_aside(dir), -EACCES);
        assert_int_equal(chmod(dir, 0700), 0);
    }
    snprintf(taken, sizeof(taken), "%s/rings.dead.1", dir);
    assert_int_equal(mkdir(taken, 0700), 0);
    assert_int_equal(spy__recover_set_aside(dir), -EISDIR);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(rmdir(taken), 0);
    assert_int_equal(spy__recover_set_aside(dir), 0);
    assert_int_equal(spy__recover_open(&dead, dir, &number), 0);
    assert_int_equal(dead.records, 1);
}

static void without_memory(void **state)
{
    (void)state;
    die(RECORDS, 0, false);
    load();
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = spy__recover_read(&dead, file, file_bytes, header()->boot_id);
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(n < 20);
    }
    assert_int_equal(dead.records, RECORDS);
    free(file);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_that_was_not_given_back_is_found),
        TEST(a_clean_end_leaves_nothing),
        TEST(drops_are_found),
        TEST(a_damaged_record_is_lost_alone),
        TEST(another_boot),
        TEST(numbers_that_cannot_be),
        TEST(any_damage_is_survived),
        TEST(a_file_of_others_is_told),
        TEST(dead_files_queue_up),
        TEST(a_folder_that_refuses),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
