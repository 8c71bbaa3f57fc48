// Signatures: the checks. The prompt and the schema are written in signature_text.c.

#include "memegen/llm/signature.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memegen/llm/words.h"

// What is being checked, and where what is wrong gets written.
struct check {
    const json_t *inputs;
    char *problem;
    size_t size;
};

static int __attribute__((format(printf, 2, 3)))
wrong(const struct check *check, const char *format, ...)
{
    va_list args;
    char text[1024];
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    // The problem may quote the answer: clean it, and cut it at a character.
    words_clean(check->problem, check->size, text);
    return -EINVAL;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a truth value";
    case JSON_NULL:
        break;
    }
    return "null";
}

// `where` is the field's name, with the item's number behind it in a list.
static int check_string(const struct check *check, const struct sig_field *field, const char *where,
                        const json_t *value, size_t chars_max)
{
    if (!json_is_string(value)) {
        return wrong(check, "%s must be a string, not %s.", where, type_name(value));
    }
    const char *text = json_string_value(value);
    if (strlen(text) != json_string_length(value)) {
        return wrong(check, "%s has a NUL character inside.", where);
    }
    if (!*text && !field->may_be_empty) {
        return wrong(check, "%s is empty.", where);
    }
    size_t chars = words_chars(text);
    if (chars_max > 0 && chars > chars_max) {
        return wrong(check, "%s has %zu characters, at most %zu are allowed: \"%.60s\".", where,
                     chars, chars_max, text);
    }
    return 0;
}

static int check_number(const struct check *check, const struct sig_field *field, const char *where,
                        const json_t *value, bool whole)
{
    if (whole ? !json_is_integer(value) : !json_is_number(value)) {
        return wrong(check, "%s must be %s, not %s.", where, whole ? "a whole number" : "a number",
                     json_is_real(value) ? "a fraction" : type_name(value));
    }
    double number = json_number_value(value);
    if (field->min < field->max && !(number >= field->min && number <= field->max)) {
        return wrong(check, "%s is %g; it must be from %g to %g.", where, number, field->min,
                     field->max);
    }
    return 0;
}

static int check_enum(const struct check *check, const struct sig_field *field, const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text) {
        return wrong(check, "%s must be a string, not %s.", field->name, type_name(value));
    }
    for (size_t i = 0; field->values[i]; i++) {
        if (strcmp(text, field->values[i]) == 0) {
            return 0;
        }
    }
    return wrong(check, "%s is \"%.60s\", which is none of its values.", field->name, text);
}

static int check_count(const struct check *check, const struct sig_field *field, size_t count)
{
    size_t exactly =
        field->items_as ? json_array_size(json_object_get(check->inputs, field->items_as)) : 0;
    if (field->items_as && count != exactly) {
        return wrong(check, "%s has %zu items; it must have exactly %zu.", field->name, count,
                     exactly);
    }
    if (field->items_max > 0 && (count < field->items_min || count > field->items_max)) {
        return wrong(check, "%s has %zu items; it must have %zu to %zu.", field->name, count,
                     field->items_min, field->items_max);
    }
    return 0;
}

static int check_list(const struct check *check, const struct sig_field *field, const json_t *value)
{
    if (!json_is_array(value)) {
        return wrong(check, "%s must be a list, not %s.", field->name, type_name(value));
    }
    int r = check_count(check, field, json_array_size(value));
    const json_t *limits = field->chars_as ? json_object_get(check->inputs, field->chars_as) : NULL;
    for (size_t i = 0; r == 0 && i < json_array_size(value); i++) {
        char where[96];
        snprintf(where, sizeof(where), "%s[%zu]", field->name, i);
        const json_t *item = json_array_get(value, i);
        if (field->type == SIG_INTS) {
            r = check_number(check, field, where, item, true);
            continue;
        }
        json_int_t limit = json_integer_value(json_array_get(limits, i));
        r = check_string(check, field, where, item, limit > 0 ? (size_t)limit : field->chars_max);
    }
    return r;
}

static int check_field(const struct check *check, const struct sig_field *field,
                       const json_t *value)
{
    switch (field->type) {
    case SIG_STRING:
        return check_string(check, field, field->name, value, field->chars_max);
    case SIG_INT:
        return check_number(check, field, field->name, value, true);
    case SIG_NUMBER:
        return check_number(check, field, field->name, value, false);
    case SIG_BOOL:
        return json_is_boolean(value) ? 0
                                      : wrong(check, "%s must be true or false, not %s.",
                                              field->name, type_name(value));
    case SIG_ENUM:
        return check_enum(check, field, value);
    case SIG_STRINGS:
    case SIG_INTS:
        return check_list(check, field, value);
    }
    return -EINVAL;
}

// Every field there and right, and no other.
static int check_object(const struct check *check, const struct sig_field *fields,
                        const json_t *object)
{
    if (!json_is_object(object)) {
        return wrong(check, "The answer must be a JSON object, not %s.",
                     object ? type_name(object) : "nothing");
    }
    for (const struct sig_field *field = fields; field->name; field++) {
        const json_t *value = json_object_get(object, field->name);
        if (!value && field->optional) {
            continue;
        }
        int r = value ? check_field(check, field, value)
                      : wrong(check, "The field \"%s\" is missing.", field->name);
        if (r < 0) {
            return r;
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        const struct sig_field *field = fields;
        while (field->name && strcmp(field->name, key) != 0) {
            field++;
        }
        if (!field->name) {
            return wrong(check, "There is no field \"%.60s\" in the answer's form.", key);
        }
    }
    return 0;
}

int signature_check_inputs(const struct signature *signature, const json_t *inputs, char *problem,
                           size_t size)
{
    return check_object(&(struct check){ inputs, problem, size }, signature->inputs, inputs);
}

// Takes the white space off both ends, and one Markdown code fence ("```json … ```"), which models
// without a strict mode like to put around JSON.
static void unwrap(const char **text, size_t *len)
{
    const char *s = *text, *end = s + *len;
    while (s < end && strchr(" \t\r\n", *s) && *s) {
        s++;
    }
    while (end > s && strchr(" \t\r\n", end[-1]) && end[-1]) {
        end--;
    }
    if (end - s >= 6 && memcmp(s, "```", 3) == 0 && memcmp(end - 3, "```", 3) == 0) {
        const char *line = memchr(s, '\n', (size_t)(end - s));
        if (line && line < end - 3) {
            s = line + 1;
            end -= 3;
        }
    }
    *text = s;
    *len = (size_t)(end - s);
}

int signature_read_answer(const struct signature *signature, const json_t *inputs, const char *text,
                          size_t len, json_t **ret, char *problem, size_t size)
{
    struct check check = { inputs, problem, size };
    if (len > SIGNATURE_ANSWER_MAX) {
        return wrong(&check, "The answer has %zu bytes, more than %u.", len, SIGNATURE_ANSWER_MAX);
    }
    unwrap(&text, &len);
    if (len == 0) {
        return wrong(&check, "The answer is empty.");
    }
    json_error_t error;
    json_t *answer = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!answer) {
        return wrong(&check, "The answer is not JSON: %s (line %d, column %d).", error.text,
                     error.line, error.column);
    }
    int r = check_object(&check, signature->outputs, answer);
    if (r < 0) {
        json_decref(answer);
        return r;
    }
    *ret = answer;
    return 0;
}
