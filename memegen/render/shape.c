// Shapes of a template file, unfolded: a part is read anew in each place that uses it, with that
// place's colours.

#include "memegen/render/scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/render/path.h"

#define REPEAT_MAX 200
#define SCALE_MAX 16.0
#define SCALE_MIN 0.02
#define SHAPES_LIST_MAX 400 // of one list in the file

static const char *const kinds[] = { "rect",    "ellipse", "circle", "arc",  "line",
                                     "polygon", "curve",   "blob",   "path", "text",
                                     "group",   "use",     NULL };
enum kind {
    KIND_RECT,
    KIND_ELLIPSE,
    KIND_CIRCLE,
    KIND_ARC,
    KIND_LINE,
    KIND_POLYGON,
    KIND_CURVE,
    KIND_BLOB,
    KIND_PATH,
    KIND_TEXT,
    KIND_GROUP,
    KIND_USE,
};

// Keys beside the kind's own; at, rotate, scale and opacity go with each of them.
#define PLACED_KEYS "at", "rotate", "scale", "opacity"
#define PAINTED_KEYS PLACED_KEYS, "fill", "stroke", "width", "cap"
static const char *const path_keys[] = { "rect", "ellipse", "circle",     "arc",
                                         "line", "polygon", "curve",      "blob",
                                         "path", "radius",  PAINTED_KEYS, NULL };
static const char *const text_keys[] = { "text", TEXT_KEYS, PLACED_KEYS, NULL };
static const char *const group_keys[] = { "group",  "use",       "colors", "clip",
                                          "repeat", PLACED_KEYS, NULL };
static const char *const repeat_keys[] = { "count", "step", "rotate", "scale", NULL };

// Which of the kinds this mapping is: it has exactly one of their keys.
static bool find_kind(struct reader *r, const struct place *at, const json_t *v, enum kind *ret)
{
    int found = -1;
    for (int i = 0; json_is_object(v) && kinds[i]; i++) {
        if (json_object_get(v, kinds[i])) {
            if (found >= 0) {
                return read_fail(r, at, "is both a %s and a %s", kinds[found], kinds[i]);
            }
            found = i;
        }
    }
    if (found < 0) {
        return read_fail(r, at,
                         "is no shape: it needs rect, ellipse, circle, arc, line, polygon, "
                         "curve, blob, path, text, group or use");
    }
    *ret = (enum kind)found;
    return true;
}

// scale: one factor or two. A factor of nearly 0 makes a matrix that Cairo cannot invert.
static bool scale_parse(struct reader *r, const struct place *at, const json_t *v, double *x,
                        double *y)
{
    if (json_is_array(v)) {
        double xy[2];
        if (!read_coords(r, at, v, 2, 2, xy, NULL)) {
            return false;
        }
        *x = xy[0];
        *y = xy[1];
    } else {
        if (!read_number(r, at, v, -8, 8, x)) {
            return false;
        }
        *y = *x;
    }
    if (!(fabs(*x) >= 0.05 && fabs(*x) <= 8 && fabs(*y) >= 0.05 && fabs(*y) <= 8)) {
        return read_fail(r, at, "must be between 0.05 and 8, or negative to mirror");
    }
    return true;
}

// The matrix of "where" (a point), "rotate" (about it) and "scale".
static bool matrix_parse(struct reader *r, const struct place *at, const json_t *v,
                         const char *where, cairo_matrix_t *ret)
{
    double xy[2] = { 0, 0 }, turn = 0, sx = 1, sy = 1;
    const json_t *point = json_object_get(v, where), *scale = json_object_get(v, "scale");
    const struct place at_point = { at, where, 0 }, at_scale = { at, "scale", 0 };
    if ((point && !read_coords(r, &at_point, point, 2, 2, xy, NULL)) ||
        !read_key_number(r, at, v, "rotate", -360, 360, &turn) ||
        (scale && !scale_parse(r, &at_scale, scale, &sx, &sy))) {
        return false;
    }
    cairo_matrix_init_translate(ret, xy[0], xy[1]);
    cairo_matrix_rotate(ret, turn * M_PI / 180);
    cairo_matrix_scale(ret, sx, sy);
    return true;
}

static bool round_parse(struct reader *r, const struct place *at, enum kind kind, const double *n,
                        double radius, struct path *path)
{
    const double rx = n[2], ry = kind == KIND_ELLIPSE ? n[3] : rx;
    switch (kind) {
    case KIND_RECT:
        return (n[2] > 0 && n[3] > 0) ? path_rect(path, n[0], n[1], n[2], n[3], radius)
                                      : read_fail(r, at, "must have a width and a height");
    case KIND_ARC: // cx cy r from to, or cx cy rx ry from to
        return fabs(n[4] - n[3]) <= 360 ? path_arc(path, n[0], n[1], rx, rx, n[3], n[4])
                                        : read_fail(r, at, "must not go round more than once");
    default:
        return (rx > 0 && ry > 0) ? path_ellipse(path, n[0], n[1], rx, ry)
                                  : read_fail(r, at, "must have a radius greater than 0");
    }
}

