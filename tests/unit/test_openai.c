// The LLM's provider in a world of the test's own: no network, no clock, no luck.
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

#include "alloc_fail.h"
#include "memegen/llm/openai.h"
#include "memegen/llm/signatures.h"
#include "memegen/telemetry.h"
#include "scrape.h"

#define GOOD                                                                                       \
    "{\"choices\":[{\"message\":{\"content\":\"{\\\"kind\\\":\\\"none\\\"}\"}}],"                  \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}"
#define WRONG                                                                                      \
    "{\"choices\":[{\"message\":{\"content\":\"{\\\"kind\\\":\\\"nice\\\"}\"}}],"                  \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}"
#define REFUSAL "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"}}]}"

// One scripted post: its outcome, and how long it took.
struct post {
    enum http_outcome outcome;
    long status;
    const char *body, *retry_after;
    int64_t took_ms;
};

struct script {
    const struct post *posts;
    unsigned asked;
    int64_t now_ms, waits_ms[16];
    unsigned waits;
    unsigned last_attempt_ms;
    bool cancelled;
    char last_body[8192], headers[1024], url[128];
};

static void script_post(void *arg, const struct http_request *request, struct http_answer *ret)
{
    struct script *script = arg;
    const struct post *post = &script->posts[script->asked++];
    *ret = (struct http_answer){ .outcome = post->outcome,
                                 .status = post->status,
                                 .body = post->outcome == HTTP_ANSWERED ? strdup(post->body) : NULL,
                                 .len = post->body ? strlen(post->body) : 0,
                                 .problem = "a scripted fault" };
    if (post->outcome == HTTP_ANSWERED && !ret->body) {
        ret->outcome = HTTP_BROKEN;
    }
    snprintf(ret->retry_after, sizeof(ret->retry_after), "%s",
             post->retry_after ? post->retry_after : "");
    script->now_ms += post->took_ms;
    script->last_attempt_ms = request->attempt_ms;
    snprintf(script->last_body, sizeof(script->last_body), "%s", request->body);
    snprintf(script->url, sizeof(script->url), "%s", request->url);
    size_t n = 0;
    for (size_t i = 0; request->headers[i]; i++) {
        n += (size_t)snprintf(script->headers + n, sizeof(script->headers) - n, "%s\n",
                              request->headers[i]);
    }
}

static int64_t script_now_ms(void *arg)
{
    return ((struct script *)arg)->now_ms;
}

static time_t script_unix_time(void *arg)
{
    (void)arg;
    return 784111777; // Sun, 06 Nov 1994 08:49:37 GMT
}

static int script_wait(void *arg, int64_t until_ms)
{
    struct script *script = arg;
    script->waits_ms[script->waits++] = until_ms - script->now_ms;
    script->now_ms = until_ms;
    return script->cancelled ? -ECANCELED : 0;
}

static double script_luck(void *arg)
{
    (void)arg;
    return 0.5;
}

// Asks one question; answers whether it got the right answer.
static int ask(struct script *script, const struct post posts[], const struct price *price,
               struct llm_failure *failure)
{
    struct openai_world world = { script_post, script_now_ms, script_unix_time,
                                  script_wait, script_luck,   script };
    struct openai_options options = {
        .base_url = "http://llm.example/v1//",
        .key = "sk-test",
        .model = "a-model",
        .price = price,
        .connect_ms = 100,
        .attempt_ms = 1000,
        .timeout_ms = 5000,
        .retries = 2,
        .concurrency = 1,
        .world = &world,
    };
    struct llm *llm = NULL;
    json_t *outputs = NULL;
    json_t *inputs =
        json_pack("{s:s, s:s, s:[s]}", "topic", "tea", "language", "en", "captions", "more tea");
    script->posts = posts;
    script->now_ms = script->now_ms ? script->now_ms : 1000000;
    int r = openai_open(&llm, &options);
    if (r == 0) {
        r = llm_complete(llm, &signature_appropriateness, inputs, "appropriateness", 7, &outputs,
                         failure);
    }
    assert_int_equal(r == 0, outputs != NULL);
    llm_close(llm);
    json_decref(outputs);
    json_decref(inputs);
    return r;
}

static double errors(const char *error_type)
{
    char series[160];
    snprintf(series, sizeof(series),
             "external_service_errors_total{service_name=\"llm\",error_type=\"%s\"}", error_type);
    return scrape_value(series);
}

#define CALLS                                                                                      \
    "external_service_latency_seconds_count{service_name=\"llm\",operation=\"chat_completion\"}"

