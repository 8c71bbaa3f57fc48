// The provider: see openai.h. HTTP is http.c's, the form of bodies chat.c's, what to try again and
// when retry.c's; here is the course of a question.

#define SPY_MODULE "llm"

#include "memegen/llm/openai.h"

#include <errno.h>
#include <spyglass/spyglass.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "memegen/llm/chat.h"
#include "memegen/llm/gate.h"
#include "memegen/llm/retry.h"
#include "memegen/telemetry.h"

struct openai {
    struct llm llm; // const after open, as all below but what locks for itself
    char *url, *model, *authorization;
    bool priced;
    struct price price;
    struct openai_options options;
    struct openai_world world;
    struct http *http;
    struct gate *gate;
};

// One HTTP call and what became of it.
struct call {
    const char *body;
    struct chat_answer answer;
    const char *error_type; // NULL: well
    char message[LLM_MESSAGE_BYTES];
    bool retry;             // worth another HTTP call
    bool tells;             // the model may mend it: for llm_complete()
    int64_t retry_after_ms; // -1: the server does not say
};

static void real_post(void *arg, const struct http_request *request, struct http_answer *ret)
{
    http_post(((struct openai *)arg)->http, request, ret);
}

static int64_t real_now_ms(void *arg)
{
    (void)arg;
    return gate_now_ms();
}

static time_t real_unix_time(void *arg)
{
    (void)arg;
    return time(NULL);
}

static int real_wait(void *arg, int64_t until_ms)
{
    return gate_wait(((struct openai *)arg)->gate, until_ms);
}

static double real_luck(void *arg)
{
    uint32_t bits = 0;
    (void)arg;
    // Without randomness at hand the waits are the same for all: worse, and not wrong.
    return getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits) ? bits * 0x1p-32 : 0.5;
}

static int out_of_memory(struct llm_failure *failure)
{
    failure->error_type = "internal";
    snprintf(failure->message, sizeof(failure->message), "out of memory");
    return -ENOMEM;
}

__attribute__((format(printf, 3, 4))) static void
fail_call(struct call *call, const char *error_type, const char *format, ...)
{
    va_list args;
    call->error_type = error_type;
    va_start(args, format);
    vsnprintf(call->message, sizeof(call->message), format, args);
    va_end(args);
}

// An answer of success: is it what was asked for?
static void judge(struct openai *openai, const struct llm_question *question, struct call *call,
                  const struct http_answer *answer)
{
    char problem[SIGNATURE_PROBLEM_BYTES];
    json_t *value;
    int r = chat_read(&call->answer, answer->body, answer->len);
    const struct chat_usage *usage = &call->answer.usage;
    telemetry_llm_usage(question->agent, openai->model, usage->input_tokens, usage->output_tokens,
                        openai->priced ? price_of(&openai->price, usage) : -1);
    if (r == 0) {
        r = signature_read_answer(question->signature, question->inputs, call->answer.text,
                                  strlen(call->answer.text), &value, problem, sizeof(problem));
        if (r == 0) {
            json_decref(value);
            return;
        }
        snprintf(call->answer.problem, sizeof(call->answer.problem), "%s", problem);
    }
    if (r == -ENOMEM) {
        fail_call(call, "internal", "out of memory");
        return;
    }
    call->tells = true;
    fail_call(call, "bad_answer", "%s", call->answer.problem);
}

static void read_answer(struct openai *openai, const struct llm_question *question,
                        struct call *call, const struct http_answer *answer)
{
    const char *error_type = retry_error_type(answer);
    char code[64];
    call->retry = retry_is_worth(answer);
    if (!error_type) {
        judge(openai, question, call, answer);
    } else if (answer->outcome == HTTP_ANSWERED) {
        chat_error_code(code, sizeof(code), answer->body, answer->len);
        fail_call(call, error_type, "The LLM answered with status %ld%s%s.", answer->status,
                  code[0] ? ": " : "", code);
        call->retry_after_ms =
            retry_after_ms(answer->retry_after, openai->world.unix_time(openai->world.arg));
    } else {
        fail_call(call, error_type, "The LLM gave no answer: %s.", answer->problem);
    }
}

