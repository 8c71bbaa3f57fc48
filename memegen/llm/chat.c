#include "memegen/llm/chat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// More than any call uses; a number beyond it is no count.
#define TOKENS_MAX 100000000

// Takes the content, a string from malloc or NULL.
static int add_message(json_t *messages, const char *role, char *content)
{
    json_t *message = content ? json_pack("{s:s, s:s}", "role", role, "content", content) : NULL;
    free(content);
    return json_array_append_new(messages, message);
}

// What the model said before, and what was wrong about it.
static int add_complaint(json_t *messages, const struct llm_question *question)
{
    char *complaint = NULL;
    if (asprintf(&complaint,
                 "That cannot be used. %s Answer again, with the whole JSON object alone.",
                 question->problem) < 0) {
        return -1;
    }
    if (add_message(messages, "assistant", strdup(question->bad_answer))) {
        free(complaint);
        return -1;
    }
    return add_message(messages, "user", complaint);
}

static json_t *write_messages(const struct llm_question *question)
{
    const struct signature *signature = question->signature;
    json_t *messages = json_array();
    int failed =
        !messages ||
        add_message(messages, "system", signature_system_text(signature, question->inputs)) ||
        add_message(messages, "user", signature_user_text(signature, question->inputs)) ||
        (question->bad_answer && add_complaint(messages, question));
    if (failed) {
        json_decref(messages);
        return NULL;
    }
    return messages;
}

char *chat_request(const char *model, const struct llm_question *question)
{
    // json_pack() takes what it is given by "o", even where it fails, and fails where that is NULL.
    json_t *root =
        json_pack("{s:s, s:o, s:{s:s, s:{s:s, s:b, s:o}}, s:I}", "model", model, "messages",
                  write_messages(question), "response_format", "type", "json_schema", "json_schema",
                  "name", question->signature->name, "strict", 1, "schema",
                  signature_schema(question->signature, question->inputs), "seed",
                  (json_int_t)(question->seed & INT64_MAX));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static long tokens(const json_t *usage, const char *name)
{
    const json_t *value = json_object_get(usage, name);
    json_int_t n = json_integer_value(value);
    return n > 0 && n <= TOKENS_MAX ? (long)n : 0;
}

static int no_answer(struct chat_answer *ret, const char *problem)
{
    snprintf(ret->problem, sizeof(ret->problem), "%s", problem);
    return -EBADMSG;
}

// The first choice's message: content, or a refusal in its place.
static int read_choice(struct chat_answer *ret, const json_t *choice)
{
    const json_t *message = json_object_get(choice, "message");
    const json_t *refusal = json_object_get(message, "refusal");
    const json_t *content = json_object_get(message, "content");
    const char *why = json_string_value(json_object_get(choice, "finish_reason"));
    bool refused = json_string_length(refusal) > 0;
    const json_t *said = refused ? refusal : content;
    bool filtered = why && strcmp(why, "content_filter") == 0;
    bool cut = why && strcmp(why, "length") == 0;
    if (!json_is_string(said) && !filtered) {
        return no_answer(ret, "The answer has no message.");
    }
    if (strlen(json_is_string(said) ? json_string_value(said) : "") != json_string_length(said)) {
        return no_answer(ret, "The answer has a NUL character inside.");
    }
    ret->text = strdup(json_is_string(said) ? json_string_value(said) : "");
    if (!ret->text) {
        return -ENOMEM;
    }
    if (refused || filtered || cut) {
        ret->declined = true;
        return no_answer(ret, cut ? "The answer was cut off: it must be shorter."
                                  : "The answer was a refusal; a harmless one is wanted.");
    }
    return 0;
}

int chat_read(struct chat_answer *ret, const char *body, size_t len)
{
    *ret = (struct chat_answer){ .text = NULL };
    if (len > CHAT_BYTES_MAX) {
        return no_answer(ret, "The answer's body is too long.");
    }
    json_t *root = json_loadb(body, len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return no_answer(ret, "The answer's body is not JSON of a chat completion.");
    }
    const json_t *usage = json_object_get(root, "usage");
    ret->usage =
        (struct chat_usage){ tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens") };
    int r = read_choice(ret, json_array_get(json_object_get(root, "choices"), 0));
    json_decref(root);
    return r;
}

void chat_error_code(char *ret, size_t size, const char *body, size_t len)
{
    static const char *const names[] = { "code", "type" };
    json_t *root = len <= CHAT_BYTES_MAX ? json_loadb(body, len, 0, NULL) : NULL;
    const json_t *error = json_object_get(root, "error");
    ret[0] = '\0';
    for (size_t i = 0; i < 2 && !ret[0]; i++) {
        const char *code = json_string_value(json_object_get(error, names[i]));
        size_t n = code ? strspn(code, "abcdefghijklmnopqrstuvwxyz_") : 0;
        if (n > 0 && n < size && !code[n]) {
            snprintf(ret, size, "%s", code);
        }
    }
    json_decref(root);
}
