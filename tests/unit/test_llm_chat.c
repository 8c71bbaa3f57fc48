// Chat completions: the request's form, and every form of answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "memegen/llm/chat.h"
#include "memegen/llm/signatures.h"

static json_t *make_inputs(void)
{
    json_t *inputs =
        json_pack("{s:s, s:s, s:[s]}", "topic", "tea", "language", "en", "captions", "more tea");
    assert_non_null(inputs);
    return inputs;
}

static void test_the_request(void **state)
{
    json_t *inputs = make_inputs(), *schema;
    struct llm_question question = { .signature = &signature_factuality,
                                     .inputs = inputs,
                                     .agent = "factuality",
                                     .seed = UINT64_MAX };
    const char *model, *name, *first, *second;
    json_int_t seed;
    json_t *messages;
    int strict;
    (void)state;
    char *text = chat_request("a-model", &question);
    assert_non_null(text);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_unpack(root, "{s:s, s:o, s:I, s:{s:s, s:{s:s, s:b, s:o !} !} !}", "model",
                                 &model, "messages", &messages, "seed", &seed, "response_format",
                                 "type", &first, "json_schema", "name", &name, "strict", &strict,
                                 "schema", &schema),
                     0);
    assert_string_equal(model, "a-model");
    assert_string_equal(first, "json_schema");
    assert_string_equal(name, "factuality");
    assert_true(strict && seed == INT64_MAX);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    assert_int_equal(json_array_size(messages), 2);
    assert_int_equal(json_unpack(messages, "[{s:s, s:s !}, {s:s, s:s !}]", "role", &first,
                                 "content", &name, "role", &second, "content", &model),
                     0);
    assert_string_equal(first, "system");
    assert_string_equal(second, "user");
    assert_non_null(strstr(model, "\"topic\": \"tea\""));
    json_decref(root);
    free(text);
    json_decref(inputs);
}

static void test_the_complaint(void **state)
{
    json_t *inputs = make_inputs();
    struct llm_question question = { .signature = &signature_factuality,
                                     .inputs = inputs,
                                     .agent = "factuality",
                                     .tries = 1,
                                     .bad_answer = "{}",
                                     .problem = "The field \"verdict\" is missing." };
    const char *role, *content;
    (void)state;
    char *text = chat_request("a-model", &question);
    json_t *root = json_loads(text, 0, NULL), *messages = json_object_get(root, "messages");
    assert_int_equal(json_array_size(messages), 4);
    assert_int_equal(
        json_unpack(json_array_get(messages, 2), "{s:s, s:s}", "role", &role, "content", &content),
        0);
    assert_string_equal(role, "assistant");
    assert_string_equal(content, "{}");
    assert_int_equal(
        json_unpack(json_array_get(messages, 3), "{s:s, s:s}", "role", &role, "content", &content),
        0);
    assert_string_equal(role, "user");
    assert_non_null(strstr(content, "The field \"verdict\" is missing."));
    json_decref(root);
    free(text);
    // What was no answer at all is asked for again as it was.
    question.bad_answer = NULL;
    text = chat_request("a-model", &question);
    root = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(root, "messages")), 2);
    json_decref(root);
    free(text);
    json_decref(inputs);
}

static void test_answers(void **state)
{
    static const struct {
        const char *body;
        int r;
        const char *text;
        bool declined;
        long input, output;
    } cases[] = {
        { "{\"choices\":[{\"message\":{\"content\":\"hi\",\"refusal\":null},\"finish_reason\":"
          "\"stop\"}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}",
          0, "hi", false, 12, 3 },
        { "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}", 0, "hi", false, 0, 0 },
        { "{\"choices\":[{\"message\":{\"content\":\"\"}}]}", 0, "", false, 0, 0 },
        { "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"}}],\"usage\":"
          "{\"prompt_tokens\":12,\"completion_tokens\":3}}",
          -EBADMSG, "No.", true, 12, 3 },
        { "{\"choices\":[{\"message\":{\"content\":\"{\\\"a\"},\"finish_reason\":\"length\"}]}",
          -EBADMSG, "{\"a", true, 0, 0 },
        { "{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"content_filter\"}]}",
          -EBADMSG, "", true, 0, 0 },
        { "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"}}]}", -EBADMSG, NULL, false, 0,
          0 },
        { "{\"choices\":[{\"message\":{\"content\":7}}]}", -EBADMSG, NULL, false, 0, 0 },
        { "{\"choices\":[]}", -EBADMSG, NULL, false, 0, 0 },
        { "{\"choices\":{}}", -EBADMSG, NULL, false, 0, 0 },
        { "{}", -EBADMSG, NULL, false, 0, 0 },
        { "[]", -EBADMSG, NULL, false, 0, 0 },
        { "<html>", -EBADMSG, NULL, false, 0, 0 },
        { "", -EBADMSG, NULL, false, 0, 0 },
        { "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":-4,"
          "\"completion_tokens\":9999999999}}",
          0, "hi", false, 0, 0 },
        { "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":[]}", 0, "hi", false, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_answer answer;
        int r = chat_read(&answer, cases[i].body, strlen(cases[i].body));
        bool right = r == cases[i].r && answer.declined == cases[i].declined &&
                     answer.usage.input_tokens == cases[i].input &&
                     answer.usage.output_tokens == cases[i].output &&
                     !answer.text == !cases[i].text &&
                     (!answer.text || strcmp(answer.text, cases[i].text) == 0) &&
                     !answer.problem[0] == (r == 0);
        free(answer.text);
        if (!right) {
            fail_msg("%s: %d, \"%s\"", cases[i].body, r, answer.problem);
        }
    }
}

static void test_error_codes(void **state)
{
    static const struct {
        const char *body, *code;
    } cases[] = {
        { "{\"error\":{\"code\":\"insufficient_quota\",\"type\":\"x\"}}", "insufficient_quota" },
        { "{\"error\":{\"code\":null,\"type\":\"server_error\"}}", "server_error" },
        { "{\"error\":{\"code\":\"sk-secret\",\"type\":\"server_error\"}}", "server_error" },
        { "{\"error\":{\"code\":429}}", "" },
        { "{\"error\":\"sk-secret\"}", "" },
        { "{\"error\":{\"code\":\"a_code_that_is_far_too_long_to_be_one\"}}", "" },
        { "nothing", "" },
    };
    char code[32];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        chat_error_code(code, sizeof(code), cases[i].body, strlen(cases[i].body));
        assert_string_equal(code, cases[i].code);
    }
}

static void test_without_memory(void **state)
{
    static const char body[] = "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}";
    json_t *inputs = make_inputs();
    struct llm_question question = { .signature = &signature_factuality,
                                     .inputs = inputs,
                                     .agent = "factuality",
                                     .bad_answer = "{}",
                                     .problem = "Wrong." };
    char *text = NULL;
    bool read = false;
    (void)state;
    for (long n = 0; !text; n++) {
        alloc_fail_after(n);
        text = chat_request("a-model", &question);
        alloc_fail_never();
        assert_true(n < 10000);
    }
    free(text);
    json_decref(inputs);
    for (long n = 0; !read; n++) {
        struct chat_answer answer;
        alloc_fail_after(n);
        read = chat_read(&answer, body, strlen(body)) == 0;
        alloc_fail_never();
        free(answer.text);
        assert_true(n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_request),    cmocka_unit_test(test_the_complaint),
        cmocka_unit_test(test_answers),        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_without_memory),
    };
    json_set_alloc_funcs(malloc, free); // the wrapped ones, so that jansson can fail too
    return cmocka_run_group_tests(tests, NULL, NULL);
}
