// The rings: claims and hand-over, full rings, the overflow ring, stops, forks, and the file.
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/rings.h"
#include "record/rings_push.h"
#include "record/wire.h"

static uint64_t losses[SPY__LOSSES];

static void count_loss(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    assert_true(kind < SPY__KINDS);
    __atomic_fetch_add(&losses[why], n, __ATOMIC_RELAXED);
}

static void open_rings(const char *state_dir, unsigned slots)
{
    int why;
    memset(losses, 0, sizeof(losses));
    assert_int_equal(
        spy__rings_open(&(struct spy__rings_options){ .state_dir = state_dir,
                                                      .slots = slots,
                                                      .ring_bytes = SPY__RING_BYTES_MIN,
                                                      .full_wait_ms = 20,
                                                      .lost = count_loss },
                        &why),
        0);
    assert_int_equal(why, 0);
}

static int tear_down(void **state)
{
    (void)state;
    spy__rings_close(true);
    return 0;
}

static enum spy__push push(enum spy_level level, int64_t number)
{
    struct spy_field field = spy_int("number", number);
    return spy__rings_push(&(struct spy__record){
        .level = level, .correlation_id = "c", .event = "e", .fields = &field, .field_count = 1 });
}

// Takes all that waits in one ring; returns how many, checks that numbers rise by one from *next.
static size_t drain(size_t ring, int64_t *next)
{
    void *bytes;
    size_t n, count = 0;
    spy__rings_snapshot();
    if (!spy__rings_peek(ring, &bytes, &n)) {
        return 0;
    }
    for (size_t at = 0; at < n;) {
        struct spy__wire_view view;
        const char *record = (const char *)bytes + at;
        assert_int_equal(spy__wire_read(&view, record, n - at), 0);
        assert_true(
            spy__wire_intact(record, n - at, spy__ring_seed(spy__rings_run(), (uint32_t)ring)));
        if (next) {
            assert_int_equal(view.fields[0].value.i, (*next)++);
        }
        at += view.bytes;
        count++;
    }
    spy__rings_release(ring, n);
    return count;
}

static void in_order_round_and_round(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    assert_int_equal(spy__rings_count(), 2);
    assert_false(spy__rings_recoverable());
    int64_t next = 0;
    for (int64_t i = 0; i < 20000; i++) {
        assert_int_equal(push(SPY_LEVEL_INFO, i), SPY__PUSH_OK);
        if (i % 97 == 0) {
            drain(0, &next);
        }
    }
    drain(0, &next);
    assert_int_equal(next, 20000);
    assert_int_equal(drain(0, &next) + drain(1, NULL), 0);
}

// Debug lines are dropped at once; the others wait, the first one in vain for all, until something
// moves.
static void a_full_ring(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    int64_t pushed = 0;
    while (push(SPY_LEVEL_DEBUG, pushed) == SPY__PUSH_OK) {
        pushed++;
    }
    assert_true(pushed > 400);
    assert_int_equal(losses[SPY__LOSS_FULL], 1);
    assert_int_equal(push(SPY_LEVEL_INFO, 0), SPY__PUSH_DROPPED); // waited
    for (int i = 0; i < 10000; i++) {                             // 20 ms each would be 200 s
        assert_int_equal(push(SPY_LEVEL_INFO, 0), SPY__PUSH_DROPPED);
    }
    assert_int_equal(losses[SPY__LOSS_FULL], 10002);
    int64_t next = 0;
    assert_int_equal(drain(0, &next), pushed);
    assert_int_equal(push(SPY_LEVEL_INFO, next), SPY__PUSH_OK);
    assert_int_equal(drain(0, &next), 1);
}

static void *drain_soon(void *arg)
{
    int64_t *next = arg;
    while (spy__rings_snapshot() < SPY__RING_BYTES_MIN / 4 * 3) {
        spy__rings_wait(1);
    }
    while (*next < 5000) {
        drain(0, next);
        spy__rings_wait(1);
    }
    return NULL;
}

