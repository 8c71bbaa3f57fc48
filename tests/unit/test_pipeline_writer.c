// The pipeline on a writer whose answers the test chooses: every way to end, what refinement keeps,
// what the verifiers mend and refuse, what is counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/words.h"
#include "memegen/telemetry.h"
#include "pipeline_fixture.h"
#include "scrape.h"

// A writer whose answers the test chooses: for the first draft, and for each round of refinement.
// NULL: a time-out.
struct puppet {
    struct llm llm;
    const char *first; // the text of each caption
    const char *rounds[3];
    unsigned asked;
    char wanting[512];
};

static int puppet_answer(struct llm *llm, const struct llm_question *question, char **ret_text,
                         struct llm_failure *failure)
{
    struct puppet *puppet = (struct puppet *)llm;
    json_int_t round = json_integer_value(json_object_get(question->inputs, "round"));
    const char *text = round ? puppet->rounds[round - 1] : puppet->first;
    const char *wanting = json_string_value(json_object_get(question->inputs, "wanting"));
    puppet->asked++;
    snprintf(puppet->wanting, sizeof(puppet->wanting), "%s", wanting ? wanting : "");
    if (!text) {
        *failure = (struct llm_failure){ "timeout", "no answer in 10 s" };
        return -ETIMEDOUT;
    }
    json_t *captions = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(question->inputs, "slots")); i++) {
        json_array_append_new(captions, json_string(text));
    }
    json_t *answer = json_pack("{s:o, s:s}", "captions", captions, "idea", "it is a test");
    *ret_text = json_dumps(answer, 0);
    json_decref(answer);
    return 0;
}

static void puppet_close(struct llm *llm)
{
    (void)llm;
}

static const struct llm_ops puppet_ops = { puppet_answer, puppet_close };

static void run(struct meme *meme, struct puppet *puppet, const char *topic,
                const char *template_id)
{
    struct fixture fixture;
    puppet->llm.ops = &puppet_ops;
    fixture_open(&fixture, &puppet->llm, 1);
    *meme = (struct meme){ .request = { .seeded = true, .seed = 1 } };
    words_copy(meme->request.topic, sizeof(meme->request.topic), topic);
    words_copy(meme->request.template_id, sizeof(meme->request.template_id), template_id);
    pipeline_run(fixture.pipeline, meme);
    fixture_close(&fixture);
}

static void test_captions_that_are_refused(void **state)
{
    struct puppet puppet = { .first = "kill yourself" };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "approve-reject");
    assert_int_equal(meme.status, MEME_REJECTED);
    assert_string_equal(meme.error_message, "The captions: threat. No meme is made of that.");
    assert_false(fixture_report(&meme, "appropriateness", 0)->ok);
    assert_string_equal(meme.template_type, "two_panel");
    meme_done(&meme);
}

static void test_a_writer_that_fails(void **state)
{
    struct puppet puppet = { 0 };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "");
    assert_int_equal(meme.status, MEME_ERROR);
    assert_string_equal(meme.error_type, "timeout");
    assert_string_equal(meme.error_message, "no answer in 10 s");
    assert_false(fixture_report(&meme, "prompt_generator", 0)->ok);
    meme_done(&meme);
}

static void test_a_template_that_is_not_there(void **state)
{
    struct puppet puppet = { .first = "x" };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "no-such");
    assert_int_equal(meme.status, MEME_ERROR);
    assert_string_equal(meme.error_type, "internal");
    assert_string_equal(meme.error_message, "There is no template \"no-such\".");
    assert_string_equal(meme.template_type, "none");
    assert_int_equal(puppet.asked, 0);
    meme_done(&meme);
}

#define DULL "the"
#define GOOD "My cat screams at a raccoon: “panic!”"

static void test_refinement_keeps_what_gains(void **state)
{
    struct puppet puppet = { .first = DULL, .rounds = { GOOD, DULL } };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "approve-reject");
    assert_int_equal(meme.status, MEME_SUCCESS);
    assert_string_equal(meme.captions[0], GOOD);
    assert_int_equal(meme.rounds, 2); // the second did not gain, and ended it
    assert_int_equal(puppet.asked, 3);
    assert_int_equal(fixture_renders, 2); // the first pass, and the round that was kept
    assert_memory_equal(meme.png, GOOD, meme.png_len);
    assert_non_null(strstr(fixture_report(&meme, "refinement", 1)->note, "kept"));
    assert_non_null(strstr(fixture_report(&meme, "refinement", 2)->note, "put back"));
    assert_non_null(fixture_report(&meme, "appropriateness", 2));
    assert_null(fixture_report(&meme, "image_renderer", 2));
    meme_done(&meme);
}

