// A process that dies between any two steps of a delivery: the next one sends the same range under
// the same token, so that a server that knows its tokens has every record once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lane_rig.h"

#define RECORDS 40u

// One step of a life: what the server does with a call changes with `how`. Returns whether anything
// is left to do.
static bool live(struct lane_rig *rig, unsigned how)
{
    uint64_t next_ns = lane_rig_step(rig);
    if (!rig->calling) {
        lane_rig_pass(rig, 5000);
        return next_ns != UINT64_MAX;
    }
    switch (how % 4) {
    case 0:
        lane_rig_lose(rig); // it has them, and nobody here knows
        break;
    case 1:
        lane_rig_fail(rig, 500, NULL);
        break;
    default:
        lane_rig_judge(rig);
    }
    return true;
}

// Lives of `steps` steps each, one after the other; after half of them more records come.
static void die_every(struct lane_rig *rig, unsigned steps, unsigned poison)
{
    unsigned how = steps;
    rig->poison = poison;
    lane_rig_open(rig, false);
    lane_rig_append(rig, 0, RECORDS / 2);
    for (unsigned lives = 0; lives < 60; lives++) {
        for (unsigned i = 0; i < steps; i++) {
            how = how * 1103515245u + 12345u;
            if (rig->poison == 0) {
                (void)live(rig, how >> 16);
            } else if (lane_rig_step(rig), rig->calling) {
                lane_rig_judge(rig); // or a half of it would be lost beside the poison
            } else {
                lane_rig_pass(rig, 5000);
            }
        }
        lane_rig_kill(rig);
        lane_rig_open(rig, false);
        if (lives == 4) {
            lane_rig_append(rig, RECORDS / 2, RECORDS);
        }
    }
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, RECORDS);
    assert_int_equal(rig->forgets, 0);
}

static void whatever_the_moment_each_record_is_stored_once(void **state)
{
    for (unsigned steps = 1; steps < 12; steps++) {
        die_every(*state, steps, 0);
        lane_rig_tear_down(state);
        lane_rig_set_up(state);
    }
}

static void in_the_midst_of_a_split_too(void **state)
{
    for (unsigned steps = 1; steps < 12; steps++) {
        ((struct lane_rig *)*state)->backend.rows_max = 16;
        die_every(*state, steps, 1 + steps % 16);
        lane_rig_tear_down(state);
        lane_rig_set_up(state);
    }
}

// The kill comes while the call is out, and the server has taken it.
static void a_call_on_its_way_is_made_again(void **state)
{
    struct lane_rig *rig = *state;
    char token[SPY__TOKEN_MAX];
    lane_rig_open(rig, false);
    lane_rig_append(rig, 0, 3);
    lane_rig_step(rig);
    lane_rig_pass(rig, 1000);
    lane_rig_step(rig);
    assert_int_equal(rig->rows, 3);
    memcpy(token, rig->token, sizeof(token));
    lane_rig_append(rig, 3, 6); // would make it longer
    lane_rig_kill(rig);
    lane_rig_open(rig, false);
    lane_rig_step(rig);
    assert_int_equal(rig->rows, 3); // at once: it was due
    assert_string_equal(rig->token, token);
    lane_rig_take(rig);
    lane_rig_pass(rig, 5000);
    lane_rig_run(rig);
    lane_rig_expect_stored(rig, 0, 6);
}

static void a_plan_that_was_carried_out_says_nothing(void **state)
{
    struct lane_rig *rig = *state;
    lane_rig_open(rig, false);
    lane_rig_append(rig, 0, 4);
    lane_rig_run(rig);
    lane_rig_kill(rig);
    lane_rig_open(rig, false);
    lane_rig_append(rig, 4, 8);
    lane_rig_step(rig);
    assert_int_equal(rig->rows, 4); // not cut where the old one ended
    lane_rig_take(rig);
    lane_rig_expect_stored(rig, 0, 8);
}

static void write_plan(const struct lane_rig *rig, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/delivery/a.parcel", rig->journal->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

// Also one whose records are gone, or whose ends lie between records.
static void any_plan_is_lived_with(void **state)
{
    static const char *const plans[] = {
        "",
        "spyglass-parcel 1 ",
        "spyglass-parcel 1 5\n",
        "spyglass-parcel 1 5 \n",
        "spyglass-parcel 2 5 7.8 \n",
        "spyglass-parcel 1 5 7.8 7.9 \n",
        "spyglass-parcel 1 5 1.1 \n",
        "spyglass-parcel 1 5 ffffffffffffffff.ffffffffffffffff \n",
        "spyglass-parcel 1 5 ffffffffffffffff.ffffffffffffffff ffffffffffffffff.2 1.1 \n",
        "spyglass-parcel 1 5 fffffffffffffffff.1 \n",
        "\n\n\n",
    };
    struct lane_rig *rig = *state;
    lane_rig_open(rig, false);
    unsigned next = 0;
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        lane_rig_append(rig, next, next + 6);
        next += 6;
        write_plan(rig, plans[i]);
        lane_rig_kill(rig);
        lane_rig_open(rig, false);
        lane_rig_run(rig);
        lane_rig_expect_stored(rig, 0, next);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lane_rig_set_up, lane_rig_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(whatever_the_moment_each_record_is_stored_once),
        TEST(in_the_midst_of_a_split_too),
        TEST(a_call_on_its_way_is_made_again),
        TEST(a_plan_that_was_carried_out_says_nothing),
        TEST(any_plan_is_lived_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