// A caller that waits goes on as soon as there is room: nothing is lost.
static void room_comes_in_time(void **state)
{
    (void)state;
    int why;
    memset(losses, 0, sizeof(losses));
    assert_int_equal(
        spy__rings_open(&(struct spy__rings_options){ .slots = 1,
                                                      .ring_bytes = SPY__RING_BYTES_MIN,
                                                      .full_wait_ms = 60000,
                                                      .lost = count_loss },
                        &why),
        0);
    pthread_t thread;
    int64_t next = 0;
    assert_int_equal(pthread_create(&thread, NULL, drain_soon, &next), 0);
    for (int64_t i = 0; i < 5000; i++) {
        assert_int_equal(push(SPY_LEVEL_INFO, i), SPY__PUSH_OK);
    }
    pthread_join(thread, NULL);
    assert_int_equal(losses[SPY__LOSS_FULL], 0);
}

static void too_long(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    static char event[SPY__RING_BYTES_MIN];
    memset(event, 'x', sizeof(event) - 1);
    struct spy__record record = { .level = SPY_LEVEL_INFO, .correlation_id = "", .event = event };
    assert_int_equal(spy__rings_push(&record), SPY__PUSH_DROPPED);
    assert_int_equal(losses[SPY__LOSS_SIZE], 1);
    event[SPY__RING_BYTES_MIN - 1000] = '\0';
    for (int i = 0; i < 5; i++) { // longer than half of the ring
        assert_int_equal(spy__rings_push(&record), SPY__PUSH_OK);
        assert_int_equal(drain(0, NULL), 1);
    }
}

static void *push_three(void *arg)
{
    int64_t *number = arg;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(push(SPY_LEVEL_INFO, (*number)++), SPY__PUSH_OK);
    }
    return NULL;
}

static void run(void *(*work)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, arg), 0);
    pthread_join(thread, NULL);
}

// Threads that come and go use the same ring one after the other, undrained or not.
static void threads_come_and_go(void **state)
{
    (void)state;
    open_rings(NULL, 2);
    int64_t number = 0, next = 0;
    for (int i = 0; i < 3000; i++) {
        run(push_three, &number);
        if (i % 50 == 49) {
            drain(0, &next);
        }
    }
    assert_int_equal(next, 9000);
    assert_int_equal(drain(1, NULL) + drain(2, NULL), 0);
}

// Where no ring is free, one is shared; and a thread gets its own once there is one.
static void overflow(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    int64_t number = 0, next = 0;
    assert_int_equal(push(SPY_LEVEL_INFO, 100), SPY__PUSH_OK); // this thread has the only one
    run(push_three, &number);
    run(push_three, &number);
    assert_int_equal(drain(1, &next), 6);
    assert_int_equal(drain(0, NULL), 1);
}

static pthread_key_t late_key;

// Rounds of destructors that log. ThreadSanitizer takes leave of a thread in the last one: what runs
// after it ends the program.
#if defined(__SANITIZE_THREAD__)
#define LATE_ROUNDS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LATE_ROUNDS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#endif
#endif
#ifndef LATE_ROUNDS
#define LATE_ROUNDS PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static void log_late(void *arg)
{
    int64_t *number = arg;
    assert_int_equal(push(SPY_LEVEL_INFO, (*number)++), SPY__PUSH_OK);
    if (*number <= LATE_ROUNDS) {
        pthread_setspecific(late_key, arg);
    }
}

static void *log_late_too(void *arg)
{
    int64_t *number = arg;
    assert_int_equal(push(SPY_LEVEL_INFO, (*number)++), SPY__PUSH_OK);
    pthread_setspecific(late_key, arg);
    return NULL;
}

// Destructors that log, in every round that there is, keep no ring.
static void logging_destructors(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    assert_int_equal(pthread_key_create(&late_key, log_late), 0);
    size_t drained = 0;
    for (int i = 0; i < 20; i++) {
        int64_t number = 0;
        run(log_late_too, &number);
        drained += drain(0, NULL) + drain(1, NULL);
    }
    pthread_key_delete(late_key);
    assert_int_equal(drained, 20 * (1 + LATE_ROUNDS));
    int64_t number = 0;
    run(push_three, &number);
    assert_int_equal(drain(0, NULL), 3); // it was given back
}

