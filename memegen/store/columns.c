#include "memegen/store/columns.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "memegen/telemetry.h"

// Length of the character at p, or 0 where it is none. NUL-ended text: a cut character meets the
// NUL.
static size_t char_len(const unsigned char *p)
{
    unsigned char low = 0x80, high = 0xbf; // what the second byte may be
    size_t len;
    if (p[0] < 0x80) {
        return p[0] != '\0';
    }
    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0) { // longer than needed
        low = 0xa0;
    } else if (p[0] == 0xed) { // a surrogate
        high = 0x9f;
    } else if (p[0] == 0xf0) {
        low = 0x90;
    } else if (p[0] == 0xf4) { // past U+10FFFF
        high = 0x8f;
    }
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }
    return len;
}

size_t column_utf8_len(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len = 0;
    for (size_t n; (n = char_len(p + len)) != 0;) {
        len += n;
    }
    return len;
}

void column_copy(char *ret, size_t ret_size, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len = 0;
    for (size_t n; (n = char_len(p + len)) != 0 && len + n < ret_size;) {
        len += n;
    }
    memcpy(ret, text, len);
    ret[len] = '\0';
}

static json_t *text_value(const char *text)
{
    return json_stringn(text, column_utf8_len(text));
}

// Takes tree.
static char *to_text(json_t *tree)
{
    char *text = tree ? json_dumps(tree, JSON_COMPACT) : NULL;
    json_decref(tree);
    return text;
}

// Takes both; NULL without memory.
static json_t *append(json_t *array, json_t *value)
{
    if (array && json_array_append_new(array, value) != 0) { // takes a NULL value for a failure
        json_decref(array);
        return NULL;
    }
    if (!array) {
        json_decref(value);
    }
    return array;
}

char *column_from_captions(const struct meme *meme)
{
    json_t *captions = json_array();
    for (size_t i = 0; i < meme->caption_count; i++) {
        captions = append(captions, text_value(meme->captions[i]));
    }
    return to_text(captions);
}

// JSON has no word for NaN and the infinities.
static double number_of(double value)
{
    return isfinite(value) ? value : 0;
}

char *column_from_score(const struct meme_score *score)
{
    return to_text(json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "humor", number_of(score->humor), "clarity",
        number_of(score->clarity), "creativity", number_of(score->creativity), "shareability",
        number_of(score->shareability), "factuality", number_of(score->factuality),
        "instruction_following", number_of(score->instruction_following), "appropriateness",
        number_of(score->appropriateness), "total", number_of(score->total)));
}

char *column_from_reports(const struct meme *meme)
{
    json_t *reports = json_array();
    for (size_t i = 0; i < meme->report_count; i++) {
        const struct meme_report *r = &meme->reports[i];
        reports = append(reports, json_pack("{s:s, s:i, s:f, s:b, s:o}", "agent", r->agent, "round",
                                            r->round, "seconds", number_of(r->seconds), "ok", r->ok,
                                            "note", text_value(r->note)));
    }
    return to_text(reports);
}

static void copy_string(char *ret, size_t ret_size, const json_t *value)
{
    column_copy(ret, ret_size, json_is_string(value) ? json_string_value(value) : "");
}

void column_to_captions(struct meme *ret, const char *json)
{
    json_t *captions = json_loads(json, 0, NULL);
    const json_t *caption;
    size_t i;
    json_array_foreach(captions, i, caption)
    {
        if (ret->caption_count < MEME_CAPTIONS_MAX && json_is_string(caption)) {
            copy_string(ret->captions[ret->caption_count++], MEME_CAPTION_BYTES, caption);
        }
    }
    json_decref(captions);
}

void column_to_score(struct meme_score *ret, const char *json)
{
    json_t *score = json_loads(json, 0, NULL);
    ret->humor = json_number_value(json_object_get(score, "humor"));
    ret->clarity = json_number_value(json_object_get(score, "clarity"));
    ret->creativity = json_number_value(json_object_get(score, "creativity"));
    ret->shareability = json_number_value(json_object_get(score, "shareability"));
    ret->factuality = json_number_value(json_object_get(score, "factuality"));
    ret->instruction_following = json_number_value(json_object_get(score, "instruction_following"));
    ret->appropriateness = json_number_value(json_object_get(score, "appropriateness"));
    ret->total = json_number_value(json_object_get(score, "total"));
    json_decref(score);
}

// The constant equal to text, or NULL: what is read back points to no buffer of the database's.
static const char *constant(const char *const words[], const char *text)
{
    for (; text && *words; words++) {
        if (strcmp(*words, text) == 0) {
            return *words;
        }
    }
    return NULL;
}

void column_to_reports(struct meme *ret, const char *json)
{
    json_t *reports = json_loads(json, 0, NULL);
    const json_t *report;
    size_t i;
    json_array_foreach(reports, i, report)
    {
        const char *agent =
            constant(telemetry_agent_names, json_string_value(json_object_get(report, "agent")));
        if (agent && ret->report_count < MEME_REPORTS_MAX) {
            struct meme_report *r = &ret->reports[ret->report_count++];
            r->agent = agent;
            r->round = (int)json_integer_value(json_object_get(report, "round"));
            r->seconds = json_number_value(json_object_get(report, "seconds"));
            r->ok = json_is_true(json_object_get(report, "ok"));
            copy_string(r->note, sizeof(r->note), json_object_get(report, "note"));
        }
    }
    json_decref(reports);
}

const char *column_error_type(const char *text)
{
    const char *known = constant(telemetry_error_types, text);
    return known ? known : text[0] ? "internal" : NULL;
}
