// libyaml's events become a jansson tree.
//
// Only what a data or configuration file needs is taken: one document of mappings, sequences and
// scalars. Anchors, aliases and tags are refused, so that a small file cannot grow into a large
// tree, and so is a key that stands twice in a mapping, which is always a mistake. The parser holds
// its own stack: depth costs no C stack.

#include "memegen/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "memegen/yaml_scalar.h"

// A mapping or sequence that is still open.
struct level {
    json_t *container; // borrowed: its parent owns it (the root is owned by the builder)
    char *key;         // in a mapping: the key whose value comes next, else NULL
};

struct builder {
    yaml_parser_t parser;
    json_t *root;
    json_t *lines; // borrowed or NULL: line of each key of the top mapping
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    bool document_seen;
    char *error;
    size_t error_size;
};

// Always returns -1, so that a caller can `return fail(…)`.
__attribute__((format(printf, 3, 4))) static int fail(struct builder *b, size_t line,
                                                      const char *format, ...)
{
    va_list args;
    int n = snprintf(b->error, b->error_size, "line %zu: ", line + 1);
    if (n < 0 || (size_t)n >= b->error_size) {
        return -1;
    }
    va_start(args, format);
    (void)vsnprintf(b->error + n, b->error_size - (size_t)n, format, args);
    va_end(args);
    return -1;
}

// Puts value (taken) where the next value belongs.
static int add(struct builder *b, json_t *value, size_t line)
{
    struct level *top;
    int rc;
    if (!value) {
        return fail(b, line, "out of memory");
    }
    if (b->depth == 0) {
        b->root = value;
        return 0;
    }
    top = &b->levels[b->depth - 1];
    if (json_is_array(top->container)) {
        rc = json_array_append_new(top->container, value);
    } else {
        rc = json_object_set_new(top->container, top->key, value);
        free(top->key);
        top->key = NULL;
    }
    return rc == 0 ? 0 : fail(b, line, "out of memory");
}

static int add_key(struct builder *b, const yaml_event_t *event)
{
    struct level *top = &b->levels[b->depth - 1];
    const char *key = (const char *)event->data.scalar.value;
    size_t line = event->start_mark.line;
    if (json_object_get(top->container, key)) {
        return fail(b, line, "the key \"%.80s\" stands twice", key);
    }
    if (b->lines && b->depth == 1 &&
        json_object_set_new(b->lines, key, json_integer((json_int_t)line + 1)) != 0) {
        return fail(b, line, "out of memory");
    }
    top->key = strdup(key);
    return top->key ? 0 : fail(b, line, "out of memory");
}

static bool wants_key(const struct builder *b)
{
    return b->depth > 0 && json_is_object(b->levels[b->depth - 1].container) &&
           !b->levels[b->depth - 1].key;
}

static int open_level(struct builder *b, const yaml_event_t *event, json_t *container)
{
    size_t line = event->start_mark.line;
    if (b->depth == YAML_DEPTH_MAX) {
        json_decref(container);
        return fail(b, line, "nested deeper than %d levels", YAML_DEPTH_MAX);
    }
    if (wants_key(b)) {
        json_decref(container);
        return fail(b, line, "a key must be a plain word or a string");
    }
    if (add(b, container, line) != 0) {
        return -1;
    }
    b->levels[b->depth++] = (struct level){ .container = container };
    return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    size_t line = event->start_mark.line;
    const char *why = NULL;
    json_t *value;
    if (memchr(text, '\0', len)) {
        return fail(b, line, "a string contains a NUL character");
    }
    if (wants_key(b)) {
        return add_key(b, event);
    }
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return add(b, json_stringn(text, len), line);
    }
    value = yaml_plain_scalar(text, len, &why);
    return value ? add(b, value, line) : fail(b, line, "%s", why);
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return false;
    }
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
    size_t line = event->start_mark.line;
    if (has_anchor_or_tag(event)) {
        return fail(b, line, "anchors and tags are not supported");
    }
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return fail(b, line, "aliases are not supported");
    case YAML_DOCUMENT_START_EVENT:
        if (b->document_seen) {
            return fail(b, line, "more than one document");
        }
        b->document_seen = true;
        return 0;
    case YAML_MAPPING_START_EVENT:
        return open_level(b, event, json_object());
    case YAML_SEQUENCE_START_EVENT:
        return open_level(b, event, json_array());
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return 0;
    case YAML_SCALAR_EVENT:
        return add_scalar(b, event);
    default:
        return 0;
    }
}

static int fail_parser(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        return fail(b, p->mark.line, "out of memory");
    }
    // A reader's error has no mark of its own: the parser stands about there.
    return fail(b, p->error == YAML_READER_ERROR ? p->mark.line : p->problem_mark.line, "%s",
                p->problem ? p->problem : "not YAML");
}

static int build(struct builder *b)
{
    yaml_event_t event;
    bool ended = false;
    while (!ended) {
        int rc;
        if (!yaml_parser_parse(&b->parser, &event)) {
            return fail_parser(b);
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        rc = take_event(b, &event);
        yaml_event_delete(&event);
        if (rc != 0) {
            return rc;
        }
    }
    return b->root ? 0 : fail(b, 0, "the file is empty");
}

static json_t *parse(const char *text, size_t len, json_t *lines, char *error, size_t error_size)
{
    struct builder b = { .lines = lines, .error = error, .error_size = error_size };
    if (len > YAML_BYTES_MAX) {
        (void)snprintf(error, error_size, "larger than %u bytes", YAML_BYTES_MAX);
        return NULL;
    }
    if (!yaml_parser_initialize(&b.parser)) {
        (void)snprintf(error, error_size, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    if (build(&b) != 0) {
        json_decref(b.root);
        b.root = NULL;
        for (size_t i = 0; i < YAML_DEPTH_MAX; i++) {
            free(b.levels[i].key);
        }
    }
    yaml_parser_delete(&b.parser);
    return b.root;
}

// Reads a whole file; NULL and an error where it cannot, or where it is larger than the limit.
static char *read_file(const char *path, size_t *ret_len, char *error, size_t error_size)
{
    char *text = NULL;
    size_t len = 0, room = 0;
    FILE *file = fopen(path, "rbe");
    if (!file) {
        (void)snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    while (!feof(file) && len <= YAML_BYTES_MAX) {
        char *more;
        room = room ? room * 2 : 16384;
        more = realloc(text, room);
        if (!more) {
            (void)snprintf(error, error_size, "%s: out of memory", path);
            goto failed;
        }
        text = more;
        len += fread(text + len, 1, room - len, file);
        if (ferror(file)) {
            (void)snprintf(error, error_size, "%s: %s", path, strerror(errno));
            goto failed;
        }
    }
    (void)fclose(file);
    *ret_len = len;
    return text;
failed:
    free(text);
    (void)fclose(file);
    return NULL;
}

json_t *yaml_parse(const char *text, size_t len, char *error, size_t error_size)
{
    return parse(text, len, NULL, error, error_size);
}

json_t *yaml_load_lines(const char *path, json_t *lines, char *error, size_t error_size)
{
    char why[256];
    size_t len;
    json_t *tree;
    char *text = read_file(path, &len, error, error_size);
    if (!text) {
        return NULL;
    }
    tree = parse(text, len, lines, why, sizeof(why));
    if (!tree) {
        (void)snprintf(error, error_size, "%s: %s", path, why);
    }
    free(text);
    return tree;
}

json_t *yaml_load(const char *path, char *error, size_t error_size)
{
    return yaml_load_lines(path, NULL, error, error_size);
}
