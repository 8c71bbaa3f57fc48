// The templates of a directory: loaded once, then constant.

#include "memegen/render/scene.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memegen/yaml.h"

#define PARTS_FILE "parts.yaml" // shapes that the templates share; itself none

static int select_template(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && strcmp(dot, ".yaml") == 0 &&
           strcmp(entry->d_name, PARTS_FILE) != 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_ids(const void *a, const void *b)
{
    const struct scene *x = a, *y = b;
    return strcmp(x->info.id, y->info.id);
}

// Reads the reader's file as a tree, or says why not.
static json_t *load_tree(struct reader *r, const char *dir)
{
    char path[4096], why[256] = "";
    const int n = snprintf(path, sizeof(path), "%s/%s", dir, r->file);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        read_fail(r, NULL, "the path is too long");
        return NULL;
    }
    json_t *tree = yaml_load(path, why, sizeof(why));
    if (!tree) {
        read_fail(r, NULL, "%s", why);
    }
    return tree;
}

// A directory may do without shared parts: then *ret_tree is NULL.
static bool load_parts(struct reader *r, const char *dir, json_t **ret_tree, struct parts *ret)
{
    char path[4096];
    r->file = PARTS_FILE;
    snprintf(path, sizeof(path), "%s/%s", dir, PARTS_FILE);
    if (access(path, F_OK) != 0) {
        return true;
    }
    *ret_tree = load_tree(r, dir);
    return *ret_tree && parts_parse(ret, *ret_tree, r);
}

static bool load_scene(struct reader *r, const char *dir, const char *name,
                       const struct parts *parts, struct scene *ret)
{
    r->file = name;
    json_t *tree = load_tree(r, dir);
    if (!tree) {
        return false;
    }
    const struct place at = { NULL, "id", 0 };
    const bool ok = scene_parse(ret, tree, parts, r);
    json_decref(tree);
    if (!ok) {
        return false;
    }
    const size_t len = strlen(name) - strlen(".yaml");
    return (strlen(ret->info.id) == len && memcmp(name, ret->info.id, len) == 0) ||
           read_fail(r, &at, "must be the file's name, without .yaml");
}

// The stride is Cairo's own, so that a meme's surface is a plain copy.
static bool paint_scene(struct reader *r, struct scene *scene)
{
    scene->stride = (size_t)cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, scene->info.width);
    uint8_t *pixels = arena_array(r->arena, (size_t)scene->info.height, scene->stride);
    if (!pixels) {
        return read_no_memory(r);
    }
    scene->pixels = pixels;
    const int status = scene_paint(scene, pixels);
    return status == -ENOMEM ? read_no_memory(r)
                             : !status || read_fail(r, NULL, "Cairo cannot draw this scene");
}

// The distinct types, sorted.
static bool collect_types(struct reader *r, struct scenes *scenes)
{
    const char **types = arena_array(r->arena, scenes->count + 1, sizeof(*types));
    if (!types) {
        return read_no_memory(r);
    }
    for (size_t i = 0; i < scenes->count; i++) {
        types[i] = scenes->list[i].info.type;
    }
    qsort(types, scenes->count, sizeof(*types), compare_strings);
    size_t n = 0;
    for (size_t i = 0; i < scenes->count; i++) {
        if (n == 0 || strcmp(types[n - 1], types[i]) != 0) {
            types[n++] = types[i];
        }
    }
    types[n] = NULL;
    scenes->types = types;
    return true;
}

static bool load_all(struct reader *r, struct scenes *scenes, const char *dir,
                     struct dirent *const *names, size_t count)
{
    json_t *parts_tree = NULL;
    struct parts parts = { NULL, NULL };
    scenes->list = arena_array(r->arena, count, sizeof(*scenes->list));
    bool ok = scenes->list ? load_parts(r, dir, &parts_tree, &parts) : read_no_memory(r);
    for (size_t i = 0; ok && i < count; i++) {
        struct scene *scene = &scenes->list[i];
        ok = load_scene(r, dir, names[i]->d_name, parts_tree ? &parts : NULL, scene) &&
             paint_scene(r, scene);
        scenes->count += ok;
    }
    json_decref(parts_tree);
    if (ok) {
        qsort(scenes->list, scenes->count, sizeof(*scenes->list), compare_ids);
        ok = collect_types(r, scenes);
    }
    return ok;
}

int scenes_load(struct scenes **ret, const char *dir, char *error, size_t error_size)
{
    struct dirent **names;
    const int count = scandir(dir, &names, select_template, compare_names);
    if (count < 0) {
        const int why = errno;
        snprintf(error, error_size, "%s: %s", dir, strerror(why));
        return -why;
    }
    struct scenes *scenes = calloc(1, sizeof(*scenes));
    struct reader r = { .file = dir, .error = error, .error_size = error_size };
    if (!scenes) {
        read_no_memory(&r);
    } else if (count == 0) {
        read_fail(&r, NULL, "no template (*.yaml) in this directory");
    } else if (count > SCENES_MAX) {
        read_fail(&r, NULL, "more than %d templates in this directory", SCENES_MAX);
    } else {
        r.arena = &scenes->arena;
        load_all(&r, scenes, dir, names, (size_t)count);
    }
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
    if (r.status) {
        scenes_free(scenes);
        return r.status;
    }
    *ret = scenes;
    return 0;
}

void scenes_free(struct scenes *scenes)
{
    if (scenes) {
        arena_done(&scenes->arena);
        free(scenes);
    }
}

size_t scenes_count(const struct scenes *scenes)
{
    return scenes->count;
}

const struct scene_info *scenes_at(const struct scenes *scenes, size_t i)
{
    return i < scenes->count ? &scenes->list[i].info : NULL;
}

const struct scene *scenes_scene(const struct scenes *scenes, const char *id)
{
    const struct scene key = { .info.id = id };
    return bsearch(&key, scenes->list, scenes->count, sizeof(key), compare_ids);
}

const struct scene_info *scenes_find(const struct scenes *scenes, const char *id)
{
    const struct scene *scene = scenes_scene(scenes, id);
    return scene ? &scene->info : NULL;
}

const char *const *scenes_types(const struct scenes *scenes)
{
    return scenes->types;
}
