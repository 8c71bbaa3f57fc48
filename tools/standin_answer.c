#include "tools/standin_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memegen/llm/dice.h"

#define TEXT_BYTES 401
// Models count about four bytes a token.
#define TOKEN_BYTES 4
// A schema may nest; ours do not.
#define DEPTH_MAX 8

// What the text is about, where the question says so: memegen's questions are JSON objects.
struct subject {
    const char *topic;
    const json_t *chars; // most characters of the i-th text of a list, or NULL
    struct dice dice;
};

// %s is the topic. Openings are first in a list, punch lines last.
static const char *const openings[] = {
    "%s", "Me: %s", "%s on Monday", "So, %s", "Nobody: %s", "%s, they said", "Day one: %s",
};
static const char *const turns[] = {
    "%s, again", "still %s", "more %s", "%s, but louder", "%s with extra steps",
};
static const char *const punch_lines[] = {
    "it compiled once", "works on my machine", "we do not talk about it", "ship it anyway",
    "this is fine",     "undefined behaviour", "have you tried tea?",
};
static const char *const remarks[] = {
    "The stand-in has looked at this and finds it fine.",
    "Everyone has been here, and nobody admits it.",
    "It ends where nobody expects it to.",
};

const char *standin_schema_name(const json_t *request)
{
    const json_t *format = json_object_get(request, "response_format");
    const char *name =
        json_string_value(json_object_get(json_object_get(format, "json_schema"), "name"));
    return name ? name : "text";
}

// Whole characters alone, at most chars_max of them, where that is above 0.
static size_t cut(const char *text, size_t chars_max)
{
    size_t n = 0, chars = 0;
    while (text[n]) {
        size_t next = n + 1;
        while (((unsigned char)text[next] & 0xc0) == 0x80) {
            next++;
        }
        if ((chars_max > 0 && chars == chars_max) || next >= TEXT_BYTES) {
            break;
        }
        n = next;
        chars++;
    }
    return n;
}

#define PICK(list) list[dice_below(&subject->dice, sizeof(list) / sizeof(list[0]))]

static json_t *write_text(struct subject *subject, size_t i, size_t count, size_t chars_max)
{
    char text[TEXT_BYTES * 3];
    const char *form = i == 0 ? PICK(openings) : i + 1 == count ? PICK(punch_lines) : PICK(turns);
    const char *topic_at = strstr(form, "%s");
    int before = topic_at ? (int)(topic_at - form) : (int)strlen(form);
    snprintf(text, sizeof(text), "%.*s%.800s%s", before, form, topic_at ? subject->topic : "",
             topic_at ? topic_at + 2 : "");
    // The topic by itself, where the form leaves no room for all of it.
    if (topic_at && text[cut(text, chars_max)]) {
        snprintf(text, sizeof(text), "%.800s", subject->topic);
    }
    size_t n = cut(text, chars_max);
    while (n > 1 && text[n - 1] == ' ') {
        n--;
    }
    return json_stringn(text, n);
}

static json_t *write_value(struct subject *subject, const json_t *schema, int depth);

static json_t *write_object(struct subject *subject, const json_t *schema, int depth)
{
    json_t *object = json_object();
    const char *name;
    json_t *property;
    json_object_foreach(json_object_get(schema, "properties"), name, property)
    {
        json_object_set_new(object, name, write_value(subject, property, depth + 1));
    }
    return object;
}

static json_t *write_list(struct subject *subject, const json_t *schema, int depth)
{
    const json_t *items = json_object_get(schema, "items");
    const char *type = json_string_value(json_object_get(items, "type"));
    json_int_t min = json_integer_value(json_object_get(schema, "minItems"));
    size_t count = min > 0 && min <= 64 ? (size_t)min : json_object_get(schema, "minItems") ? 0 : 1;
    bool texts = type && strcmp(type, "string") == 0 && !json_object_get(items, "enum");
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_int_t chars = json_integer_value(json_array_get(subject->chars, i));
        json_array_append_new(list,
                              texts ? write_text(subject, i, count, chars > 0 ? (size_t)chars : 0)
                                    : write_value(subject, items, depth + 1));
    }
    return list;
}

// In the upper third of its range: the stand-in likes what it is shown.
static double write_number(struct subject *subject, const json_t *schema)
{
    const json_t *max = json_object_get(schema, "maximum");
    double low = json_number_value(json_object_get(schema, "minimum"));
    double high = max ? json_number_value(max) : low + 1;
    return high - (high - low) * dice_unit(&subject->dice) / 3;
}