static void test_an_answer(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 200, GOOD, NULL, 10 } };
    const struct price price = { 2, 8 };
    struct script script = { 0 };
    struct llm_failure failure;
    double calls = scrape_value(CALLS);
    (void)state;
    assert_int_equal(ask(&script, posts, &price, &failure), 0);
    assert_int_equal(script.asked, 1);
    assert_string_equal(script.url, "http://llm.example/v1/chat/completions");
    assert_non_null(strstr(script.headers, "Authorization: Bearer sk-test\n"));
    assert_non_null(strstr(script.headers, "Content-Type: application/json\n"));
    assert_int_equal(script.last_attempt_ms, 1000);
    assert_true(scrape_value(CALLS) == calls + 1);
    assert_true(scrape_value("llm_tokens_total{agent_name=\"appropriateness\",model=\"a-model\","
                             "direction=\"input\"}") == 100);
    assert_true(scrape_value("llm_tokens_total{agent_name=\"appropriateness\",model=\"a-model\","
                             "direction=\"output\"}") == 10);
    assert_true(fabs(scrape_value("llm_cost_dollars_total{agent_name=\"appropriateness\","
                                  "model=\"a-model\"}") -
                     0.00028) < 1e-12);
}

static void test_ids_travel(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 200, GOOD, NULL, 0 } };
    struct script script = { 0 };
    struct llm_failure failure;
    struct spy_context_scope scope = spy_context_continue(&(struct spy_incoming){
        .correlation_id = "order-66",
        .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        .tracestate = "congo=t61rcWkgMzE",
        .baggage = "tenant=a%20b" });
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), 0);
    spy_context_detach(scope);
    assert_non_null(strstr(script.headers, "X-Correlation-ID: order-66\n"));
    assert_non_null(strstr(script.headers, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert_non_null(strstr(script.headers, "sentry-trace: 4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert_non_null(strstr(script.headers, "tracestate: congo=t61rcWkgMzE\n"));
    assert_non_null(strstr(script.headers, "baggage: tenant=a%20b\n"));
    assert_null(strstr(script.headers, "00f067aa0ba902b7")); // the call's own span is the parent
}

static void test_what_passes_is_tried_again(void **state)
{
    const struct post posts[] = { { HTTP_UNREACHABLE, 0, NULL, NULL, 10 },
                                  { HTTP_ANSWERED, 503, "{}", NULL, 10 },
                                  { HTTP_ANSWERED, 200, GOOD, NULL, 10 } };
    struct script script = { 0 };
    struct llm_failure failure;
    double refused = errors("refused"), status_5xx = errors("status_5xx");
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), 0);
    assert_int_equal(script.asked, 3);
    assert_int_equal(script.waits, 2);
    assert_int_equal(script.waits_ms[0], 125);
    assert_int_equal(script.waits_ms[1], 250);
    assert_true(errors("refused") == refused + 1 && errors("status_5xx") == status_5xx + 1);
}

static void test_tries_end(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 500, "{}", NULL, 10 },
                                  { HTTP_ANSWERED, 502, "<html>", NULL, 10 },
                                  { HTTP_ANSWERED, 500, "{}", NULL, 10 } };
    struct script script = { 0 };
    struct llm_failure failure;
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), -EIO);
    assert_string_equal(failure.error_type, "status_5xx");
    assert_string_equal(failure.message, "The LLM answered with status 500.");
    assert_int_equal(script.asked, 3);
}

static void test_what_does_not_pass_is_not_tried_again(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 401,
                                    "{\"error\":{\"code\":\"invalid_api_key\"}}", NULL, 10 } };
    struct script script = { 0 };
    struct llm_failure failure;
    double rejected = errors("rejected");
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), -EIO);
    assert_string_equal(failure.error_type, "internal"); // of ours: the meme was not turned down
    assert_string_equal(failure.message, "The LLM answered with status 401: invalid_api_key.");
    assert_int_equal(script.asked, 1);
    assert_true(errors("rejected") == rejected + 1);
}

static void test_retry_after(void **state)
{
    const struct post posts[] = {
        { HTTP_ANSWERED, 429, "{}", "2", 0 },
        { HTTP_ANSWERED, 429, "{}", "Sun, 06 Nov 1994 08:49:38 GMT", 0 },
        { HTTP_ANSWERED, 200, GOOD, NULL, 0 },
    };
    const struct post too_late[] = { { HTTP_ANSWERED, 429, "{}", "6", 0 } };
    struct script script = { 0 }, late = { 0 };
    struct llm_failure failure;
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), 0);
    assert_int_equal(script.waits_ms[0], 2000);
    assert_int_equal(script.waits_ms[1], 1000);
    // What is past the question's time is not waited for.
    assert_int_equal(ask(&late, too_late, NULL, &failure), -EIO);
    assert_string_equal(failure.error_type, "status_429");
    assert_int_equal(late.waits, 0);
}

static void test_time_in_all(void **state)
{
    const struct post posts[] = { { HTTP_TIMED_OUT, 0, NULL, NULL, 4500 },
                                  { HTTP_TIMED_OUT, 0, NULL, NULL, 375 } };
    struct script script = { 0 };
    struct llm_failure failure;
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), -EIO);
    assert_string_equal(failure.error_type, "timeout");
    assert_int_equal(script.asked, 2);
    assert_int_equal(script.last_attempt_ms, 375); // what was left
    assert_int_equal(script.waits, 1);             // none is left for another wait
}