#define HEADERS_MAX 16

// The headers of a call.
struct header_list {
    const char *lines[HEADERS_MAX + 1]; // NULL-ended
    size_t count;
    char *owned[HEADERS_MAX];
    size_t owned_count;
};

// What spy_propagate() gives. One for which there is no memory is left out: so is the call, then.
static void add_header(void *arg, const char *name, const char *value)
{
    struct header_list *list = arg;
    char *line = NULL;
    if (list->count < HEADERS_MAX && asprintf(&line, "%s: %s", name, value) >= 0) {
        list->owned[list->owned_count++] = line;
        list->lines[list->count++] = line;
    }
}

static void free_headers(struct header_list *list)
{
    for (size_t i = 0; i < list->owned_count; i++) {
        free(list->owned[i]);
    }
}

// One HTTP call, a telemetry_external operation. timeout_ms: what is left of the question's time.
static void make_call(struct openai *openai, const struct llm_question *question, struct call *call,
                      int64_t timeout_ms)
{
    const struct openai_options *options = &openai->options;
    struct header_list headers = { .lines = { "Content-Type: application/json",
                                              "Accept: application/json",
                                              "User-Agent: memegen/" SPYGLASS_VERSION, "Expect:" },
                                   .count = 4 };
    struct http_answer answer;
    struct spy_span span = spy_begin(&telemetry_external, "llm", "chat_completion");
    if (openai->authorization) {
        headers.lines[headers.count++] = openai->authorization;
    }
    spy_propagate(add_header, &headers);
    int64_t attempt_ms = timeout_ms < options->attempt_ms ? timeout_ms : options->attempt_ms;
    openai->world.post(openai->world.arg,
                       &(struct http_request){ .url = openai->url,
                                               .headers = headers.lines,
                                               .body = call->body,
                                               .connect_ms = options->connect_ms,
                                               .attempt_ms = (unsigned)attempt_ms,
                                               .answer_max = CHAT_BYTES_MAX },
                       &answer);
    free_headers(&headers);
    read_answer(openai, question, call, &answer);
    http_answer_done(&answer);
    const struct chat_usage *usage = &call->answer.usage;
    const struct spy_field known[] = {
        spy_str("op", "gen_ai.chat"), // https://opentelemetry.io/docs/specs/semconv/gen-ai/
        spy_str("gen_ai.operation.name", "chat"),
        spy_str("gen_ai.provider.name", "openai"),
        spy_str("gen_ai.request.model", openai->model),
        spy_str("gen_ai.agent.name", question->agent),
        spy_int("gen_ai.usage.input_tokens", usage->input_tokens),
        spy_int("gen_ai.usage.output_tokens", usage->output_tokens),
    };
    spy_span_attributes(&span, known, sizeof(known) / sizeof(known[0]));
    spy_end(&span, call->error_type ? spy_failure(call->error_type, call->message) : SPY_SUCCESS);
}

// Whether there is a place, and time, for another HTTP call.
static int enter(struct openai *openai, struct call *call, int64_t deadline_ms)
{
    int r = gate_enter(openai->gate, deadline_ms);
    if (r == -ETIMEDOUT) {
        fail_call(call, "timeout", "Too many calls of the LLM were under way for too long.");
    } else if (r < 0) {
        fail_call(call, "internal", "memegen is stopping.");
    }
    return r;
}

// The wait before the next HTTP call; false where there is no time for it.
static bool wait_before_next(struct openai *openai, const struct call *call, unsigned failed_before,
                             int64_t deadline_ms)
{
    const struct openai_world *world = &openai->world;
    int64_t wait_ms = retry_backoff_ms(failed_before, world->luck(world->arg));
    int64_t now_ms = world->now_ms(world->arg);
    wait_ms = wait_ms > call->retry_after_ms ? wait_ms : call->retry_after_ms;
    return wait_ms < deadline_ms - now_ms && world->wait(world->arg, now_ms + wait_ms) == 0;
}

