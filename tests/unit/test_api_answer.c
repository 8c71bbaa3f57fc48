// What memegen answers: the JSON forms of docs/api.md.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "memegen/api/answer.h"

#define ID "2b0c4d0e-1f2a-4b3c-8d4e-5f6071829304"

static struct meme a_meme(void)
{
    struct meme meme = {
        .id = ID,
        .correlation_id = "c1",
        .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
        .request = { .topic = "rust \"vs\" c", .user_id = "u1", .seeded = true, .seed = 7 },
        .status = MEME_SUCCESS,
        .template_id = "drake",
        .template_type = "two_panel",
        .captions = { "C", "Rust" },
        .caption_count = 2,
        .score = { 0.8, 0.7, 0.6, 0.5, 1, 0.8, 1, 0.54 },
        .rounds = 1,
        .generation_seconds = 0.0123,
        .created_us = 1700000000000042,
        .report_count = 4,
    };

    meme.reports[0] = (struct meme_report){ "router", 0, 0.001, true, "a comparison" };
    meme.reports[1] = (struct meme_report){ "factuality", 1, 0.002, false, "one doubt" };
    meme.reports[2] = (struct meme_report){ "image_renderer", 1, 0.003, true, "" }; // it was kept
    meme.reports[3] = (struct meme_report){ "factuality", 2, 0.002, true, "no doubt" };
    return meme;
}

static void a_meme_is_told_whole(void **state)
{
    struct meme meme = a_meme();
    size_t len;
    char *text = answer_text(answer_meme(&meme), &len);

    (void)state;
    assert_non_null(text);
    assert_int_equal(text[len - 1], '\n');
    text[len - 1] = '\0';
    assert_string_equal(
        text,
        "{\"id\":\"" ID
        "\",\"status\":\"success\",\"topic\":\"rust \\\"vs\\\" c\",\"template_id\":\"drake\","
        "\"template_type\":\"two_panel\",\"captions\":[\"C\",\"Rust\"],"
        "\"image_url\":\"/api/v1/memes/" ID "/image.png\",\"quality_score\":0.54,"
        "\"created_at\":\"2023-11-14T22:13:20.000042Z\",\"created_us\":1700000000000042,"
        "\"request\":{\"topic\":\"rust \\\"vs\\\" "
        "c\",\"user_id\":\"u1\",\"template_id\":null,\"style\":null,"
        "\"use_trends\":false,\"seed\":7},"
        "\"score\":{\"total\":0.54,\"formula\":\"sum of value × weight over parts, times each "
        "factor\","
        "\"parts\":{\"humor\":{\"value\":0.8,\"weight\":0.35},\"clarity\":{\"value\":0.7,"
        "\"weight\":0.25},"
        "\"creativity\":{\"value\":0.6,\"weight\":0.2},\"shareability\":{\"value\":0.5,\"weight\":"
        "0.2}},"
        "\"factors\":{\"factuality\":{\"value\":1.0,\"note\":\"one doubt\"},"
        "\"instruction_following\":{\"value\":0.8,\"note\":null},"
        "\"appropriateness\":{\"value\":1.0,\"note\":null}},\"note\":null},"
        "\"rounds\":1,\"generation_seconds\":0.0123,\"error_type\":null,\"error_message\":null,"
        "\"correlation_id\":\"c1\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"agents\":[{\"agent\":\"router\",\"round\":0,\"seconds\":0.001,\"ok\":true,\"note\":\"a "
        "comparison\"},"
        "{\"agent\":\"factuality\",\"round\":1,\"seconds\":0.002,\"ok\":false,\"note\":\"one "
        "doubt\"},"
        "{\"agent\":\"image_renderer\",\"round\":1,\"seconds\":0.003,\"ok\":true,\"note\":null},"
        "{\"agent\":\"factuality\",\"round\":2,\"seconds\":0.002,\"ok\":true,\"note\":\"no "
        "doubt\"}]}");
    free(text);
}

static void a_meme_without_an_image_has_no_score(void **state)
{
    struct meme meme = a_meme();
    json_t *root;

    (void)state;
    meme.status = MEME_REJECTED;
    meme.error_type = "rejected";
    root = answer_meme(&meme);
    assert_true(json_is_null(json_object_get(root, "image_url")));
    assert_true(json_is_null(json_object_get(root, "quality_score")));
    assert_true(json_is_null(json_object_get(root, "score")));
    assert_string_equal(json_string_value(json_object_get(root, "error_type")), "rejected");
    json_decref(root);
}

static void a_note_cut_in_a_character_is_told(void **state)
{
    struct meme meme = a_meme();
    json_t *root, *agent;

    (void)state;
    memcpy(meme.reports[0].note, "ab\xf0\x9f\x90", 6);
    root = answer_meme(&meme);
    agent = json_array_get(json_object_get(root, "agents"), 0);
    assert_string_equal(json_string_value(json_object_get(agent, "note")), "ab");
    json_decref(root);
}

static void a_full_page_names_the_next(void **state)
{
    struct meme memes[2] = { a_meme(), a_meme() };
    json_t *root = answer_meme_list(memes, 2, 2);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(root, "memes")), 2);
    assert_true(json_integer_value(json_object_get(root, "next_before")) == 1700000000000042);
    json_decref(root);
    root = answer_meme_list(memes, 2, 3);
    assert_true(json_is_null(json_object_get(root, "next_before")));
    json_decref(root);
    root = answer_meme_list(NULL, 0, 3);
    assert_int_equal(json_array_size(json_object_get(root, "memes")), 0);
    json_decref(root);
}

static void an_error_has_its_four_keys(void **state)
{
    size_t len;
    char *text = answer_text(
        answer_error("invalid_field", "The field \"x\" is bad.", answer_field("x", "is bad"), "c1"),
        &len);

    (void)state;
    text[len - 1] = '\0';
    assert_string_equal(
        text, "{\"code\":\"invalid_field\",\"message\":\"The field \\\"x\\\" is bad.\","
              "\"details\":{\"field\":\"x\",\"problem\":\"is bad\"},\"correlation_id\":\"c1\"}");
    free(text);
}

static void every_failed_allocation_is_seen(void **state)
{
    struct meme memes[1] = { a_meme() };
    bool done = false;

    (void)state;
    json_set_alloc_funcs(malloc, free); // jansson's own allocations fail too
    for (long n = 0; !done && n < 10000; n++) {
        char *one, *list = NULL, *error = NULL;
        size_t len;
        alloc_fail_after(n);
        one = answer_text(answer_meme(memes), &len);
        if (one) {
            list = answer_text(answer_meme_list(memes, 1, 1), &len);
        }
        if (list) {
            error = answer_text(answer_error("a", "b", answer_field("c", "d"), "e"), &len);
        }
        alloc_fail_never();
        done = error != NULL;
        free(one);
        free(list);
        free(error);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_meme_is_told_whole),
        cmocka_unit_test(a_meme_without_an_image_has_no_score),
        cmocka_unit_test(a_note_cut_in_a_character_is_told),
        cmocka_unit_test(a_full_page_names_the_next),
        cmocka_unit_test(an_error_has_its_four_keys),
        cmocka_unit_test(every_failed_allocation_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
