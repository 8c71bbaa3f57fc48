// The pipeline on a model that verifies too: its verdicts beside the local ones, and what happens
// where it fails.
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

#include "pipeline_fixture.h"

// A model whose answers the test chooses, by signature; NULL: a time-out. Atomic counts: the
// verifiers ask side by side.
struct model {
    struct llm llm;
    const char *caption, *factuality, *instruction_following, *appropriateness;
    unsigned asked, failed, stopped;
};

static char *write_captions(const struct model *model, const json_t *inputs)
{
    json_t *captions = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(inputs, "slots")); i++) {
        json_array_append_new(captions, json_string(model->caption));
    }
    json_t *answer = json_pack("{s:o, s:s}", "captions", captions, "idea", "it is a test");
    char *text = json_dumps(answer, 0);
    json_decref(answer);
    return text;
}

static int model_answer(struct llm *llm, const struct llm_question *question, char **ret_text,
                        struct llm_failure *failure)
{
    struct model *model = (struct model *)llm;
    const char *name = question->signature->name;
    const char *text = strcmp(name, "factuality") == 0              ? model->factuality
                       : strcmp(name, "instruction_following") == 0 ? model->instruction_following
                       : strcmp(name, "appropriateness") == 0       ? model->appropriateness
                                                                    : model->caption;
    __atomic_add_fetch(&model->asked, 1, __ATOMIC_RELAXED);
    if (!text) {
        __atomic_add_fetch(&model->failed, 1, __ATOMIC_RELAXED);
        *failure = (struct llm_failure){ "timeout", "no answer in 10 s" };
        return -EIO;
    }
    *ret_text = text == model->caption ? write_captions(model, question->inputs) : strdup(text);
    return 0;
}

static void model_close(struct llm *llm)
{
    (void)llm;
}

static void model_stop(struct llm *llm)
{
    ((struct model *)llm)->stopped++;
}

static const struct llm_ops model_ops = { model_answer, model_close, model_stop };

#define CAPTION "tea, again"
#define FACTS_WELL "{\"verdict\": \"accurate\", \"issue\": \"\"}"
#define INSTRUCTIONS_WELL "{\"verdict\": \"followed\", \"issue\": \"\"}"
#define FIT "{\"kind\": \"none\"}"
#define ALL_WELL                                                                                   \
    .caption = CAPTION, .factuality = FACTS_WELL, .appropriateness = FIT,                          \
    .instruction_following = INSTRUCTIONS_WELL

static void run(struct meme *meme, struct model *model, const char *topic, bool fallback)
{
    struct fixture fixture;
    model->llm.ops = &model_ops;
    fixture_open_model(&fixture, &model->llm, fallback);
    fixture_run(&fixture, meme, topic, 1);
    fixture_close(&fixture);
}

static void test_all_well(void **state)
{
    struct model model = { ALL_WELL };
    struct meme meme;
    (void)state;
    run(&meme, &model, "tea", false);
    assert_int_equal(meme.status, MEME_SUCCESS);
    assert_true(meme.score.factuality == 1 && meme.score.instruction_following == 1);
    assert_non_null(strstr(fixture_report(&meme, "factuality", 0)->note, "The model: accurate."));
    assert_true(model.asked >= 4 && model.failed == 0);
    meme_done(&meme);
}

static void test_the_lower_verdict_counts(void **state)
{
    struct model model = { ALL_WELL };
    struct meme meme;
    (void)state;
    model.factuality = "{\"verdict\": \"wrong\", \"issue\": \"Tee wächst nicht in Dosen.\"}";
    model.instruction_following = "{\"verdict\": \"mostly\", \"issue\": \"\"}";
    run(&meme, &model, "tea", false);
    assert_int_equal(meme.status, MEME_SUCCESS);
    assert_true(fabs(meme.score.factuality - 0.3) < 1e-9);
    assert_true(fabs(meme.score.instruction_following - 0.8) < 1e-9);
    assert_non_null(strstr(fixture_report(&meme, "factuality", 0)->note, "Tee wächst"));
    meme_done(&meme);
    // The model is content, the claims are not.
    model = (struct model){ ALL_WELL };
    model.caption = "the earth is flat";
    run(&meme, &model, "the earth is flat", false);
    assert_true(meme.score.factuality < 1);
    meme_done(&meme);
}

static void test_the_model_refuses(void **state)
{
    struct model model = { ALL_WELL };
    struct meme meme;
    (void)state;
    model.appropriateness = "{\"kind\": \"insult\"}";
    run(&meme, &model, "tea", true);
    assert_int_equal(meme.status, MEME_REJECTED);
    assert_string_equal(meme.error_type, "rejected");
    assert_non_null(strstr(meme.error_message, "insult"));
    meme_done(&meme);
}

// A refusal by the lists needs no model, and wins over one that fails.
static void test_the_lists_refuse(void **state)
{
    struct model model = { ALL_WELL };
    struct meme meme;
    (void)state;
    model.appropriateness = model.factuality = NULL;
    run(&meme, &model, "my card is 4111 1111 1111 1111", false);
    assert_int_equal(meme.status, MEME_REJECTED);
    assert_string_equal(meme.error_type, "rejected");
    assert_int_equal(model.failed, 1); // factuality alone was asked
    meme_done(&meme);
}

static void test_a_writer_that_fails(void **state)
{
    struct model model = { ALL_WELL };
    struct meme meme;
    (void)state;
    model.caption = NULL;
    run(&meme, &model, "tea", true);
    assert_int_equal(meme.status, MEME_SUCCESS);
    assert_int_equal(model.asked, 1); // and nothing more in this run
    assert_non_null(strstr(fixture_report(&meme, "prompt_generator", 0)->note, "timeout"));
    meme_done(&meme);
    model.asked = 0;
    run(&meme, &model, "tea", false);
    assert_int_equal(meme.status, MEME_ERROR);
    assert_string_equal(meme.error_type, "timeout");
    assert_int_equal(model.asked, 1);
    meme_done(&meme);
}

static void test_a_verifier_that_fails(void **state)
{
    struct model model = { ALL_WELL };
    struct meme meme;
    (void)state;
    model.instruction_following = NULL;
    run(&meme, &model, "tea", true);
    assert_int_equal(meme.status, MEME_SUCCESS);
    assert_int_equal(model.failed, 1);
    assert_true(fixture_report(&meme, "instruction_following", 0)->ok);
    meme_done(&meme);
    run(&meme, &model, "tea", false);
    assert_int_equal(meme.status, MEME_ERROR);
    assert_string_equal(meme.error_type, "timeout");
    assert_string_equal(meme.error_message, "no answer in 10 s");
    meme_done(&meme);
}

static void test_hurry(void **state)
{
    struct model model = { .llm = { &model_ops } };
    struct fixture fixture;
    (void)state;
    fixture_open_model(&fixture, &model.llm, true);
    pipeline_hurry(fixture.pipeline);
    fixture_close(&fixture);
    assert_int_equal(model.stopped, 1);
    fixture_open(&fixture, NULL, 1);
    pipeline_hurry(fixture.pipeline); // the offline writer takes no time
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_well),
        cmocka_unit_test(test_the_lower_verdict_counts),
        cmocka_unit_test(test_the_model_refuses),
        cmocka_unit_test(test_the_lists_refuse),
        cmocka_unit_test(test_a_writer_that_fails),
        cmocka_unit_test(test_a_verifier_that_fails),
        cmocka_unit_test(test_hurry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
