#include "memegen/render/reader.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memegen/render/scene.h"

#define PLACE_MAX 24 // deeper than SCENE_DEPTH_MAX groups of "shapes[i].group"

static size_t put_place(char *out, size_t size, const struct place *at)
{
    const struct place *chain[PLACE_MAX];
    size_t depth = 0, len = 0;
    for (; at && depth < PLACE_MAX; at = at->up) {
        chain[depth++] = at;
    }
    out[0] = '\0';
    while (depth > 0 && len < size) {
        const struct place *p = chain[--depth];
        const int n = p->key ? snprintf(out + len, size - len, "%s%s", len > 0 ? "." : "", p->key)
                             : snprintf(out + len, size - len, "[%zu]", p->index);
        len += n > 0 ? (size_t)n : 0;
    }
    return len;
}

bool read_fail(struct reader *r, const struct place *at, const char *format, ...)
{
    if (r->status) {
        return false;
    }
    r->status = -EINVAL;
    char place[512], what[256];
    const size_t len = put_place(place, sizeof(place), at);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(r->error, r->error_size, "%s: %s%s%s", r->file, place, len > 0 ? ": " : "", what);
    return false;
}

bool read_no_memory(struct reader *r)
{
    if (!r->status) {
        r->status = -ENOMEM;
        snprintf(r->error, r->error_size, "%s: out of memory", r->file);
    }
    return false;
}

bool read_keys(struct reader *r, const struct place *at, const json_t *v,
               const char *const allowed[])
{
    if (!json_is_object(v)) {
        return read_fail(r, at, v ? "must be a mapping" : "is missing");
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)v, key, value)
    {
        size_t i = 0;
        while (allowed[i] && strcmp(allowed[i], key) != 0) {
            i++;
        }
        if (!allowed[i]) {
            return read_fail(r, at, "unknown key \"%.40s\"", key);
        }
    }
    return true;
}

bool read_list(struct reader *r, const struct place *at, const json_t *v, size_t min, size_t max)
{
    if (!json_is_array(v)) {
        return read_fail(r, at, v ? "must be a list" : "is missing");
    }
    const size_t n = json_array_size(v);
    if (n < min || n > max) {
        return read_fail(r, at, "must have %zu to %zu items, not %zu", min, max, n);
    }
    return true;
}

bool read_number(struct reader *r, const struct place *at, const json_t *v, double min, double max,
                 double *ret)
{
    if (!json_is_number(v)) {
        return read_fail(r, at, v ? "must be a number" : "is missing");
    }
    const double n = json_number_value(v);
    if (!(n >= min && n <= max)) { // also NaN
        return read_fail(r, at, "must be between %g and %g", min, max);
    }
    *ret = n;
    return true;
}

bool read_coords(struct reader *r, const struct place *at, const json_t *v, size_t min, size_t max,
                 double *ret, size_t *ret_count)
{
    if (!read_list(r, at, v, min, max)) {
        return false;
    }
    const size_t n = json_array_size(v);
    for (size_t i = 0; i < n; i++) {
        const struct place item = { at, NULL, i };
        if (!read_number(r, &item, json_array_get(v, i), -SCENE_COORD_MAX, SCENE_COORD_MAX,
                         &ret[i])) {
            return false;
        }
    }
    if (ret_count) {
        *ret_count = n;
    }
    return true;
}

bool read_bool(struct reader *r, const struct place *at, const json_t *v, bool *ret)
{
    if (!json_is_boolean(v)) {
        return read_fail(r, at, "must be true or false");
    }
    *ret = json_is_true(v);
    return true;
}

bool read_string(struct reader *r, const struct place *at, const json_t *v, size_t max,
                 const char **ret)
{
    if (!json_is_string(v)) {
        return read_fail(r, at, v ? "must be a string" : "is missing");
    }
    const size_t len = json_string_length(v);
    if (len < 1 || len > max) {
        return read_fail(r, at, "must have 1 to %zu bytes, not %zu", max, len);
    }
    *ret = json_string_value(v);
    return true;
}

bool read_copy(struct reader *r, const struct place *at, const json_t *v, size_t max,
               const char **ret)
{
    const char *s = NULL;
    if (!read_string(r, at, v, max, &s)) {
        return false;
    }
    *ret = arena_copy(r->arena, s, strlen(s));
    return *ret || read_no_memory(r);
}

bool read_choice(struct reader *r, const struct place *at, const json_t *v,
                 const char *const words[], int *ret)
{
    const char *s = NULL;
    if (!read_string(r, at, v, 64, &s)) {
        return false;
    }
    char list[128] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], s) == 0) {
            *ret = i;
            return true;
        }
        const size_t len = strlen(list);
        snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", words[i]);
    }
    return read_fail(r, at, "must be one of: %s", list);
}

bool read_key_number(struct reader *r, const struct place *at, const json_t *map, const char *key,
                     double min, double max, double *ret)
{
    const json_t *v = json_object_get(map, key);
    const struct place here = { at, key, 0 };
    return !v || read_number(r, &here, v, min, max, ret);
}

bool read_key_choice(struct reader *r, const struct place *at, const json_t *map, const char *key,
                     const char *const words[], int *ret)
{
    const json_t *v = json_object_get(map, key);
    const struct place here = { at, key, 0 };
    return !v || read_choice(r, &here, v, words, ret);
}

bool read_key_bool(struct reader *r, const struct place *at, const json_t *map, const char *key,
                   bool *ret)
{
    const json_t *v = json_object_get(map, key);
    const struct place here = { at, key, 0 };
    return !v || read_bool(r, &here, v, ret);
}
