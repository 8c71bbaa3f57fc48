// Bodies are read by jansson, which refuses what RFC 8259 refuses; keys are looked up in a table of
// fields, so that an unknown one is a problem and not a riddle for the client ("why is my usr_id
// ignored?").

#include "memegen/api/request.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "memegen/api/text.h"

enum field_kind { FIELD_TEXT, FIELD_BOOL, FIELD_SEED };

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    bool trim;        // white space at both ends is not part of it
    size_t chars_max; // FIELD_TEXT
    size_t size;      // FIELD_TEXT: bytes of its buffer, the NUL included
    size_t offset;    // in the struct that is filled
};

#define AT(type, member) sizeof(((type *)NULL)->member), offsetof(type, member)
#define NAME REQUEST_NAME_CHARS_MAX

static const struct field meme_fields[] = {
    { "topic", FIELD_TEXT, true, true, MEME_TOPIC_CHARS_MAX, AT(struct meme_request, topic) },
    { "user_id", FIELD_TEXT, false, false, NAME, AT(struct meme_request, user_id) },
    { "template_id", FIELD_TEXT, false, false, NAME, AT(struct meme_request, template_id) },
    { "style", FIELD_TEXT, false, true, NAME, AT(struct meme_request, style) },
    { "use_trends", FIELD_BOOL, false, false, 0, AT(struct meme_request, use_trends) },
    { "seed", FIELD_SEED, false, false, 0, AT(struct meme_request, seed) },
};