static void stop_and_start(void **state)
{
    (void)state;
    assert_int_equal(push(SPY_LEVEL_INFO, 0), SPY__PUSH_STOPPED);
    for (int i = 0; i < 20; i++) {
        open_rings(NULL, 1 + (unsigned)i % 3);
        int why;
        assert_int_equal(spy__rings_open(&(struct spy__rings_options){ .lost = count_loss }, &why),
                         -EALREADY);
        assert_int_equal(push(SPY_LEVEL_INFO, 7), SPY__PUSH_OK);
        spy__rings_stop();
        assert_int_equal(push(SPY_LEVEL_INFO, 8), SPY__PUSH_STOPPED);
        int64_t next = 7;
        assert_int_equal(drain(0, &next), 1);
        spy__rings_close(true);
        assert_int_equal(push(SPY_LEVEL_INFO, 9), SPY__PUSH_STOPPED);
    }
}

static void bad_options(void **state)
{
    (void)state;
    int why;
    struct spy__rings_options options = { .lost = count_loss, .slots = SPY__RING_SLOTS_MAX + 1 };
    assert_int_equal(spy__rings_open(&options, &why), -EINVAL);
    options = (struct spy__rings_options){ .lost = count_loss, .ring_bytes = 100000 };
    assert_int_equal(spy__rings_open(&options, &why), -EINVAL);
}

// The child's records are not the parent's; its own rings are.
static void fork_and_push(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    assert_int_equal(push(SPY_LEVEL_INFO, 0), SPY__PUSH_OK);
    pid_t pid = fork();
    if (pid == 0) {
        int code = push(SPY_LEVEL_INFO, 1) != SPY__PUSH_CHILD;
        spy__rings_close(false);
        code |= (push(SPY_LEVEL_INFO, 1) != SPY__PUSH_STOPPED) << 1;
        open_rings(NULL, 1);
        code |= (push(SPY_LEVEL_INFO, 5) != SPY__PUSH_OK) << 2;
        int64_t next = 5;
        code |= (drain(0, &next) != 1) << 3;
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(push(SPY_LEVEL_INFO, 1), SPY__PUSH_OK);
    int64_t next = 0;
    assert_int_equal(drain(0, &next), 2);
}

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/test_rings.XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, SPY__RINGS_FILE);
    (void)unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

static void read_at(void *to, size_t n, uint64_t at)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, SPY__RINGS_FILE);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fread(to, 1, n, f), n);
    (void)fclose(f);
}

