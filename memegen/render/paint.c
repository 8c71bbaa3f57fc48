// Colours and gradients of a template file.

#include "memegen/render/scene.h"

#include <string.h>

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// #rgb, #rrggbb or #rrggbbaa, small letters.
static bool hex_color(const char *s, struct rgba *ret)
{
    const size_t len = strlen(s);
    if (s[0] != '#' || (len != 4 && len != 7 && len != 9)) {
        return false;
    }
    double v[4] = { 0, 0, 0, 1 };
    const size_t digits = len == 4 ? 1 : 2;
    for (size_t i = 0; i < (len - 1) / digits; i++) {
        const int high = hex_digit(s[1 + i * digits]);
        const int low = hex_digit(s[i * digits + digits]);
        if (high < 0 || low < 0) {
            return false;
        }
        v[i] = (high * 16 + low) / 255.0;
    }
    *ret = (struct rgba){ v[0], v[1], v[2], v[3] };
    return true;
}

// A name is sought from the inside out; what it stands for may be a name of the palettes further
// out, so it always ends.
bool color_parse(struct reader *r, const struct place *at, const json_t *v,
                 const struct palette *palette, struct rgba *ret)
{
    const char *name;
    if (!read_string(r, at, v, 32, &name)) {
        return false;
    }
    for (; name[0] != '#' && palette; palette = palette->up) {
        const json_t *found = json_object_get(palette->colors, name);
        if (found && !read_string(r, at, found, 32, &name)) {
            return false;
        }
    }
    return hex_color(name, ret) ||
           read_fail(r, at, "no colour \"%.32s\": use #rgb, #rrggbb, #rrggbbaa or a name of colors",
                     name);
}

static bool stops_parse(struct reader *r, const struct place *at, const json_t *v,
                        const struct palette *palette, struct paint *ret)
{
    if (!read_list(r, at, v, 2, SCENE_STOPS_MAX)) {
        return false;
    }
    ret->stop_count = json_array_size(v);
    for (size_t i = 0; i < ret->stop_count; i++) {
        const struct place item = { at, NULL, i };
        const json_t *pair = json_array_get(v, i);
        if (!read_list(r, &item, pair, 2, 2) ||
            !read_number(r, &item, json_array_get(pair, 0), 0, 1, &ret->stops[i].offset) ||
            !color_parse(r, &item, json_array_get(pair, 1), palette, &ret->stops[i].color)) {
            return false;
        }
    }
    return true;
}

bool paint_parse(struct reader *r, const struct place *at, const json_t *v,
                 const struct palette *palette, struct paint *ret)
{
    *ret = (struct paint){ 0 };
    if (json_is_string(v)) {
        ret->kind = PAINT_SOLID;
        ret->stop_count = 1;
        return color_parse(r, at, v, palette, &ret->stops[0].color);
    }
    static const char *const keys[] = { "linear", "radial", "stops", NULL };
    if (!read_keys(r, at, v, keys)) {
        return false;
    }
    const json_t *linear = json_object_get(v, "linear"), *radial = json_object_get(v, "radial");
    if (!linear == !radial) {
        return read_fail(r, at, "must have either linear or radial");
    }
    ret->kind = linear ? PAINT_LINEAR : PAINT_RADIAL;
    const size_t n = linear ? 4 : 3;
    const struct place points = { at, linear ? "linear" : "radial", 0 };
    const struct place stops = { at, "stops", 0 };
    return read_coords(r, &points, linear ? linear : radial, n, n, ret->points, NULL) &&
           ((linear || ret->points[2] > 0) ||
            read_fail(r, &points, "must have a radius greater than 0")) &&
           stops_parse(r, &stops, json_object_get(v, "stops"), palette, ret);
}
