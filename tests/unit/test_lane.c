// A lane: what is sent when, under which token, and what becomes of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "lane_rig.h"

#define MS UINT64_C(1000000)

static void a_batch_is_closed_by_rows_or_age(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, false);
    assert_int_equal(lane_rig_step(rig), UINT64_MAX);
    assert_true(spy__lane_wants(&rig->lane));
    lane_rig_append(rig, 0, 10);
    for (unsigned first = 0; first < 8; first += 4) {
        lane_rig_step(rig);
        assert_int_equal(rig->rows, 4);
        assert_int_equal(rig->numbers[0], first);
        assert_false(spy__lane_wants(&rig->lane));
        lane_rig_take(rig);
    }
    lane_rig_step(rig);
    assert_false(rig->calling); // two are left, and are not old yet
    assert_false(spy__lane_wants(&rig->lane));
    lane_rig_pass(rig, 999);
    uint64_t next_ns = lane_rig_step(rig);
    assert_false(rig->calling);
    assert_int_equal(next_ns, rig->journal->clock.monotonic_ns + MS);
    lane_rig_pass(rig, 1);
    lane_rig_step(rig);
    assert_int_equal(rig->rows, 2);
    lane_rig_pass(rig, 7);
    lane_rig_take(rig);
    assert_int_equal(rig->took, 7 * MS);
    assert_int_equal(lane_rig_step(rig), UINT64_MAX);
    lane_rig_expect_stored(rig, 0, 10);
    assert_int_equal(rig->counts[SPY__LANE_SENT], 10);
    assert_int_equal(rig->counts[SPY__LANE_BYTES], 2 * 10);
    assert_int_equal(rig->lane.settled, 10);
}

static void a_batch_is_closed_by_bytes(void **state)
{
    struct lane_rig *rig = *state;
    rig->backend.rows_max = 100;
    rig->backend.bytes_max = 40; // two entries of 16 to 24 bytes, or three
    lane_rig_open(rig, true);
    lane_rig_append(rig, 0, 10);
    lane_rig_step(rig);
    assert_true(rig->calling);
    assert_in_range(rig->rows, 2, 3);
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, 10);
}

static void a_record_is_looked_for_while_a_batch_gathers(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    lane_rig_append(rig, 0, 1);
    assert_int_equal(lane_rig_step(rig), rig->journal->clock.monotonic_ns + SPY__LANE_LOOK_MS * MS);
    lane_rig_append(rig, 1, 3);
    lane_rig_pass(rig, 1000);
    lane_rig_step(rig);
    assert_int_equal(rig->rows, 3);
}

static void a_retry_is_the_same_again(void **state)
{
    struct lane_rig *rig = *state;
    char token[SPY__TOKEN_MAX];
    lane_rig_open(rig, false);
    lane_rig_append(rig, 0, 3);
    lane_rig_step(rig);
    lane_rig_pass(rig, 1000);
    lane_rig_step(rig);
    memcpy(token, rig->token, sizeof(token));
    lane_rig_append(rig, 3, 9); // comes too late for it
    lane_rig_fail(rig, 500, NULL);
    assert_int_equal(rig->fails, 0);
    for (int i = 0; i < 12; i++) {
        uint64_t next_ns = lane_rig_step(rig);
        if (!rig->calling) {
            assert_true(next_ns > rig->journal->clock.monotonic_ns);
            assert_true(next_ns <= rig->journal->clock.monotonic_ns + 5000 * MS);
            lane_rig_pass(rig, 5000);
            lane_rig_step(rig);
        }
        assert_true(rig->calling);
        assert_string_equal(rig->token, token);
        assert_int_equal(rig->rows, 3);
        if (i % 2) {
            lane_rig_lose(rig);
        } else {
            lane_rig_fail(rig, 503, NULL);
        }
    }
    assert_int_equal(rig->fails, 1); // told once
    assert_int_equal(rig->works, 0);
    assert_int_equal(rig->counts[SPY__LANE_RETRIED], 13 * 3);
    assert_true(spy__retry_is_open(&rig->lane.retry));
    lane_rig_pass(rig, 5000);
    lane_rig_run(rig);
    assert_int_equal(rig->works, 1);
    lane_rig_expect_stored(rig, 0, 9);
    assert_string_not_equal(rig->token, token);
}