static json_t *write_value(struct subject *subject, const json_t *schema, int depth)
{
    const json_t *values = json_object_get(schema, "enum");
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (depth > DEPTH_MAX || !type) {
        return json_null();
    }
    if (values) { // the first: who lists values begins with what should be
        return json_deep_copy(json_array_get(values, 0));
    }
    if (strcmp(type, "object") == 0) {
        return write_object(subject, schema, depth);
    }
    if (strcmp(type, "array") == 0) {
        return write_list(subject, schema, depth);
    }
    if (strcmp(type, "integer") == 0) {
        return json_integer((json_int_t)write_number(subject, schema));
    }
    if (strcmp(type, "number") == 0) {
        return json_real((double)(int)(write_number(subject, schema) * 1000) / 1000);
    }
    if (strcmp(type, "boolean") == 0) {
        return json_true();
    }
    return strcmp(type, "string") == 0 ? json_string(PICK(remarks)) : json_null();
}

// The newest message of the user that is a JSON object; a new reference or NULL.
static json_t *read_question(const json_t *request)
{
    const json_t *messages = json_object_get(request, "messages");
    for (size_t i = json_array_size(messages); i-- > 0;) {
        const json_t *message = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(message, "role"));
        const char *content = json_string_value(json_object_get(message, "content"));
        json_t *question =
            role && content && strcmp(role, "user") == 0 ? json_loads(content, 0, NULL) : NULL;
        if (json_is_object(question)) {
            return question;
        }
        json_decref(question);
    }
    return NULL;
}

static char *write_content(const json_t *request, enum standin_fault fault, uint64_t seed)
{
    const json_t *schema = json_object_get(
        json_object_get(json_object_get(request, "response_format"), "json_schema"), "schema");
    if (fault == FAULT_PROSE || (!schema && fault == FAULT_NONE)) {
        return strdup("Sure! Here is a meme for you: when it works and nobody knows why.");
    }
    if (fault == FAULT_WRONG_SCHEMA) {
        return strdup("{\"joke\": 42, \"laughs\": [\"ha\", \"ha\"]}");
    }
    json_t *question = read_question(request);
    const char *topic = json_string_value(json_object_get(question, "topic"));
    struct subject subject = { topic ? topic : "this",
                               json_object_get(question, "slot_chars"),
                               { seed } };
    json_t *value = write_value(&subject, schema, 0);
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    json_decref(question);
    return text;
}

static size_t prompt_bytes(const json_t *request)
{
    const json_t *messages = json_object_get(request, "messages");
    size_t bytes = 0;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        bytes += json_string_length(json_object_get(json_array_get(messages, i), "content"));
    }
    return bytes;
}

json_t *standin_completion(const json_t *request, enum standin_fault fault, uint64_t seed)
{
    bool refuses = fault == FAULT_REFUSAL;
    const char *refusal = "I'm sorry, I can't help with that.";
    const char *model = json_string_value(json_object_get(request, "model"));
    char id[40];
    char *content = refuses ? NULL : write_content(request, fault, seed);
    size_t written = content ? strlen(content) : strlen(refusal);
    json_int_t prompt = (json_int_t)(prompt_bytes(request) / TOKEN_BYTES + 1);
    json_int_t completion = (json_int_t)(written / TOKEN_BYTES + 1);
    snprintf(id, sizeof(id), "chatcmpl-%016llx", (unsigned long long)seed);
    json_t *root =
        json_pack("{s:s, s:s, s:I, s:s, s:[{s:i, s:{s:s, s:s?, s:s?}, s:s}], s:{s:I, s:I, s:I}}",
                  "id", id, "object", "chat.completion", "created", (json_int_t)time(NULL), "model",
                  model ? model : "stand-in", "choices", "index", 0, "message", "role", "assistant",
                  "content", content, "refusal", refuses ? refusal : NULL, "finish_reason", "stop",
                  "usage", "prompt_tokens", prompt, "completion_tokens", completion, "total_tokens",
                  prompt + completion);
    free(content);
    return root;
}

json_t *standin_error(const char *type, const char *message)
{
    return json_pack("{s:{s:s, s:s, s:n, s:n}}", "error", "message", message, "type", type, "param",
                     "code");
}