static void test_refinement_is_told_what_is_wanting(void **state)
{
    struct puppet puppet = { .first = DULL, .rounds = { DULL } };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "approve-reject");
    assert_string_equal(puppet.wanting, "The topic's key words are missing.");
    assert_true(meme.score.instruction_following < 1);
    meme_done(&meme);
}

static void test_refinement_that_is_refused_or_fails(void **state)
{
    static const char *const rounds[] = { "kill yourself", NULL };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct puppet puppet = { .first = DULL, .rounds = { rounds[i] } };
        struct meme meme;
        run(&meme, &puppet, "my cat", "approve-reject");
        assert_int_equal(meme.status, MEME_SUCCESS);
        assert_null(meme.error_type);
        assert_int_equal(meme.rounds, 1);
        assert_string_equal(meme.captions[0], DULL);
        assert_true(meme.score.appropriateness > 0);
        assert_int_equal(fixture_report(&meme, "refinement", 1)->ok, i == 0);
        meme_done(&meme);
    }
}

static void test_facts_are_mended(void **state)
{
    struct puppet puppet = { .first = "Linux was created in 2003, my cat says" };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "table-sign");
    assert_string_equal(meme.captions[0], "Linux was created in 1991, my cat says");
    assert_true(meme.score.factuality >= 1);
    meme_done(&meme);
    puppet = (struct puppet){ .first = "5g causes covid" };
    run(&meme, &puppet, "my cat", "approve-reject");
    assert_true(fabs(meme.score.factuality - (0.7)) < 1e-9); // twice: few
    assert_string_equal(puppet.wanting, "The facts are wrong: 5G does not spread viruses.");
    meme_done(&meme);
    run(&meme, &puppet, "5g causes covid", "three-dragons");
    assert_true(fabs(meme.score.factuality - (0.3)) < 1e-9); // four times: many
    meme_done(&meme);
}

static void test_captions_are_cut_to_their_slots(void **state)
{
    struct puppet puppet = {
        .first =
            "My cat and a very long sentence that goes on and on, over the end of its slot, mostly"
    };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "my cat", "approve-reject");
    assert_int_equal(meme.status, MEME_SUCCESS);
    for (size_t i = 0; i < meme.caption_count; i++) {
        assert_true(words_chars(meme.captions[i]) <= 75);
        assert_non_null(strstr(meme.captions[i], "…"));
    }
    meme_done(&meme);
}

static void test_languages_are_held_against_the_topic(void **state)
{
    struct puppet puppet = { .first = "my cat is on the table" };
    struct meme meme;
    (void)state;
    run(&meme, &puppet, "кот и понедельник", "approve-reject");
    assert_true(fabs(meme.score.instruction_following - (0.5)) < 1e-9); // script and key words
    meme_done(&meme);
    run(&meme, &puppet, "warum ist die katze auf dem tisch", "approve-reject");
    assert_true(fabs(meme.score.instruction_following - (0.5)) < 1e-9); // language and key words
    meme_done(&meme);
}

static void test_agents_are_counted(void **state)
{
    struct puppet puppet = { .first = "kill yourself" };
    struct meme meme;
    (void)state;
    struct scenes *scenes;
    char error[256];
    assert_int_equal(scenes_load(&scenes, DATA_DIR "/templates", error, sizeof(error)), 0);
    assert_int_equal(telemetry_register(scenes_types(scenes)), 0);
    scenes_free(scenes);
    double before = scrape_value("agent_success_total{agent_name=\"router\"}");
    double missed =
        scrape_value("cache_operations_total{operation=\"miss\",cache_type=\"template\"}");
    run(&meme, &puppet, "my cat", "");
    meme_done(&meme);
    assert_true(fabs(scrape_value("agent_success_total{agent_name=\"router\"}") - (before + 1)) <
                1e-9);
    assert_true(
        scrape_value(
            "agent_failures_total{agent_name=\"appropriateness\",error_type=\"rejected\"}") >= 1);
    assert_true(
        fabs(scrape_value("cache_operations_total{operation=\"miss\",cache_type=\"template\"}") -
             (missed + 1)) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captions_that_are_refused),
        cmocka_unit_test(test_a_writer_that_fails),
        cmocka_unit_test(test_a_template_that_is_not_there),
        cmocka_unit_test(test_refinement_keeps_what_gains),
        cmocka_unit_test(test_refinement_is_told_what_is_wanting),
        cmocka_unit_test(test_refinement_that_is_refused_or_fails),
        cmocka_unit_test(test_facts_are_mended),
        cmocka_unit_test(test_captions_are_cut_to_their_slots),
        cmocka_unit_test(test_languages_are_held_against_the_topic),
        cmocka_unit_test(test_agents_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