static void retry_after_is_obeyed(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    lane_rig_append(rig, 0, 4);
    lane_rig_step(rig);
    lane_rig_fail(rig, 429, "Retry-After: 17");
    lane_rig_pass(rig, 16999);
    lane_rig_step(rig);
    assert_false(rig->calling);
    lane_rig_pass(rig, 1 + SPY__RETRY_BASE_MS);
    lane_rig_step(rig);
    assert_true(rig->calling);
    lane_rig_take(rig);
}

static void a_poison_record_is_found_and_buried(void **state)
{
    struct lane_rig *rig = *state;
    rig->backend.rows_max = 64;
    lane_rig_open(rig, false);
    rig->poison = 41;
    lane_rig_append(rig, 0, 64);
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, 64);
    assert_int_equal(rig->dropped, 1);
    assert_string_equal(rig->reason, "bad_row");
    assert_int_equal(rig->buried, 1);
    assert_int_equal(rig->bury_err, 0);
    assert_int_equal(rig->counts[SPY__LANE_SENT], 63);
    assert_true(rig->sends <= 2 * 6 + 1); // halved six times
    char path[128], line[64] = "";
    (void)snprintf(path, sizeof(path), "%s/dead_letters/a.jsonl", rig->journal->dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, "41 bad_row\n");
    (void)fclose(file);
}

static void a_dropped_batch_makes_room(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    lane_rig_append(rig, 0, 8);
    lane_rig_step(rig);
    lane_rig_fail(rig, 410, NULL);
    assert_int_equal(rig->dropped, 4);
    assert_string_equal(rig->reason, "gone");
    assert_int_equal(rig->bury_err, -ENOENT); // there is no place for it
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 4, 8);
}

static void what_cannot_be_read_is_passed_over(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    rig->unreadable = 2;
    lane_rig_append(rig, 0, 4);
    lane_rig_run(rig);
    assert_int_equal(rig->counts[SPY__LANE_SENT], 3);
    assert_int_equal(rig->dropped, 1);
    assert_string_equal(rig->reason, "unreadable");
    rig->unreadable = 4;
    unsigned sends = rig->sends;
    lane_rig_append(rig, 4, 5);
    lane_rig_run(rig);
    assert_int_equal(rig->sends, sends); // a batch with nothing in it is not sent
    assert_int_equal(rig->dropped, 2);
    assert_int_equal(rig->lane.settled, 5);
}

static void the_backend_is_prepared_first(void **state)
{
    struct lane_rig *rig = *state;
    rig->unprepared = 2;
    lane_rig_open(rig, true);
    lane_rig_step(rig);
    assert_true(rig->preparing); // also with nothing to send yet
    lane_rig_take(rig);
    lane_rig_append(rig, 0, 4);
    for (int i = 0; i < 3; i++) {
        lane_rig_step(rig);
        assert_true(rig->calling && rig->preparing);
        lane_rig_fail(rig, 0, NULL);
        lane_rig_step(rig);
        lane_rig_pass(rig, 5000);
    }
    assert_int_equal(rig->fails, 1);
    assert_int_equal(rig->counts[SPY__LANE_RETRIED], 0);
    lane_rig_step(rig);
    lane_rig_take(rig);
    lane_rig_step(rig);
    assert_false(rig->preparing);
    rig->unprepared = 1; // another server than before
    lane_rig_fail(rig, 404, NULL);
    lane_rig_pass(rig, 5000);
    lane_rig_step(rig);
    assert_true(rig->preparing);
    lane_rig_take(rig);
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, 4);
    assert_int_equal(rig->works, 1);
}