// The time in all is that of a question, the second try included.
static void test_time_in_all_of_both_tries(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 200, WRONG, NULL, 4900 },
                                  { HTTP_TIMED_OUT, 0, NULL, NULL, 100 } };
    struct script script = { 0 };
    struct llm_failure failure;
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), -EIO);
    assert_string_equal(failure.error_type, "timeout");
    assert_int_equal(script.last_attempt_ms, 100);
}

static void test_the_model_is_told(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 200, WRONG, NULL, 10 },
                                  { HTTP_ANSWERED, 200, GOOD, NULL, 10 } };
    const struct post refuses[] = { { HTTP_ANSWERED, 200, REFUSAL, NULL, 10 },
                                    { HTTP_ANSWERED, 200, REFUSAL, NULL, 10 } };
    struct script script = { 0 }, refused = { 0 };
    struct llm_failure failure;
    double bad = errors("bad_answer");
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), 0);
    assert_int_equal(script.asked, 2);
    assert_non_null(strstr(script.last_body, "none of its values"));
    assert_true(errors("bad_answer") == bad + 1);
    assert_int_equal(ask(&refused, refuses, NULL, &failure), -EBADMSG);
    assert_string_equal(failure.error_type, "bad_answer");
    assert_non_null(strstr(refused.last_body, "The answer was a refusal"));
    assert_true(errors("bad_answer") == bad + 3);
}

static void test_garbage_is_asked_for_again(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 200, "<html>", NULL, 10 },
                                  { HTTP_ANSWERED, 200, GOOD, NULL, 10 } };
    struct script script = { 0 };
    struct llm_failure failure;
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), 0);
    assert_null(strstr(script.last_body, "cannot be used"));
}

static void test_a_stop_ends_the_waits(void **state)
{
    const struct post posts[] = { { HTTP_UNREACHABLE, 0, NULL, NULL, 10 } };
    struct script script = { .cancelled = true };
    struct llm_failure failure;
    (void)state;
    assert_int_equal(ask(&script, posts, NULL, &failure), -EIO);
    assert_string_equal(failure.error_type, "refused");
    assert_int_equal(script.asked, 1);
}

static void test_a_stopped_one_asks_nothing(void **state)
{
    struct llm *llm = NULL;
    struct llm_failure failure;
    json_t *outputs = NULL;
    json_t *inputs =
        json_pack("{s:s, s:s, s:[s]}", "topic", "tea", "language", "en", "captions", "more tea");
    struct openai_options options = { .base_url = "http://127.0.0.1:1",
                                      .key = "",
                                      .model = "m",
                                      .timeout_ms = 60000,
                                      .concurrency = 1 };
    (void)state;
    assert_int_equal(openai_open(&llm, &options), 0);
    llm_stop(llm);
    assert_int_equal(
        llm_complete(llm, &signature_appropriateness, inputs, "factuality", 1, &outputs, &failure),
        -EIO);
    assert_string_equal(failure.error_type, "internal");
    llm_close(llm);
    json_decref(inputs);
}

static void test_without_memory(void **state)
{
    const struct post posts[] = { { HTTP_ANSWERED, 200, GOOD, NULL, 10 },
                                  { HTTP_ANSWERED, 200, GOOD, NULL, 10 } };
    struct llm_failure failure = { 0 };
    bool done = false;
    (void)state;
    for (long n = 0; !done; n++) {
        struct openai_world world = { 0 };
        struct script script = { .posts = posts };
        struct openai_options options = { .base_url = "http://llm.example",
                                          .key = "sk-test",
                                          .model = "a-model",
                                          .timeout_ms = 5000,
                                          .concurrency = 4,
                                          .world = &world };
        struct llm *llm = NULL;
        world = (struct openai_world){ script_post, script_now_ms, script_unix_time,
                                       script_wait, script_luck,   &script };
        alloc_fail_after(n);
        done = openai_open(&llm, &options) == 0;
        alloc_fail_never();
        llm_close(llm);
        assert_true(n < 1000);
    }
    for (done = false; !done;) {
        static long n;
        struct script script = { 0 };
        alloc_fail_after(n++);
        // ask() makes its own inputs: where those fail, the question is wrong, and it says so.
        done = ask(&script, posts, NULL, &failure) == 0;
        alloc_fail_never();
        assert_true(n < 10000);
    }
}

static int set_up(void **state)
{
    (void)state;
    return telemetry_register(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_ids_travel),
        cmocka_unit_test(test_what_passes_is_tried_again),
        cmocka_unit_test(test_tries_end),
        cmocka_unit_test(test_what_does_not_pass_is_not_tried_again),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_time_in_all),
        cmocka_unit_test(test_time_in_all_of_both_tries),
        cmocka_unit_test(test_the_model_is_told),
        cmocka_unit_test(test_garbage_is_asked_for_again),
        cmocka_unit_test(test_a_stop_ends_the_waits),
        cmocka_unit_test(test_a_stopped_one_asks_nothing),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
