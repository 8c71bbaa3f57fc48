#include "memegen/api/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memegen/timeline.h"

// Six significant digits: a score has no more to say, and 0.7 stays 0.7.
#define DIGITS JSON_REAL_PRECISION(6)

void answer_path(char ret[ANSWER_PATH_BYTES], const char *id, const char *suffix)
{
    snprintf(ret, ANSWER_PATH_BYTES, "/api/v1/memes/%s%s", id, suffix);
}

// What was cut to its buffer may end in the middle of a character: up to three bytes go.
static json_t *text_json(const char *text)
{
    size_t n = strlen(text);
    json_t *string = json_string(text);

    for (int cut = 0; !string && cut < 3 && n > 0; cut++) {
        string = json_stringn(text, --n);
    }
    return string;
}

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? text_json(text) : json_null();
}

// RFC 3339, UTC, microseconds.
static json_t *time_json(int64_t time_us)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(time_us / 1000000);
    size_t n;

    gmtime_r(&seconds, &tm);
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%06dZ", (int)(time_us % 1000000));
    return json_string(text);
}

// Sets a key to a value, which is taken; a NULL value leaves *root NULL, so that one look at the
// end suffices.
static void set(json_t **root, const char *key, json_t *value)
{
    if (*root && json_object_set_new(*root, key, value) != 0) {
        json_decref(*root);
        *root = NULL;
    } else if (!*root) {
        json_decref(value);
    }
}

static void append(json_t **root, json_t *value)
{
    if (*root && json_array_append_new(*root, value) != 0) {
        json_decref(*root);
        *root = NULL;
    } else if (!*root) {
        json_decref(value);
    }
}

static json_t *captions_json(const struct meme *meme)
{
    json_t *array = json_array();

    for (size_t i = 0; i < meme->caption_count; i++) {
        append(&array, text_json(meme->captions[i]));
    }
    return array;
}

// The round whose captions were kept: the last one that was drawn, since refinement draws what it
// keeps.
static int kept_round(const struct meme *meme)
{
    for (size_t i = meme->report_count; i-- > 0;) {
        if (meme->reports[i].ok && strcmp(meme->reports[i].agent, "image_renderer") == 0) {
            return meme->reports[i].round;
        }
    }
    return 0;
}

// What an agent said of the captions that were kept, or null.
static json_t *kept_note(const struct meme *meme, const char *agent)
{
    int round = kept_round(meme);

    for (size_t i = meme->report_count; i-- > 0;) {
        if (meme->reports[i].round == round && strcmp(meme->reports[i].agent, agent) == 0) {
            return text_or_null(meme->reports[i].note);
        }
    }
    return json_null();
}

static json_t *part_json(double value, double weight)
{
    json_t *part = json_object();

    set(&part, "value", json_real(value));
    set(&part, "weight", json_real(weight));
    return part;
}

static json_t *factor_json(const struct meme *meme, const char *agent, double value)
{
    json_t *factor = json_object();

    set(&factor, "value", json_real(value));
    set(&factor, "note", kept_note(meme, agent));
    return factor;
}

// The weights are those of struct meme_score's comment; the scorer applies them, this says so.
static json_t *score_json(const struct meme *meme)
{
    const struct meme_score *score = &meme->score;
    json_t *root = json_object();
    json_t *parts = json_object();
    json_t *factors = json_object();

    set(&parts, "humor", part_json(score->humor, 0.35));
    set(&parts, "clarity", part_json(score->clarity, 0.25));
    set(&parts, "creativity", part_json(score->creativity, 0.20));
    set(&parts, "shareability", part_json(score->shareability, 0.20));
    set(&factors, "factuality", factor_json(meme, "factuality", score->factuality));
    set(&factors, "instruction_following",
        factor_json(meme, "instruction_following", score->instruction_following));
    set(&factors, "appropriateness", factor_json(meme, "appropriateness", score->appropriateness));
    set(&root, "total", json_real(score->total));
    set(&root, "formula", json_string("sum of value × weight over parts, times each factor"));
    set(&root, "parts", parts);
    set(&root, "factors", factors);
    set(&root, "note", kept_note(meme, "scorer"));
    return root;
}