static void trouble_before_the_first_record_ends_too(void **state)
{
    struct lane_rig *rig = *state;
    rig->unprepared = 1;
    lane_rig_open(rig, true);
    for (int i = 0; i < 3; i++) {
        lane_rig_step(rig);
        lane_rig_fail(rig, 0, NULL);
        lane_rig_pass(rig, 5000);
    }
    assert_false(spy__lane_wants(&rig->lane));
    lane_rig_step(rig);
    lane_rig_take(rig);
    lane_rig_step(rig);
    assert_int_equal(rig->works, 1);
    assert_true(spy__lane_wants(&rig->lane));
}

static void an_end_sends_what_is_there(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    lane_rig_append(rig, 0, 6);
    lane_rig_step(rig);
    spy__lane_end(&rig->lane);
    assert_false(spy__lane_is_done(&rig->lane, true));
    lane_rig_take(rig);
    lane_rig_step(rig);
    assert_int_equal(rig->rows, 2); // though it is not old
    lane_rig_fail(rig, 500, NULL);
    assert_true(spy__lane_is_done(&rig->lane, true));
    assert_false(spy__lane_is_done(&rig->lane, false));
    lane_rig_pass(rig, 5000);
    lane_rig_step(rig);
    lane_rig_take(rig);
    lane_rig_step(rig);
    assert_true(spy__lane_is_done(&rig->lane, false));
    rig->unprepared = 1;
    lane_rig_step(rig);
    assert_false(rig->calling); // for what?
}

static void an_end_waits_for_no_preparation(void **state)
{
    struct lane_rig *rig = *state;
    rig->unprepared = 1;
    lane_rig_open(rig, true);
    lane_rig_step(rig);
    assert_true(rig->calling);
    spy__lane_end(&rig->lane);
    assert_true(spy__lane_is_done(&rig->lane, false));
}

// Of a backend that has something to send at a time of its own.
static struct {
    uint64_t due_ns, at_end_ns;
    enum spy__verdict_kind pass; // of all that comes; SPY__RETRY: none is passed over
} own;

static uint64_t own_due_ns(void *self, bool ending)
{
    (void)self;
    return ending ? own.at_end_ns : own.due_ns;
}

static bool own_pass_over(void *self, const struct spy__delivery *delivery,
                          struct spy__verdict *ret)
{
    (void)self;
    (void)delivery;
    *ret = (struct spy__verdict){ .kind = own.pass, .reason = "not_wanted" };
    return own.pass != SPY__RETRY;
}

static void what_is_due_goes_without_records(void **state)
{
    struct lane_rig *rig = *state;
    rig->backend.due_ns = own_due_ns;
    rig->unprepared = 9;
    own.due_ns = own.at_end_ns = UINT64_MAX;
    lane_rig_open(rig, true);
    assert_int_equal(lane_rig_step(rig), UINT64_MAX); // it is not asked
    own.due_ns = rig->journal->clock.monotonic_ns + 70 * MS;
    assert_int_equal(lane_rig_step(rig), own.due_ns);
    lane_rig_append(rig, 0, 1); // waits for its age, and is looked at before
    assert_int_equal(lane_rig_step(rig), rig->journal->clock.monotonic_ns + SPY__LANE_LOOK_MS * MS);
    lane_rig_pass(rig, 60);
    assert_int_equal(lane_rig_step(rig), own.due_ns);
    lane_rig_pass(rig, 10);
    lane_rig_step(rig);
    assert_true(rig->calling && rig->preparing);
    own.due_ns = UINT64_MAX;
    lane_rig_take(rig);
    lane_rig_pass(rig, 1000);
    lane_rig_step(rig);
    assert_true(rig->calling && !rig->preparing);
    lane_rig_take(rig);
    lane_rig_step(rig);
    // At the end it goes at once, and is waited for; where it fails, it is not tried again.
    own.at_end_ns = 0;
    spy__lane_end(&rig->lane);
    lane_rig_step(rig);
    assert_true(rig->calling && rig->preparing);
    assert_false(spy__lane_is_done(&rig->lane, true));
    lane_rig_fail(rig, 0, NULL);
    lane_rig_step(rig);
    assert_true(spy__lane_is_done(&rig->lane, false));
    lane_rig_expect_stored(rig, 0, 1);
}