static bool points_parse(struct reader *r, const struct place *at, const json_t *v, enum kind kind,
                         struct path *path)
{
    double xy[2 * SCENE_STEPS_MAX];
    size_t n;
    const bool close = kind == KIND_POLYGON || kind == KIND_BLOB;
    if (!read_coords(r, at, v, close ? 6 : 4, 2 * SCENE_STEPS_MAX - 4, xy, &n)) {
        return false;
    }
    if (n % 2 != 0) {
        return read_fail(r, at, "must have an even number of coordinates: x, y, x, y, …");
    }
    return kind == KIND_CURVE || kind == KIND_BLOB ? path_smooth(path, xy, n / 2, close)
                                                   : path_lines(path, xy, n / 2, close);
}

static bool geometry_parse(struct reader *r, const struct place *at, const json_t *shape,
                           enum kind kind, struct path *path)
{
    const struct place here = { at, kinds[kind], 0 };
    const json_t *v = json_object_get(shape, kinds[kind]);
    if (kind == KIND_PATH) {
        const char *data;
        const char *fault =
            read_string(r, &here, v, 8000, &data) ? path_svg(path, data) : "is no path";
        return !fault || read_fail(r, &here, "%s", fault);
    }
    if (kind >= KIND_LINE) {
        return points_parse(r, &here, v, kind, path);
    }
    static const size_t counts[] = {
        [KIND_RECT] = 4, [KIND_ELLIPSE] = 4, [KIND_CIRCLE] = 3, [KIND_ARC] = 5
    };
    double n[5], radius = 0;
    return read_coords(r, &here, v, counts[kind], counts[kind], n, NULL) &&
           read_key_number(r, at, shape, "radius", 0, SCENE_COORD_MAX, &radius) &&
           round_parse(r, &here, kind, n, radius, path);
}

static bool path_parse(struct reader *r, const struct place *at, const json_t *v, enum kind kind,
                       const struct palette *palette, struct shape *ret)
{
    static const char *const caps[] = { "round", "butt", NULL };
    const json_t *fill = json_object_get(v, "fill"), *stroke = json_object_get(v, "stroke");
    const struct place at_fill = { at, "fill", 0 }, at_stroke = { at, "stroke", 0 };
    struct path path = { .count = 0 };
    int cap = 0;
    ret->width = 5;
    if (!read_keys(r, at, v, path_keys) || !geometry_parse(r, at, v, kind, &path) ||
        (fill && !paint_parse(r, &at_fill, fill, palette, &ret->fill)) ||
        (stroke && !paint_parse(r, &at_stroke, stroke, palette, &ret->stroke)) ||
        !read_key_number(r, at, v, "width", 0.1, 200, &ret->width) ||
        !read_key_choice(r, at, v, "cap", caps, &cap)) {
        return false;
    }
    if (!fill && !stroke) {
        return read_fail(r, at, "needs a fill or a stroke");
    }
    ret->round = cap == 0;
    ret->step_count = path.count;
    ret->steps = arena_array(r->arena, path.count, sizeof(*ret->steps));
    if (!ret->steps) {
        return read_no_memory(r);
    }
    memcpy(ret->steps, path.steps, path.count * sizeof(*ret->steps));
    return true;
}

static bool words_parse(struct reader *r, const struct place *at, const json_t *v,
                        const struct palette *palette, struct shape *ret)
{
    const struct place words = { at, "text", 0 };
    return read_keys(r, at, v, text_keys) &&
           read_copy(r, &words, json_object_get(v, "text"), SCENE_TEXT_BYTES, &ret->words) &&
           text_box_parse(r, at, v, palette, &ret->text);
}

// By how much a matrix shortens and lengthens its axes.
static void matrix_factors(const cairo_matrix_t *m, double *least, double *most)
{
    const double x = hypot(m->xx, m->yx), y = hypot(m->xy, m->yy);
    *least = fmin(x, y);
    *most = fmax(x, y);
}

static bool repeat_parse(struct reader *r, const struct place *at, const json_t *v,
                         struct shape *ret)
{
    const struct place count = { at, "count", 0 };
    double n = 0;
    if (!read_keys(r, at, v, repeat_keys) ||
        !read_number(r, &count, json_object_get(v, "count"), 1, REPEAT_MAX, &n) ||
        !matrix_parse(r, at, v, "step", &ret->step)) {
        return false;
    }
    n = floor(n);
    ret->repeat = (size_t)n;
    double least, most;
    matrix_factors(&ret->step, &least, &most);
    least = fmin(1, pow(least, n));
    most = fmax(1, pow(most, n));
    if (!(most <= SCALE_MAX && least >= SCALE_MIN)) {
        return read_fail(r, at, "scales by too much in all");
    }
    if (!(hypot(ret->step.x0, ret->step.y0) * n * most <= 2 * SCENE_COORD_MAX)) {
        return read_fail(r, at, "leaves the plane");
    }
    return true;
}

