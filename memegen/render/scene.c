// A template file: its facts, its shapes, its captions.

#include "memegen/render/scene.h"

#include <math.h>
#include <string.h>

#define MOODS_MAX 40

static const char *const scene_keys[] = { "id",     "title",    "type",       "description",
                                          "moods",  "size",     "background", "colors",
                                          "shapes", "captions", NULL };

// A word of [a-z0-9] with one of these signs between: ids and types are put into addresses and
// labels.
static bool is_name(const char *s, char sign)
{
    const size_t len = strlen(s);
    for (size_t i = 0; i < len; i++) {
        const bool between = s[i] == sign && i > 0 && i + 1 < len;
        if (!between && !(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9')) {
            return false;
        }
    }
    return len > 0;
}

static bool facts_parse(struct reader *r, const json_t *tree, struct scene_info *ret)
{
    const struct place id = { NULL, "id", 0 }, title = { NULL, "title", 0 };
    const struct place type = { NULL, "type", 0 }, description = { NULL, "description", 0 };
    return read_copy(r, &id, json_object_get(tree, "id"), 64, &ret->id) &&
           (is_name(ret->id, '-') || read_fail(r, &id, "must be made of a-z, 0-9 and -")) &&
           read_copy(r, &title, json_object_get(tree, "title"), 80, &ret->title) &&
           read_copy(r, &type, json_object_get(tree, "type"), 31, &ret->type) &&
           (is_name(ret->type, '_') || read_fail(r, &type, "must be made of a-z, 0-9 and _")) &&
           read_copy(r, &description, json_object_get(tree, "description"), 300, &ret->description);
}

static bool size_parse(struct reader *r, const json_t *tree, struct scene_info *ret)
{
    const struct place at = { NULL, "size", 0 };
    double size[2];
    if (!read_coords(r, &at, json_object_get(tree, "size"), 2, 2, size, NULL)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (!(size[i] >= SCENE_SIZE_MIN && size[i] <= SCENE_SIZE_MAX) ||
            size[i] != floor(size[i])) {
            return read_fail(r, &at, "must be whole numbers between %d and %d", SCENE_SIZE_MIN,
                             SCENE_SIZE_MAX);
        }
    }
    ret->width = (int)size[0];
    ret->height = (int)size[1];
    return true;
}

static bool moods_parse(struct reader *r, const json_t *tree, struct scene_info *ret)
{
    const struct place at = { NULL, "moods", 0 };
    const json_t *v = json_object_get(tree, "moods");
    if (!read_list(r, &at, v, 1, MOODS_MAX)) {
        return false;
    }
    const size_t n = json_array_size(v);
    const char **moods = arena_array(r->arena, n + 1, sizeof(*moods));
    if (!moods) {
        return read_no_memory(r);
    }
    for (size_t i = 0; i < n; i++) {
        const struct place item = { &at, NULL, i };
        if (!read_copy(r, &item, json_array_get(v, i), 40, &moods[i])) {
            return false;
        }
    }
    ret->moods = moods;
    return true;
}

// Nothing of a caption leaves its box, and no box leaves the canvas.
static bool box_is_inside(const struct text_box *box, const struct scene_info *info)
{
    const double turn = box->rotate * M_PI / 180;
    const double half_w = (fabs(cos(turn)) * box->w + fabs(sin(turn)) * box->h) / 2;
    const double half_h = (fabs(sin(turn)) * box->w + fabs(cos(turn)) * box->h) / 2;
    const double x = box->x + box->w / 2, y = box->y + box->h / 2, slack = 1e-6;
    return x - half_w >= -slack && y - half_h >= -slack && x + half_w <= info->width + slack &&
           y + half_h <= info->height + slack;
}

static bool caption_parse(struct reader *r, const struct place *at, const json_t *v,
                          const struct palette *palette, const struct scene_info *info,
                          struct text_box *ret, const char **ret_slot, size_t *ret_chars)
{
    static const char *const keys[] = { "slot", "chars", TEXT_KEYS, NULL };
    const struct place slot = { at, "slot", 0 }, chars = { at, "chars", 0 };
    const struct place box = { at, "box", 0 };
    double n = 0;
    if (!read_keys(r, at, v, keys) ||
        !read_copy(r, &slot, json_object_get(v, "slot"), 120, ret_slot) ||
        !read_number(r, &chars, json_object_get(v, "chars"), 5, 400, &n) ||
        !text_box_parse(r, at, v, palette, ret)) {
        return false;
    }
    *ret_chars = (size_t)n;
    return box_is_inside(ret, info) || read_fail(r, &box, "must lie inside the canvas");
}

static bool captions_parse(struct reader *r, const json_t *tree, const struct palette *palette,
                           struct scene *ret)
{
    const struct place at = { NULL, "captions", 0 };
    const json_t *v = json_object_get(tree, "captions");
    if (!read_list(r, &at, v, 1, MEME_CAPTIONS_MAX)) {
        return false;
    }
    const size_t n = json_array_size(v);
    const char **slots = arena_array(r->arena, n + 1, sizeof(*slots));
    size_t *chars = arena_array(r->arena, n, sizeof(*chars));
    if (!slots || !chars) {
        return read_no_memory(r);
    }
    for (size_t i = 0; i < n; i++) {
        const struct place item = { &at, NULL, i };
        if (!caption_parse(r, &item, json_array_get(v, i), palette, &ret->info, &ret->captions[i],
                           &slots[i], &chars[i])) {
            return false;
        }
    }
    ret->info.slots = slots;
    ret->info.slot_chars = chars;
    ret->info.caption_count = n;
    return true;
}

bool scene_parse(struct scene *ret, const json_t *tree, const struct parts *parts, struct reader *r)
{
    const struct place at_shapes = { NULL, "shapes", 0 }, at_colors = { NULL, "colors", 0 };
    const struct place at_background = { NULL, "background", 0 };
    const struct palette shared = { parts ? parts->colors : NULL, NULL };
    const struct palette own = { json_object_get(tree, "colors"), &shared };
    const json_t *background = json_object_get(tree, "background");
    *ret = (struct scene){ 0 };
    if (!read_keys(r, NULL, tree, scene_keys)) {
        return false;
    }
    if (own.colors && !json_is_object(own.colors)) {
        return read_fail(r, &at_colors, "must be a mapping");
    }
    struct scene_reader s = {
        .parts = parts, .shapes_left = SCENE_SHAPES_MAX, .scale_least = 1, .scale_most = 1
    };
    s.r = *r;
    const bool ok = facts_parse(&s.r, tree, &ret->info) && size_parse(&s.r, tree, &ret->info) &&
                    moods_parse(&s.r, tree, &ret->info) &&
                    paint_parse(&s.r, &at_background, background, &own, &ret->background) &&
                    shapes_parse(&s, &at_shapes, json_object_get(tree, "shapes"), &own, 1,
                                 &ret->shapes, &ret->shape_count) &&
                    captions_parse(&s.r, tree, &own, ret);
    *r = s.r;
    return ok;
}

bool parts_parse(struct parts *ret, const json_t *tree, struct reader *r)
{
    static const char *const keys[] = { "colors", "parts", NULL };
    const struct place at_colors = { NULL, "colors", 0 }, at_parts = { NULL, "parts", 0 };
    *ret = (struct parts){ json_object_get(tree, "colors"), json_object_get(tree, "parts") };
    return read_keys(r, NULL, tree, keys) &&
           (!ret->colors || json_is_object(ret->colors) ||
            read_fail(r, &at_colors, "must be a mapping")) &&
           (json_is_object(ret->shapes) || read_fail(r, &at_parts, "must be a mapping"));
}