static void what_is_passed_over_is_settled_without_a_request(void **state)
{
    struct lane_rig *rig = *state;
    rig->backend.pass_over = own_pass_over;
    own.pass = SPY__DROP;
    lane_rig_open(rig, true);
    lane_rig_append(rig, 0, 4);
    lane_rig_step(rig);
    assert_false(rig->calling);
    assert_int_equal(rig->dropped, 4);
    assert_string_equal(rig->reason, "not_wanted");
    assert_int_equal(rig->buried, 0);
    own.pass = SPY__SENT;
    lane_rig_append(rig, 4, 8);
    lane_rig_step(rig);
    assert_false(rig->calling);
    assert_int_equal(rig->counts[SPY__LANE_SENT], 4);
    own.pass = SPY__RETRY;
    lane_rig_append(rig, 8, 12);
    lane_rig_step(rig);
    lane_rig_take(rig);
    lane_rig_step(rig);
    lane_rig_expect_stored(rig, 8, 12);
    assert_int_equal(rig->dropped, 4);
    assert_int_equal(rig->lane.settled, 12);
}

static void no_memory_is_a_failure_like_others(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    rig->no_send = true;
    lane_rig_append(rig, 0, 4);
    lane_rig_step(rig);
    assert_false(rig->calling);
    lane_rig_pass(rig, 5000);
    lane_rig_step(rig);
    assert_int_equal(rig->fails, 1);
    rig->no_send = false;
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, 4);
}

// Whatever allocation fails, and however many after it: later all is there once.
static void failing_allocations_lose_nothing(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, true);
    unsigned next = 0;
    for (long n = 0; n < 6; n++) {
        lane_rig_append(rig, next, next + 9);
        next += 9;
        alloc_fail_after(n);
        for (int i = 0; i < 4; i++) {
            lane_rig_step(rig);
            if (rig->calling) {
                lane_rig_take(rig);
            }
            lane_rig_pass(rig, 5000);
        }
        alloc_fail_never();
        lane_rig_run(rig);
        lane_rig_expect_stored(rig, 0, next);
        spy__buf_done(&rig->lane.body); // so that it is allocated again
        spy__buf_init(&rig->lane.body, SPY__LANE_BODY_MAX);
    }
    long n = 0;
    for (bool done = false; !done; n++) {
        struct spy__lane lane;
        alloc_fail_after(n);
        int err = spy__lane_open(&lane, &rig->backend, rig->reader, &rig->transport, 0, NULL,
                                 &rig->hooks);
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM);
        done = err == 0;
        if (done) {
            spy__lane_close(&lane);
        }
    }
    assert_true(n > 3);
}

static void a_state_that_cannot_be_written_is_told_once(void **state)
{
    struct lane_rig *rig = *state;
    char path[128];
    lane_rig_open(rig, false);
    (void)snprintf(path, sizeof(path), "%s/delivery", rig->journal->dir);
    assert_int_equal(rmdir(path), 0);
    lane_rig_append(rig, 0, 12);
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, 12);
    assert_int_equal(rig->forgets, 1);
    assert_int_equal(rig->forget_err, -ENOENT);
    assert_int_equal(mkdir(path, 0700), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lane_rig_set_up, lane_rig_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_closed_by_rows_or_age),
        TEST(a_batch_is_closed_by_bytes),
        TEST(a_record_is_looked_for_while_a_batch_gathers),
        TEST(a_retry_is_the_same_again),
        TEST(retry_after_is_obeyed),
        TEST(a_poison_record_is_found_and_buried),
        TEST(a_dropped_batch_makes_room),
        TEST(what_cannot_be_read_is_passed_over),
        TEST(the_backend_is_prepared_first),
        TEST(trouble_before_the_first_record_ends_too),
        TEST(an_end_sends_what_is_there),
        TEST(an_end_waits_for_no_preparation),
        TEST(what_is_due_goes_without_records),
        TEST(what_is_passed_over_is_settled_without_a_request),
        TEST(no_memory_is_a_failure_like_others),
        TEST(failing_allocations_lose_nothing),
        TEST(a_state_that_cannot_be_written_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