// What was published by a process that died lies in its file.
static void what_the_file_says(void **state)
{
    (void)state;
    make_dir();
    pid_t pid = fork();
    if (pid == 0) {
        open_rings(dir, 2);
        for (int i = 0; i < 5; i++) {
            (void)push(SPY_LEVEL_INFO, i);
        }
        static char event[SPY__RING_BYTES_MIN];
        memset(event, 'x', sizeof(event) - 1);
        (void)spy__rings_push(
            &(struct spy__record){ .level = SPY_LEVEL_INFO, .correlation_id = "", .event = event });
        (void)raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));

    struct spy__rings_header header;
    struct spy__slot slots[3];
    static _Alignas(8) char bytes[4096];
    read_at(&header, sizeof(header), 0);
    assert_memory_equal(header.magic, SPY__RINGS_MAGIC, 8);
    assert_int_equal(header.version, SPY__RINGS_VERSION);
    assert_int_equal(header.slots, 2);
    assert_int_equal(header.clean, 0);
    assert_int_equal(header.slot_size, sizeof(struct spy__slot));
    assert_int_equal(strlen(header.boot_id), 36);
    read_at(slots, sizeof(slots), header.slots_offset);
    assert_int_equal(slots[0].tail, 0);
    assert_int_equal(slots[0].sequence, 5);
    assert_int_equal(slots[0].dropped[SPY__KIND_LOG][SPY__LOSS_SIZE], 1);
    assert_int_equal(slots[1].head + slots[2].head, 0);
    read_at(bytes, slots[0].head, header.data_offset);
    int count = 0;
    for (size_t at = 0; at < slots[0].head; count++) {
        struct spy__wire_view view;
        assert_int_equal(spy__wire_read(&view, bytes + at, slots[0].head - at), 0);
        assert_true(
            spy__wire_intact(bytes + at, slots[0].head - at, spy__ring_seed(header.run, 0)));
        assert_int_equal(view.record.id.sequence, count + 1);
        assert_int_equal(view.fields[0].value.i, count);
        uint64_t ns = spy__ticks_to_ns(&header.maps[header.map], view.ticks);
        assert_true(ns > header.start_ns && ns < header.start_ns + 60000000000u);
        at += view.bytes;
    }
    assert_int_equal(count, 5);

    // The next start uses the file again, empty, under another number; of another shape: a new one.
    open_rings(dir, 2);
    assert_true(spy__rings_recoverable());
    assert_int_not_equal(spy__rings_run(), header.run);
    assert_int_equal(spy__rings_snapshot(), 0);
    spy__rings_close(true);
    read_at(&header, sizeof(header), 0);
    assert_int_equal(header.clean, 1);
    open_rings(dir, 3);
    assert_int_equal(push(SPY_LEVEL_INFO, 1), SPY__PUSH_OK);
    spy__rings_close(false);
    read_at(&header, sizeof(header), 0);
    assert_int_equal(header.clean, 0);
    assert_int_equal(header.slots, 3);
    remove_dir();
}

// No file to be had: anonymous memory, and the reason is told.
static void no_file(void **state)
{
    (void)state;
    make_dir();
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, SPY__RINGS_FILE);
    assert_int_equal(mkdir(path, 0700), 0); // a folder where the file should be
    int why = 0;
    struct spy__rings_options options = { .state_dir = dir, .slots = 1, .lost = count_loss };
    assert_int_equal(spy__rings_open(&options, &why), 0);
    assert_int_not_equal(why, 0);
    assert_false(spy__rings_recoverable());
    assert_int_equal(push(SPY_LEVEL_INFO, 1), SPY__PUSH_OK);
    spy__rings_close(true);
    assert_int_equal(rmdir(path), 0);
    remove_dir();

    options.state_dir = "/nonexistent";
    assert_int_equal(spy__rings_open(&options, &why), 0);
    assert_int_equal(why, -ENOENT);
}

static void *wait_for_ever(void *arg)
{
    int64_t *next = arg;
    while (*next < 100) {
        spy__rings_wait(UINT_MAX);
        drain(0, next);
    }
    return NULL;
}

// A pump without a timer misses nothing.
static void asleep(void **state)
{
    (void)state;
    open_rings(NULL, 1);
    pthread_t thread;
    int64_t next = 0;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, &next), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(push(SPY_LEVEL_INFO, i), SPY__PUSH_OK);
        for (int spin = 0; spin < i * 100; spin++) {
            __asm__ volatile("");
        }
    }
    pthread_join(thread, NULL); // or never
    assert_int_equal(next, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(in_order_round_and_round, tear_down),
        cmocka_unit_test_teardown(a_full_ring, tear_down),
        cmocka_unit_test_teardown(room_comes_in_time, tear_down),
        cmocka_unit_test_teardown(too_long, tear_down),
        cmocka_unit_test_teardown(threads_come_and_go, tear_down),
        cmocka_unit_test_teardown(overflow, tear_down),
        cmocka_unit_test_teardown(logging_destructors, tear_down),
        cmocka_unit_test_teardown(stop_and_start, tear_down),
        cmocka_unit_test_teardown(bad_options, tear_down),
        cmocka_unit_test_teardown(fork_and_push, tear_down),
        cmocka_unit_test_teardown(what_the_file_says, tear_down),
        cmocka_unit_test_teardown(no_file, tear_down),
        cmocka_unit_test_teardown(asleep, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
