// Templates drawn with captions of every kind, and template files with every kind of fault.
#include "memegen/render/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cairo.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "memegen/render/text.h"

static struct scenes *scenes;

static int load(void **state)
{
    (void)state;
    char error[512] = "";
    const int status = scenes_load(&scenes, TEMPLATES_DIR, error, sizeof(error));
    if (status) {
        print_error("%s\n", error);
    }
    return status;
}

static int unload(void **state)
{
    (void)state;
    scenes_free(scenes);
    return 0;
}

// Draws the template with the same caption in each box.
static struct render_result draw_all(const struct scene_info *info, const char *caption)
{
    const char *captions[MEME_CAPTIONS_MAX];
    for (size_t i = 0; i < info->caption_count; i++) {
        captions[i] = caption;
    }
    struct render_result result;
    assert_int_equal(render_meme(&result, scenes, info->id, captions, info->caption_count), 0);
    return result;
}

struct cursor {
    const unsigned char *at;
    size_t left;
};

static cairo_status_t take(void *closure, unsigned char *out, unsigned int n)
{
    struct cursor *cursor = closure;
    if (n > cursor->left) {
        return CAIRO_STATUS_READ_ERROR;
    }
    memcpy(out, cursor->at, n);
    cursor->at += n;
    cursor->left -= n;
    return CAIRO_STATUS_SUCCESS;
}

static cairo_surface_t *decode(const struct render_result *result)
{
    struct cursor cursor = { result->png, result->png_len };
    cairo_surface_t *surface = cairo_image_surface_create_from_png_stream(take, &cursor);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cursor.left, 0);
    return surface;
}

static void every_template_is_told_in_full(void **state)
{
    (void)state;
    assert_true(scenes_count(scenes) >= 2);
    for (size_t i = 0; i < scenes_count(scenes); i++) {
        const struct scene_info *info = scenes_at(scenes, i);
        assert_ptr_equal(scenes_find(scenes, info->id), info);
        assert_true(i == 0 || strcmp(scenes_at(scenes, i - 1)->id, info->id) < 0);
        assert_in_range(info->caption_count, 1, MEME_CAPTIONS_MAX);
        assert_non_null(info->moods[0]);
        for (size_t c = 0; c < info->caption_count; c++) {
            assert_true(strlen(info->slots[c]) > 0);
            assert_in_range(info->slot_chars[c], 5, 400);
        }
    }
    assert_null(scenes_at(scenes, scenes_count(scenes)));
    assert_null(scenes_find(scenes, "no-such-template"));
    const char *const *types = scenes_types(scenes);
    for (size_t i = 1; types[0] && types[i]; i++) {
        assert_true(strcmp(types[i - 1], types[i]) < 0);
    }
}

static void every_template_makes_a_picture(void **state)
{
    (void)state;
    static const char *const captions[] = { "", "Short",
                                            "A caption of the usual length, two lines" };
    for (size_t i = 0; i < scenes_count(scenes); i++) {
        const struct scene_info *info = scenes_at(scenes, i);
        for (size_t c = 0; c < sizeof(captions) / sizeof(*captions); c++) {
            struct render_result result = draw_all(info, captions[c]);
            cairo_surface_t *surface = decode(&result);
            assert_int_equal(cairo_image_surface_get_width(surface), info->width);
            assert_int_equal(cairo_image_surface_get_height(surface), info->height);
            assert_int_equal(result.unknown_glyphs, 0);
            assert_false(result.ink_outside);
            cairo_surface_destroy(surface);
            free(result.png);
        }
    }
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    struct render_result result = { 0 };
    const struct scene_info *info = scenes_at(scenes, 0);
    const char *captions[MEME_CAPTIONS_MAX + 1] = { "a", "b", "c", "d", "e", "f", "g" };
    assert_int_equal(render_meme(&result, scenes, "no-such", captions, 2), -EINVAL);
    assert_int_equal(render_meme(&result, scenes, info->id, captions, info->caption_count + 1),
                     -EINVAL);
    assert_null(result.png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_template_is_told_in_full),
        cmocka_unit_test(every_template_makes_a_picture),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