static int answer_of(struct call *call, char **ret_text, struct llm_failure *failure)
{
    *ret_text = call->answer.text;
    if (!call->error_type) {
        return 0;
    }
    // For the pipeline, "rejected" is a meme that was turned down: a call that was is our fault.
    failure->error_type = strcmp(call->error_type, "rejected") == 0 ? "internal" : call->error_type;
    snprintf(failure->message, sizeof(failure->message), "%s", call->message);
    if (call->tells) {
        return -EBADMSG;
    }
    free(call->answer.text);
    *ret_text = NULL;
    return -EIO;
}

static int openai_answer(struct llm *llm, const struct llm_question *question, char **ret_text,
                         struct llm_failure *failure)
{
    struct openai *openai = (struct openai *)llm;
    const struct openai_world *world = &openai->world;
    int64_t now_ms = world->now_ms(world->arg);
    int64_t *deadline_ms = question->deadline_ms;
    struct call call;
    char *body = chat_request(openai->model, question);
    if (!body) {
        return out_of_memory(failure);
    }
    if (!*deadline_ms) {
        *deadline_ms = now_ms + openai->options.timeout_ms;
    }
    for (unsigned failed = 0;; failed++) {
        call = (struct call){ .body = body, .retry_after_ms = -1 };
        if (enter(openai, &call, *deadline_ms) < 0) {
            break;
        }
        now_ms = world->now_ms(world->arg);
        if (now_ms < *deadline_ms) {
            make_call(openai, question, &call, *deadline_ms - now_ms);
        } else {
            fail_call(&call, "timeout", "The LLM had no time left to answer in.");
        }
        gate_leave(openai->gate);
        if (!call.error_type || !call.retry || failed == openai->options.retries ||
            !wait_before_next(openai, &call, failed, *deadline_ms)) {
            break;
        }
    }
    free(body);
    return answer_of(&call, ret_text, failure);
}

static void openai_stop(struct llm *llm)
{
    struct openai *openai = (struct openai *)llm;
    gate_shut(openai->gate);
    http_stop(openai->http);
}

static void openai_close(struct llm *llm)
{
    struct openai *openai = (struct openai *)llm;
    http_free(openai->http);
    gate_free(openai->gate);
    free(openai->url);
    free(openai->model);
    if (openai->authorization) {
        explicit_bzero(openai->authorization, strlen(openai->authorization));
    }
    free(openai->authorization);
    free(openai);
}

// base_url may end in slashes. Returns malloc; NULL without memory.
static char *join_url(const char *base_url)
{
    char *url = NULL;
    size_t n = strlen(base_url);
    while (n > 0 && base_url[n - 1] == '/') {
        n--;
    }
    return asprintf(&url, "%.*s/chat/completions", (int)n, base_url) < 0 ? NULL : url;
}

static int copy_texts(struct openai *openai, const struct openai_options *options)
{
    openai->url = join_url(options->base_url);
    openai->model = strdup(options->model);
    if (options->key[0] &&
        asprintf(&openai->authorization, "Authorization: Bearer %s", options->key) < 0) {
        openai->authorization = NULL;
        return -ENOMEM;
    }
    return openai->url && openai->model ? 0 : -ENOMEM;
}

int openai_open(struct llm **ret, const struct openai_options *options)
{
    static const struct llm_ops ops = { openai_answer, openai_close, openai_stop };
    struct openai *openai = calloc(1, sizeof(*openai));
    if (!openai) {
        return -ENOMEM;
    }
    openai->llm.ops = &ops;
    openai->options = *options;
    openai->world = options->world ? *options->world
                                   : (struct openai_world){ real_post, real_now_ms, real_unix_time,
                                                            real_wait, real_luck,   openai };
    if (options->price) {
        openai->priced = true;
        openai->price = *options->price;
    }
    openai->http = http_new(options->concurrency);
    openai->gate = gate_new(options->concurrency);
    if (!openai->http || !openai->gate || copy_texts(openai, options) < 0) {
        openai_close(&openai->llm);
        return -ENOMEM;
    }
    *ret = &openai->llm;
    return 0;
}