static json_t *agents_json(const struct meme *meme)
{
    json_t *array = json_array();

    for (size_t i = 0; i < meme->report_count; i++) {
        const struct meme_report *report = &meme->reports[i];
        json_t *agent = json_object();
        set(&agent, "agent", json_string(report->agent));
        set(&agent, "round", json_integer(report->round));
        set(&agent, "seconds", json_real(report->seconds));
        set(&agent, "ok", json_boolean(report->ok));
        set(&agent, "note", text_or_null(report->note));
        append(&array, agent);
    }
    return array;
}

static json_t *request_json(const struct meme_request *request)
{
    json_t *root = json_object();

    set(&root, "topic", json_string(request->topic));
    set(&root, "user_id", text_or_null(request->user_id));
    set(&root, "template_id", text_or_null(request->template_id));
    set(&root, "style", text_or_null(request->style));
    set(&root, "use_trends", json_boolean(request->use_trends));
    set(&root, "seed", request->seeded ? json_integer((json_int_t)request->seed) : json_null());
    return root;
}

json_t *answer_meme_line(const struct meme *meme)
{
    bool made = meme->status == MEME_SUCCESS;
    char image[ANSWER_PATH_BYTES];
    json_t *root = json_object();

    answer_path(image, meme->id, "/image.png");
    set(&root, "id", json_string(meme->id));
    set(&root, "status", json_string(meme_status_name(meme->status)));
    set(&root, "topic", json_string(meme->request.topic));
    set(&root, "template_id", text_or_null(meme->template_id));
    set(&root, "template_type", text_or_null(meme->template_type));
    set(&root, "captions", captions_json(meme));
    set(&root, "image_url", made ? json_string(image) : json_null());
    set(&root, "quality_score", made ? json_real(meme->score.total) : json_null());
    set(&root, "created_at", time_json(meme->created_us));
    set(&root, "created_us", json_integer(meme->created_us));
    return root;
}

json_t *answer_meme(const struct meme *meme)
{
    bool ended = meme->status != MEME_PENDING;
    json_t *root = answer_meme_line(meme);

    set(&root, "request", request_json(&meme->request));
    set(&root, "score", meme->status == MEME_SUCCESS ? score_json(meme) : json_null());
    set(&root, "rounds", json_integer(meme->rounds));
    set(&root, "generation_seconds", ended ? json_real(meme->generation_seconds) : json_null());
    set(&root, "error_type", text_or_null(meme->error_type));
    set(&root, "error_message", text_or_null(meme->error_message));
    set(&root, "correlation_id", text_or_null(meme->correlation_id));
    set(&root, "trace_id", text_or_null(meme->trace_id));
    set(&root, "agents", agents_json(meme));
    return root;
}

json_t *answer_meme_list(const struct meme *memes, size_t count, size_t limit)
{
    bool more = count > 0 && count == limit;
    json_t *array = json_array();
    json_t *root = json_object();

    for (size_t i = 0; i < count; i++) {
        append(&array, answer_meme_line(&memes[i]));
    }
    set(&root, "memes", array);
    set(&root, "next_before", more ? json_integer(memes[count - 1].created_us) : json_null());
    return root;
}

json_t *answer_pending(const char *id)
{
    char path[ANSWER_PATH_BYTES];
    json_t *root = json_object();

    answer_path(path, id, "");
    set(&root, "id", json_string(id));
    set(&root, "status", json_string(meme_status_name(MEME_PENDING)));
    set(&root, "status_url", json_string(path));
    return root;
}

json_t *answer_template(const struct scene_info *scene)
{
    json_t *moods = json_array();
    json_t *captions = json_array();
    json_t *root = json_object();

    for (size_t i = 0; scene->moods[i]; i++) {
        append(&moods, json_string(scene->moods[i]));
    }
    for (size_t i = 0; i < scene->caption_count; i++) {
        json_t *caption = json_object();
        set(&caption, "slot", json_string(scene->slots[i]));
        set(&caption, "chars", json_integer((json_int_t)scene->slot_chars[i]));
        append(&captions, caption);
    }
    set(&root, "id", json_string(scene->id));
    set(&root, "title", json_string(scene->title));
    set(&root, "type", json_string(scene->type));
    set(&root, "description", json_string(scene->description));
    set(&root, "moods", moods);
    set(&root, "captions", captions);
    set(&root, "width", json_integer(scene->width));
    set(&root, "height", json_integer(scene->height));
    return root;
}

