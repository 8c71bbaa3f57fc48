#include "memegen/timeline.h"

#include <string.h>

// Sets a key to a value, which is taken. Returns whether both are there.
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0; // takes a NULL value for a failure
}

// Texts are cut at a character; what was no UTF-8 from the start is left out.
static json_t *text_json(const char *text)
{
    json_t *string = json_string(text);
    return string ? string : json_string("");
}

static bool set_attributes(json_t *object, const struct spy_trace_span *span)
{
    json_t *attributes = json_object();
    bool whole = attributes != NULL;
    for (size_t i = 0; whole && i < SPY_LABELS_MAX && span->labels[i]; i++) {
        whole = set(attributes, span->labels[i], text_json(span->values[i]));
    }
    if (!whole) {
        json_decref(attributes);
        return false;
    }
    return set(object, "attributes", attributes);
}

static json_t *error_json(const struct spy_trace_span *span)
{
    json_t *error;
    if (!span->error_type) {
        return json_null();
    }
    error = json_object();
    if (error && !(set(error, "type", text_json(span->error_type)) &&
                   set(error, "message", span->message ? text_json(span->message) : json_null()))) {
        json_decref(error);
        return NULL;
    }
    return error;
}

struct list {
    json_t *spans;
    bool whole;
};

static void add_span(void *arg, const struct spy_trace_span *span)
{
    struct list *list = arg;
    json_t *object = list->whole ? json_object() : NULL;
    bool whole = object && set(object, "span_id", json_string(span->span_id)) &&
                 set(object, "parent_span_id",
                     span->parent_id[0] ? json_string(span->parent_id) : json_null()) &&
                 set(object, "name", text_json(span->name)) && set_attributes(object, span) &&
                 set(object, "start_us", json_integer((json_int_t)span->start_us)) &&
                 set(object, "duration_us", json_integer((json_int_t)span->duration_us)) &&
                 set(object, "error", error_json(span));
    if (!whole) {
        json_decref(object);
        list->whole = false;
    } else if (json_array_append_new(list->spans, object) != 0) {
        list->whole = false;
    }
}

static bool has_span(const json_t *spans, const char *id)
{
    const json_t *span;
    size_t i;
    json_array_foreach(spans, i, span)
    {
        if (strcmp(json_string_value(json_object_get(span, "span_id")), id) == 0) {
            return true;
        }
    }
    return false;
}

// A span whose parent has not ended yet hangs below the root: what there is so far is one tree.
static bool adopt_orphans(json_t *spans, const char *root_id)
{
    json_t *span;
    size_t i;
    json_array_foreach(spans, i, span)
    {
        const char *id = json_string_value(json_object_get(span, "span_id")),
                   *parent = json_string_value(json_object_get(span, "parent_span_id"));
        if (parent && strcmp(id, root_id) != 0 && !has_span(spans, parent) &&
            !set(span, "parent_span_id", json_string(root_id))) {
            return false;
        }
    }
    return true;
}

json_t *timeline_json(struct spy_trace *trace, const char *root_id)
{
    struct list list = { .spans = json_array(), .whole = true };
    json_t *timeline = json_object();
    list.whole = list.spans != NULL;
    spy_trace_each(trace, add_span, &list);
    list.whole = list.whole && adopt_orphans(list.spans, root_id);
    if (timeline && list.whole && set(timeline, "root_span_id", json_string(root_id)) &&
        set(timeline, "lost_spans", json_integer((json_int_t)spy_trace_lost(trace))) &&
        json_object_set(timeline, "spans", list.spans) == 0) {
        json_decref(list.spans);
        return timeline;
    }
    json_decref(list.spans);
    json_decref(timeline);
    return NULL;
}

char *timeline_text(struct spy_trace *trace, const char *root_id)
{
    json_t *timeline = timeline_json(trace, root_id);
    char *text = timeline ? json_dumps(timeline, JSON_COMPACT) : NULL;
    json_decref(timeline);
    return text;
}

static bool is_span(const json_t *span)
{
    const json_t *parent = json_object_get(span, "parent_span_id");
    const json_t *error = json_object_get(span, "error");
    return json_is_string(json_object_get(span, "span_id")) &&
           (json_is_null(parent) || json_is_string(parent)) &&
           json_is_string(json_object_get(span, "name")) &&
           json_is_object(json_object_get(span, "attributes")) &&
           json_is_integer(json_object_get(span, "start_us")) &&
           json_is_integer(json_object_get(span, "duration_us")) &&
           (json_is_null(error) || json_is_string(json_object_get(error, "type")));
}

json_t *timeline_read(const char *text)
{
    json_t *timeline = json_loads(text, 0, NULL);
    const json_t *spans = json_object_get(timeline, "spans"), *span;
    bool good = json_is_array(spans) && json_is_string(json_object_get(timeline, "root_span_id")) &&
                json_is_integer(json_object_get(timeline, "lost_spans"));
    size_t i;
    json_array_foreach(spans, i, span)
    {
        good = good && is_span(span);
    }
    if (!good) {
        json_decref(timeline);
        return NULL;
    }
    return timeline;
}

bool timeline_has_root(const json_t *timeline)
{
    const char *root = json_string_value(json_object_get(timeline, "root_span_id"));
    return root && has_span(json_object_get(timeline, "spans"), root);
}