static const struct field interaction_fields[] = {
    { "interaction_type", FIELD_TEXT, true, true, NAME, AT(struct store_interaction, type) },
    { "platform", FIELD_TEXT, true, true, NAME, AT(struct store_interaction, platform) },
    { "user_id", FIELD_TEXT, true, false, NAME, AT(struct store_interaction, user_id) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Fills *problem and returns false, to be returned. The name goes into JSON: a long one is cut at a
// character.
__attribute__((format(printf, 5, 6))) static bool refuse(struct problem *problem, int status,
                                                         const char *code, const char *field,
                                                         const char *format, ...)
{
    size_t n = strlen(field);
    va_list args;

    if (n >= sizeof(problem->field)) {
        n = sizeof(problem->field) - 1;
        while (n > 0 && ((unsigned char)field[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    problem->status = status;
    problem->code = code;
    memcpy(problem->field, field, n);
    problem->field[n] = '\0';
    va_start(args, format);
    vsnprintf(problem->message, sizeof(problem->message), format, args);
    va_end(args);
    return false;
}

static bool invalid(struct problem *problem, const char *field, const char *message)
{
    return refuse(problem, 422, "invalid_field", field, "%s", message);
}

bool request_is_json(const char *content_type)
{
    static const char type[] = "application/json";
    static const char charset[] = "charset=";
    const char *p = content_type;

    if (!p || strncasecmp(p, type, sizeof(type) - 1) != 0) {
        return false;
    }
    p += sizeof(type) - 1;
    p += strspn(p, " \t");
    if (*p == '\0') {
        return true;
    }
    if (*p != ';') {
        return false;
    }
    p++;
    p += strspn(p, " \t");
    if (*p == '\0') { // "application/json;" is sent by some clients
        return true;
    }
    if (strncasecmp(p, charset, sizeof(charset) - 1) != 0) {
        return false;
    }
    p += sizeof(charset) - 1;
    bool quoted = *p == '"';
    p += quoted;
    if (strncasecmp(p, "utf-8", 5) != 0) {
        return false;
    }
    p += 5;
    if (quoted && *p++ != '"') {
        return false;
    }
    return p[strspn(p, " \t")] == '\0';
}

static bool read_text(const struct field *field, json_t *value, char *ret, struct problem *problem)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    size_t control, chars;

    if (!text) {
        return invalid(problem, field->name, "must be a string");
    }
    if (field->trim) {
        text = text_trim(text, &len);
    }
    chars = text_measure(text, len, &control);
    if (control) {
        return refuse(problem, 422, "invalid_field", field->name,
                      "has a control character in place %zu", control);
    }
    if (chars == 0 || chars > field->chars_max) {
        return refuse(problem, 422, "invalid_field", field->name,
                      "must have 1 to %zu characters, and has %zu", field->chars_max, chars);
    }
    if (len >= field->size) {
        return refuse(problem, 422, "invalid_field", field->name,
                      "must have at most %zu bytes of UTF-8, and has %zu", field->size - 1, len);
    }
    memcpy(ret, text, len);
    ret[len] = '\0';
    return true;
}

static bool read_field(const struct field *field, json_t *value, void *ret, struct problem *problem)
{
    char *at = (char *)ret + field->offset;

    switch (field->kind) {
    case FIELD_TEXT:
        return read_text(field, value, at, problem);
    case FIELD_BOOL:
        if (!json_is_boolean(value)) {
            return invalid(problem, field->name, "must be true or false");
        }
        *(bool *)at = json_is_true(value);
        return true;
    case FIELD_SEED:
        break;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return invalid(problem, field->name, "must be an integer from 0 to 9223372036854775807");
    }
    *(uint64_t *)at = (uint64_t)json_integer_value(value);
    return true;
}

static const struct field *find_field(const struct field fields[], size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool read_object(json_t *root, const struct field fields[], size_t n, void *ret,
                        struct problem *problem)
{
    const char *key;
    json_t *value;

    if (!json_is_object(root)) {
        return refuse(problem, 422, "invalid_field", "", "The body must be a JSON object.");
    }
    json_object_foreach(root, key, value)
    {
        const struct field *field = find_field(fields, n, key);
        if (!field) {
            return invalid(problem, key, "is not a field of this request");
        }
        // null says the same as leaving an optional field out.
        if (json_is_null(value) && !field->required) {
            continue;
        }
        if (!read_field(field, value, ret, problem)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (fields[i].required && !json_object_get(root, fields[i].name)) {
            return invalid(problem, fields[i].name, "is missing");
        }
    }
    return true;
}

// Returns the tree, or NULL with *problem set. NUL may stand in a string (RFC 8259 allows \u0000),
// so that the field's own check can name it.
static json_t *parse(const char *body, size_t len, struct problem *problem)
{
    json_error_t error;
    json_t *root =
        json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    // jansson's own sentence quotes what stands near its finding, raw: where it is says enough.
    if (!root && json_error_code(&error) == json_error_out_of_memory) {
        refuse(problem, 500, "internal", "", "There was no memory for this request.");
    } else if (!root && json_error_code(&error) == json_error_duplicate_key) {
        refuse(problem, 400, "bad_json", "", "The body has a key twice, in line %d.", error.line);
    } else if (!root && json_error_code(&error) == json_error_null_byte_in_key) {
        // Valid by RFC 8259, and not to be had from jansson; no field of ours is called so.
        refuse(problem, 422, "invalid_field", "", "The body has a key with a NUL character in it.");
    } else if (!root) {
        refuse(problem, 400, "bad_json", "", "The body is not valid JSON: line %d, column %d.",
               error.line, error.column);
    }
    return root;
}

bool request_meme(struct meme_request *ret, const char *body, size_t len, struct problem *problem)
{
    struct meme_request request = { 0 };
    json_t *root = parse(body, len, problem);
    bool ok = root && read_object(root, meme_fields, COUNT(meme_fields), &request, problem);

    if (ok) {
        request.seeded = json_is_integer(json_object_get(root, "seed"));
        *ret = request;
    }
    json_decref(root);
    return ok;
}

bool request_interaction(struct store_interaction *ret, const char *body, size_t len,
                         struct problem *problem)
{
    struct store_interaction interaction = { 0 };
    json_t *root = parse(body, len, problem);
    bool ok = root && read_object(root, interaction_fields, COUNT(interaction_fields), &interaction,
                                  problem);

    if (ok) {
        memcpy(ret->type, interaction.type, sizeof(ret->type));
        memcpy(ret->platform, interaction.platform, sizeof(ret->platform));
        memcpy(ret->user_id, interaction.user_id, sizeof(ret->user_id));
    }
    json_decref(root);
    return ok;
}

// Reads a decimal integer of digits alone, from min to max.
static bool read_number(int64_t *ret, const char *value, int64_t min, int64_t max)
{
    int64_t number = 0;

    if (*value == '\0') {
        return false;
    }
    for (; *value; value++) {
        if (*value < '0' || *value > '9' || number > (INT64_MAX - 9) / 10) {
            return false;
        }
        number = number * 10 + (*value - '0');
    }
    if (number < min || number > max) {
        return false;
    }
    *ret = number;
    return true;
}

bool request_limit(size_t *ret, const char *value, struct problem *problem)
{
    int64_t number = REQUEST_LIST_DEFAULT;

    if (value && !read_number(&number, value, 1, REQUEST_LIST_MAX)) {
        return invalid(problem, "limit", "must be an integer from 1 to 100");
    }
    *ret = (size_t)number;
    return true;
}

bool request_before(int64_t *ret, const char *value, struct problem *problem)
{
    int64_t number = 0;

    if (value && !read_number(&number, value, 1, INT64_MAX)) {
        return invalid(problem, "before",
                       "must be a time in microseconds: next_before of the page before");
    }
    *ret = number;
    return true;
}

bool request_async(bool *ret, const char *value, struct problem *problem)
{
    bool yes = value && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);

    if (value && !yes && strcmp(value, "0") != 0 && strcmp(value, "false") != 0) {
        return invalid(problem, "async", "must be 1 or 0");
    }
    *ret = yes;
    return true;
}
