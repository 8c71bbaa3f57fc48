// Lanes merged by time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/random.h"
#include "record/drain.h"
#include "record/mask/keys.h"
#include "record/wire_put.h"

#define LANES 9
#define LANE_BYTES 65536

static struct spy__drain drain;
static struct spy__keys keys;
static _Alignas(64) unsigned char bytes[LANES][LANE_BYTES];
static size_t filled[LANES];
static const struct spy__ticks_map no_counter;

static int set_up(void **state)
{
    (void)state;
    memset(filled, 0, sizeof(filled));
    assert_int_equal(spy__drain_init(&drain, LANES, &keys), 0);
    spy__drain_begin(&drain, &no_counter, 0, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__drain_done(&drain);
    return 0;
}

static void put(unsigned lane, uint64_t ns, uint64_t number)
{
    const struct spy_field field = spy_uint("number", number);
    const struct spy__record record = { .level = SPY_LEVEL_INFO,
                                        .correlation_id = "",
                                        .event = "x",
                                        .fields = &field,
                                        .field_count = 1 };
    struct spy__wire_head head = { .ticks = SPY__TICKS_NS | ns, .sequence = number };
    struct spy__wire_put to;
    spy__wire_put_begin(&to, bytes[lane] + filled[lane], LANE_BYTES - filled[lane], 0);
    spy__wire_put_record(&to, &head, &record);
    assert_false(spy__wire_failed(&to));
    filled[lane] += spy__wire_put_end(&to, &head);
}

static void add_all(void)
{
    for (unsigned i = 0; i < LANES; i++) {
        spy__drain_lane(&drain, i, bytes[i], filled[i]);
    }
}

static void merged_by_time(void **state)
{
    (void)state;
    spy__random_seed(7);
    uint64_t now[LANES] = { 0 };
    for (int i = 0; i < 2000; i++) {
        unsigned lane = (unsigned)(spy__random_u64() % LANES);
        now[lane] += 1 + spy__random_u64() % (lane == 3 ? 3 : 1000); // one of them is far behind
        put(lane, now[lane], now[lane]);
    }
    add_all();
    uint64_t last = 0;
    int count = 0;
    for (; spy__drain_first(&drain); spy__drain_next(&drain)) {
        const struct spy__record *record = &drain.view.record;
        assert_true(record->time_ns >= last);
        assert_true(record->fields[0].value.u == record->time_ns);
        last = record->time_ns;
        count++;
    }
    assert_int_equal(count, 2000);
    for (unsigned i = 0; i < LANES; i++) {
        assert_int_equal(drain.lanes[i].read, filled[i]);
    }
    assert_int_equal(drain.unreadable, 0);
}

static void ids_and_marks(void **state)
{
    (void)state;
    put(2, 10, 5);
    add_all();
    const struct spy__record *record = &drain.view.record;
    assert_non_null(spy__drain_first(&drain));
    assert_true(record->id.run == 0); // they would not be found again
    assert_false(record->recovered);
    spy__drain_begin(&drain, &no_counter, 0xabc, true);
    add_all();
    assert_non_null(spy__drain_first(&drain));
    assert_true(record->id.run == 0xabc);
    assert_int_equal(record->id.slot, 2);
    assert_int_equal(record->id.sequence, 5);
    assert_true(record->recovered);
}

// A host wrote over its own ring: what is before is read, the rest given back.
static void what_is_no_record(void **state)
{
    (void)state;
    put(0, 1, 1);
    size_t good = filled[0];
    put(0, 2, 2);
    put(0, 3, 3);
    memset(bytes[0] + good, 0xee, filled[0] - good);
    put(1, 4, 4);
    add_all();
    assert_ptr_equal(spy__drain_first(&drain), &drain.lanes[0]);
    assert_int_equal(drain.view.record.time_ns, 1);
    spy__drain_next(&drain);
    assert_ptr_equal(spy__drain_first(&drain), &drain.lanes[1]);
    assert_int_equal(drain.view.record.time_ns, 4);
    spy__drain_next(&drain);
    assert_null(spy__drain_first(&drain));
    assert_int_equal(drain.lanes[0].read, filled[0]);
    assert_int_equal(drain.unreadable, filled[0] - good);
}

static void without_memory(void **state)
{
    (void)state;
    struct spy__drain other;
    for (long n = 0; n < 2; n++) {
        alloc_fail_after(n);
        assert_int_equal(spy__drain_init(&other, LANES, &keys), -ENOMEM);
        alloc_fail_never();
    }
    assert_int_equal(spy__drain_init(&other, 0, &keys), 0);
    assert_null(spy__drain_first(&other));
    spy__drain_done(&other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(merged_by_time),
        TEST(ids_and_marks),
        TEST(what_is_no_record),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