json_t *answer_templates(const struct scenes *scenes)
{
    json_t *array = json_array();
    json_t *root = json_object();

    for (size_t i = 0; i < scenes_count(scenes); i++) {
        append(&array, answer_template(scenes_at(scenes, i)));
    }
    set(&root, "templates", array);
    return root;
}

static json_t *span_json(const json_t *span, int64_t origin_us)
{
    int64_t start_us = json_integer_value(json_object_get(span, "start_us"));
    int64_t duration_us = json_integer_value(json_object_get(span, "duration_us"));
    json_t *root = json_object();

    set(&root, "span_id", json_incref(json_object_get(span, "span_id")));
    set(&root, "parent_span_id", json_incref(json_object_get(span, "parent_span_id")));
    set(&root, "name", json_incref(json_object_get(span, "name")));
    set(&root, "attributes", json_incref(json_object_get(span, "attributes")));
    set(&root, "started_at", time_json(start_us));
    set(&root, "offset_seconds", json_real((double)(start_us - origin_us) / 1e6));
    set(&root, "duration_seconds", json_real((double)duration_us / 1e6));
    set(&root, "error", json_incref(json_object_get(span, "error")));
    return root;
}

json_t *answer_trace(const struct meme *meme, const json_t *timeline)
{
    bool complete = meme->status != MEME_PENDING && timeline_has_root(timeline);
    int64_t first_us = INT64_MAX, last_us = INT64_MIN;
    json_t *root = json_object(), *array = json_array();
    json_t *spans = json_object_get(timeline, "spans"), *span;
    size_t i;

    json_array_foreach(spans, i, span)
    {
        int64_t start_us = json_integer_value(json_object_get(span, "start_us"));
        int64_t end_us = start_us + json_integer_value(json_object_get(span, "duration_us"));
        first_us = start_us < first_us ? start_us : first_us;
        last_us = end_us > last_us ? end_us : last_us;
    }
    json_array_foreach(spans, i, span)
    {
        append(&array, span_json(span, first_us));
    }
    set(&root, "meme_id", json_string(meme->id));
    set(&root, "status", json_string(meme_status_name(meme->status)));
    set(&root, "correlation_id", text_or_null(meme->correlation_id));
    set(&root, "trace_id", text_or_null(meme->trace_id));
    set(&root, "complete", json_boolean(complete));
    set(&root, "started_at", i > 0 ? time_json(first_us) : json_null());
    set(&root, "duration_seconds", json_real(i > 0 ? (double)(last_us - first_us) / 1e6 : 0));
    set(&root, "lost_spans", json_incref(json_object_get(timeline, "lost_spans")));
    set(&root, "spans", array);
    return root;
}

json_t *answer_interaction(const struct store_interaction *interaction)
{
    json_t *root = json_object();

    set(&root, "id", json_string(interaction->id));
    set(&root, "meme_id", json_string(interaction->meme_id));
    set(&root, "interaction_type", json_string(interaction->type));
    set(&root, "platform", json_string(interaction->platform));
    set(&root, "user_id", json_string(interaction->user_id));
    set(&root, "created_at", time_json(interaction->created_us));
    return root;
}

json_t *answer_field(const char *field, const char *message)
{
    json_t *problem = json_object();

    set(&problem, "field", text_or_null(field));
    set(&problem, "problem", json_string(message));
    return problem;
}

json_t *answer_error(const char *code, const char *message, json_t *details,
                     const char *correlation_id)
{
    json_t *root = json_object();

    set(&root, "code", json_string(code));
    set(&root, "message", json_string(message));
    set(&root, "details", details ? details : json_object());
    set(&root, "correlation_id", text_or_null(correlation_id));
    return root;
}

char *answer_text(json_t *root, size_t *ret_len)
{
    size_t len = root ? json_dumpb(root, NULL, 0, JSON_COMPACT | DIGITS) : 0;
    char *text = len ? malloc(len + 1) : NULL;

    if (text) {
        len = json_dumpb(root, text, len, JSON_COMPACT | DIGITS);
        text[len] = '\n';
        *ret_len = len + 1;
    }
    json_decref(root);
    return text;
}