// Enters a group: what its matrix and its repetitions scale by, together with the groups around it,
// keeps every coordinate within what Cairo can hold, and every matrix invertible.
static bool enter_scale(struct scene_reader *s, const struct place *at, const struct shape *group)
{
    double least, most, step_least, step_most;
    matrix_factors(&group->matrix, &least, &most);
    matrix_factors(&group->step, &step_least, &step_most);
    s->scale_most *= most * fmax(1, pow(step_most, (double)group->repeat));
    s->scale_least *= least * fmin(1, pow(step_least, (double)group->repeat));
    return (s->scale_most <= SCALE_MAX && s->scale_least >= SCALE_MIN) ||
           read_fail(&s->r, at, "scales by too much, with the groups around it");
}

static bool group_parse(struct scene_reader *s, const struct place *at, const json_t *v,
                        enum kind kind, const struct palette *palette, size_t times,
                        struct shape *ret)
{
    struct reader *r = &s->r;
    const struct place at_clip = { at, "clip", 0 }, at_repeat = { at, "repeat", 0 };
    const struct place at_colors = { at, "colors", 0 }, inner = { at, kinds[kind], 0 };
    const json_t *clip = json_object_get(v, "clip"), *repeat = json_object_get(v, "repeat");
    const json_t *shapes = json_object_get(v, kinds[kind]);
    struct palette own = { json_object_get(v, "colors"), palette };
    if (!read_keys(r, at, v, group_keys) ||
        (clip && !read_coords(r, &at_clip, clip, 4, 4, ret->clip, NULL)) ||
        (repeat && !repeat_parse(r, &at_repeat, repeat, ret))) {
        return false;
    }
    if (own.colors && !json_is_object(own.colors)) {
        return read_fail(r, &at_colors, "must be a mapping");
    }
    ret->clipped = clip != NULL;
    if (kind == KIND_USE) {
        const char *name;
        if (!read_string(r, &inner, shapes, 64, &name)) {
            return false;
        }
        shapes = s->parts ? json_object_get(s->parts->shapes, name) : NULL;
        if (!shapes) {
            return read_fail(r, &inner, "no part \"%.64s\"", name);
        }
    }
    const double most = s->scale_most, least = s->scale_least;
    const bool ok = enter_scale(s, at, ret) &&
                    shapes_parse(s, &inner, shapes, own.colors ? &own : palette,
                                 times * ret->repeat, &ret->children, &ret->child_count);
    s->scale_most = most;
    s->scale_least = least;
    return ok;
}

static bool shape_parse(struct scene_reader *s, const struct place *at, const json_t *v,
                        const struct palette *palette, size_t times, struct shape *ret)
{
    struct reader *r = &s->r;
    enum kind kind = KIND_RECT;
    *ret = (struct shape){ .opacity = 1, .repeat = 1 };
    cairo_matrix_init_identity(&ret->step);
    if (s->shapes_left < times) {
        return read_fail(r, at, "more than %d shapes in all", SCENE_SHAPES_MAX);
    }
    s->shapes_left -= times;
    if (!find_kind(r, at, v, &kind) || !read_key_number(r, at, v, "opacity", 0, 1, &ret->opacity)) {
        return false;
    }
    if (kind == KIND_TEXT) {
        // "rotate" turns the box about its middle
        ret->kind = SHAPE_TEXT;
        cairo_matrix_init_identity(&ret->matrix);
        return words_parse(r, at, v, palette, ret);
    }
    if (!matrix_parse(r, at, v, "at", &ret->matrix)) {
        return false;
    }
    if (kind == KIND_GROUP || kind == KIND_USE) {
        ret->kind = SHAPE_GROUP;
        return group_parse(s, at, v, kind, palette, times, ret);
    }
    ret->kind = SHAPE_PATH;
    return path_parse(r, at, v, kind, palette, ret);
}

bool shapes_parse(struct scene_reader *s, const struct place *at, const json_t *v,
                  const struct palette *palette, size_t times, struct shape **ret,
                  size_t *ret_count)
{
    if (s->depth >= SCENE_DEPTH_MAX) {
        return read_fail(&s->r, at, "more than %d groups in one another", SCENE_DEPTH_MAX);
    }
    if (!read_list(&s->r, at, v, 1, SHAPES_LIST_MAX)) {
        return false;
    }
    const size_t n = json_array_size(v);
    struct shape *shapes = arena_array(s->r.arena, n, sizeof(*shapes));
    if (!shapes) {
        return read_no_memory(&s->r);
    }
    s->depth++;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const struct place item = { at, NULL, i };
        ok = shape_parse(s, &item, json_array_get(v, i), palette, times, &shapes[i]);
    }
    s->depth--;
    *ret = shapes;
    *ret_count = n;
    return ok;
}
