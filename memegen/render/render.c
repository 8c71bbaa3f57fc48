#include "memegen/render/render.h"

#include <errno.h>
#include <string.h>

#include "memegen/render/draw.h"
#include "memegen/render/png.h"
#include "memegen/render/scene.h"
#include "memegen/render/text.h"

static int errno_of(cairo_status_t status)
{
    return status == CAIRO_STATUS_SUCCESS ? 0 : status == CAIRO_STATUS_NO_MEMORY ? -ENOMEM : -EIO;
}

int scene_paint(const struct scene *scene, uint8_t *pixels)
{
    cairo_surface_t *surface = cairo_image_surface_create_for_data(
        pixels, CAIRO_FORMAT_RGB24, scene->info.width, scene->info.height, (int)scene->stride);
    cairo_t *cr = cairo_create(surface);
    struct text_drawer texts;
    text_drawer_init(&texts, cr);
    scene_draw(cr, &texts, scene);
    text_drawer_done(&texts);
    const cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return errno_of(status);
}

static cairo_status_t draw_captions(cairo_surface_t *surface, const struct scene *scene,
                                    const char *const captions[], struct text_result *result)
{
    cairo_t *cr = cairo_create(surface);
    struct text_drawer texts;
    text_drawer_init(&texts, cr);
    for (size_t i = 0; i < scene->info.caption_count; i++) {
        text_draw(&texts, &scene->captions[i], captions[i], result);
    }
    text_drawer_done(&texts);
    const cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    return status;
}

int render_meme(struct render_result *ret, const struct scenes *scenes, const char *template_id,
                const char *const captions[], size_t caption_count)
{
    const struct scene *scene = scenes_scene(scenes, template_id);
    if (!scene || caption_count != scene->info.caption_count) {
        return -EINVAL;
    }
    const int width = scene->info.width, height = scene->info.height;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    struct text_result texts = { 0 };
    struct render_result result = { 0 };
    int status = errno_of(cairo_surface_status(surface));
    if (!status) {
        uint8_t *pixels = cairo_image_surface_get_data(surface);
        memcpy(pixels, scene->pixels, scene->stride * (size_t)height);
        cairo_surface_mark_dirty(surface);
        status = errno_of(draw_captions(surface, scene, captions, &texts));
        cairo_surface_flush(surface);
        if (!status) {
            status = png_encode(pixels, width, height, scene->stride, &result.png, &result.png_len);
        }
    }
    if (!status) {
        result.unknown_glyphs = texts.unknown_glyphs;
        result.ink_outside = texts.cut;
        *ret = result;
    }
    cairo_surface_destroy(surface);
    return status;
}
