// Any bytes as a template file: a scene or an error with its place; what passed is drawn, if it is
// small.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/render/scene.h"
#include "memegen/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIXELS_MAX (128 * 128) // of what is drawn: keeps a run below a millisecond
#define DRAWN_MAX 200          // shapes of what is drawn

static const char parts_text[] = "colors: {ink: \"#000\", skin: ink}\n"
                                 "parts:\n"
                                 "  dot: [{circle: [0, 0, 5], fill: ink}]\n"
                                 "  pair: [{use: dot}, {use: dot, at: [9, 9], scale: 2}]\n"
                                 "  self: [{use: self}]\n";

static const struct parts *parts(void)
{
    static struct parts kept;
    static json_t *tree;
    if (!tree) {
        char error[256];
        struct reader r = { .file = "parts", .error = error, .error_size = sizeof(error) };
        tree = yaml_parse(parts_text, strlen(parts_text), error, sizeof(error));
        if (!tree || !parts_parse(&kept, tree, &r)) {
            abort();
        }
    }
    return &kept;
}

static size_t shapes_of(const struct shape *shapes, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += (1 + shapes_of(shapes[i].children, shapes[i].child_count)) * shapes[i].repeat;
    }
    return n;
}

static void check(struct scene *scene)
{
    const struct scene_info *info = &scene->info;
    const size_t shapes = shapes_of(scene->shapes, scene->shape_count);
    if (shapes == 0 || info->caption_count < 1 || info->caption_count > MEME_CAPTIONS_MAX ||
        !info->moods[0] || info->width > SCENE_SIZE_MAX || info->height > SCENE_SIZE_MAX) {
        abort();
    }
    if (info->width * info->height > PIXELS_MAX || shapes > DRAWN_MAX) {
        return;
    }
    scene->stride = (size_t)cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, info->width);
    uint8_t *pixels = calloc((size_t)info->height, scene->stride);
    if (!pixels || scene_paint(scene, pixels) != 0) {
        abort(); // whatever is accepted can be drawn
    }
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[512] = "";
    json_t *tree = yaml_parse((const char *)data, size, error, sizeof(error));
    if (!tree) {
        return 0;
    }
    struct arena arena = { NULL };
    struct reader r = {
        .arena = &arena, .file = "fuzz", .error = error, .error_size = sizeof(error)
    };
    struct scene scene;
    const bool ok = scene_parse(&scene, tree, parts(), &r);
    if (ok != (r.status == 0) || (!ok && !error[0])) {
        abort();
    }
    if (ok) {
        check(&scene);
    }
    arena_done(&arena);
    json_decref(tree);
    return 0;
}
