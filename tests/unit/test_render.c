// Templates drawn with captions of every kind. Needs the fonts that script/setup installs.
#include "memegen/render/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "memegen/render/scene.h"
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

// Draws the template with the texts from *next on, one a box, going round.
static struct render_result draw_next(const struct scene_info *info, const char *const texts[],
                                      size_t count, size_t *next)
{
    const char *captions[MEME_CAPTIONS_MAX];
    for (size_t i = 0; i < info->caption_count; i++) {
        captions[i] = texts[(*next)++ % count];
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
    assert_true(scenes_count(scenes) >= 12);
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
    size_t n = 0;
    for (; types[n]; n++) {
        assert_true(n == 0 || strcmp(types[n - 1], types[n]) < 0);
    }
    assert_true(n >= 6);
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

// True where the two pictures differ in this pixel.
static bool differ(cairo_surface_t *a, cairo_surface_t *b, int x, int y)
{
    const size_t at = (size_t)y * (size_t)cairo_image_surface_get_stride(a) + 4 * (size_t)x;
    return memcmp(cairo_image_surface_get_data(a) + at, cairo_image_surface_get_data(b) + at, 3) !=
           0;
}

// The pixel's middle, turned back into the box's own coordinates; with room for antialiasing at its
// edge.
static bool in_box(const struct text_box *box, int x, int y)
{
    const double turn = -box->rotate * M_PI / 180;
    const double dx = x + 0.5 - (box->x + box->w / 2), dy = y + 0.5 - (box->y + box->h / 2);
    const double u = dx * cos(turn) - dy * sin(turn), v = dx * sin(turn) + dy * cos(turn);
    return fabs(u) <= box->w / 2 + 1 && fabs(v) <= box->h / 2 + 1;
}

// Each box got ink, and no pixel outside the boxes changed.
static void check_ink(const struct scene_info *info, const char *caption)
{
    const struct scene *scene = scenes_scene(scenes, info->id);
    struct render_result blank = draw_all(info, ""), result = draw_all(info, caption);
    cairo_surface_t *before = decode(&blank), *after = decode(&result);
    size_t ink[MEME_CAPTIONS_MAX] = { 0 };
    for (int y = 0; y < info->height; y++) {
        for (int x = 0; x < info->width; x++) {
            if (!differ(before, after, x, y)) {
                continue;
            }
            bool inside = false;
            for (size_t i = 0; i < info->caption_count; i++) {
                const bool hit = in_box(&scene->captions[i], x, y);
                ink[i] += hit;
                inside |= hit;
            }
            assert_true(inside);
        }
    }
    for (size_t i = 0; i < info->caption_count; i++) {
        assert_true(ink[i] > 20);
    }
    cairo_surface_destroy(before);
    cairo_surface_destroy(after);
    free(blank.png);
    free(result.png);
}

static void captions_stay_in_their_boxes(void **state)
{
    (void)state;
    for (size_t i = 0; i < scenes_count(scenes); i++) {
        check_ink(scenes_at(scenes, i), "gjpqy ÅÉ Ÿ");
        check_ink(scenes_at(scenes, i), "Ţ̷̛̫̦͈̿̌̚h̵͖̪̳̫̓̈́͂̄̅ḙ̵̺̦̱͗̊ y̸̧̡͓̖̅̇͑̚ come");
    }
}

static void every_script_has_its_letters(void **state)
{
    (void)state;
    static const char *const captions[] = {
        "When the build is green",                                  // Latin
        "Όταν όλα πάνε καλά",                                       // Greek
        "Когда всё работает с утра",                                // Cyrillic
        "عندما يعمل الكود من أول مرة",                              // Arabic
        "כשהקוד עובד בפעם הראשונה",                                 // Hebrew
        "जब कोड पहली बार में चल जाए",                                 // Devanagari
        "เมื่อโค้ดทำงานได้ตั้งแต่ครั้งแรก",                                  // Thai
        "代码第一次就跑通了",                                       // Chinese
        "一発で動いたコードが怖い",                                 // Japanese
        "코드가 한 번에 돌아갈 때",                                 // Korean
        "குறியீடு வேலை செய்கிறது",                                    // Tamil
        "কোড প্রথমবারেই চলে",                                        // Bengali
        "როცა კოდი მუშაობს",                                        // Georgian
        "ኮዱ በመጀመሪያ ሲሰራ",                                            // Ethiopic
        "🔥🚀 it ships 👩🏽‍💻🇪🇺 1️⃣ ❤️", // emoji
    };
    for (size_t i = 0; i < scenes_count(scenes); i++) {
        const size_t count = sizeof(captions) / sizeof(*captions);
        for (size_t next = 0; next < count;) {
            struct render_result result = draw_next(scenes_at(scenes, i), captions, count, &next);
            assert_int_equal(result.unknown_glyphs, 0);
            assert_false(result.ink_outside);
            free(result.png);
        }
    }
}

static void hostile_captions_are_drawn(void **state)
{
    (void)state;
    static char word[401], long_text[401], arabic[401], marks[401], huge[100001];
    memset(word, 'W', 400);
    for (size_t i = 0; i < 400; i++) {
        long_text[i] = i % 8 == 7 ? ' ' : (char)('a' + i % 26);
        arabic[i] = "\xd8\xb9"[i % 2];
        marks[i] = i == 0 ? 'x' : i % 2 ? '\xcc' : '\x8d'; // x and 200 marks above and below it
    }
    memset(huge, 'h', sizeof(huge) - 1);
    const char *const captions[] = {
        word,
        long_text,
        arabic,
        marks,
        huge,
        "\xff\xfe\xc0\x80 \xed\xa0\x80 \xf5\x80\x80\x80 broken \xe2\x82",
        "one\ntwo\r\nthree\tfour\x01\x1b[31m\x7f",
        "<span size='999999'>markup</span> &amp; %s%n%p",
        "\u202eright to left\u202c \u2066\u2067\u2068 isolates",
        "\u200b\u200d\u200d\u200d\ufeff\u00ad\u034f",
        "\uffff \ue000 \U0010ffff \U000e0041",
        "\u2028\u2029 a\xc2\x85"
        "b",
        "﷽﷽﷽﷽﷽﷽﷽﷽",
        "   ",
    };
    for (size_t i = 0; i < scenes_count(scenes); i++) {
        const size_t count = sizeof(captions) / sizeof(*captions);
        for (size_t next = 0; next < count;) {
            struct render_result result = draw_next(scenes_at(scenes, i), captions, count, &next);
            cairo_surface_destroy(decode(&result));
            assert_true(result.unknown_glyphs >= 0);
            free(result.png);
        }
    }
}

static void what_has_no_letter_is_counted(void **state)
{
    (void)state;
    const struct scene_info *info = scenes_find(scenes, "table-sign");
    struct render_result result = draw_all(info, "\ue123");
    assert_int_equal(result.unknown_glyphs, 1);
    free(result.png);
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    static char text[401];
    memset(text, 'W', 400);
    struct render_result result = draw_all(scenes_find(scenes, "iceberg"), text);
    assert_true(result.ink_outside);
    free(result.png);
    result = draw_all(scenes_find(scenes, "approve-reject"), "It fits well");
    assert_false(result.ink_outside);
    free(result.png);
}

static void check_clean(const char *bytes, const char *expected, bool expected_cut)
{
    bool cut = false;
    char *clean = text_clean(bytes, &cut);
    assert_string_equal(clean, expected);
    assert_int_equal(cut, expected_cut);
    free(clean); // g_free() is free()
}

static void captions_are_cleaned(void **state)
{
    (void)state;
    check_clean("", "", false);
    check_clean(" \n a\tb\x7f", "a b", false);
    check_clean("a\u2028b\xc2\x85"
                "c",
                "a b c", false);
    check_clean("\xff", "\ufffd", false);
    static char text[500], expected[500];
    memset(text, 'a', 401);
    memset(expected, 'a', 400);
    check_clean(text, expected, true);
    text[400] = '\0';
    check_clean(text, expected, false);
    // A character that lies across the limit is left off whole.
    memcpy(text + 398, "\U0001f600", 5);
    expected[398] = '\0';
    check_clean(text, expected, true);
    // One that ends at the limit stays.
    memcpy(text + 396, "\U0001f600zz", 7);
    memcpy(expected + 396, "\U0001f600", 5);
    check_clean(text, expected, true);
}

static void the_same_words_make_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < scenes_count(scenes); i++) {
        struct render_result a = draw_all(scenes_at(scenes, i), "Twice the same 🎉 رسالة");
        struct render_result b = draw_all(scenes_at(scenes, i), "Twice the same 🎉 رسالة");
        assert_int_equal(a.png_len, b.png_len);
        assert_memory_equal(a.png, b.png, a.png_len);
        free(a.png);
        free(b.png);
    }
}

struct job {
    pthread_t thread;
    size_t wrong;
};

static void *draw_many(void *arg)
{
    struct job *job = arg;
    for (size_t i = 0; i < 4; i++) {
        const struct scene_info *info = scenes_at(scenes, i);
        const char *captions[MEME_CAPTIONS_MAX];
        for (size_t c = 0; c < info->caption_count; c++) {
            captions[c] = "Threads 并发 🧵";
        }
        struct render_result result;
        const int status = render_meme(&result, scenes, info->id, captions, info->caption_count);
        job->wrong += status != 0 || result.unknown_glyphs != 0;
        if (!status) {
            free(result.png);
        }
    }
    return NULL;
}

static void threads_draw_at_once(void **state)
{
    (void)state;
    struct job jobs[8] = { 0 };
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, draw_many, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(jobs[i].thread, NULL);
        assert_int_equal(jobs[i].wrong, 0);
    }
}

// The PNG grows once or twice: each of these may fail.
static void a_picture_without_memory_is_refused(void **state)
{
    (void)state;
    static const char *const captions[] = { "a", "b" };
    struct render_result result = { 0 };
    int status = -ENOMEM;
    for (long n = 0; status == -ENOMEM; n++) {
        assert_null(result.png);
        alloc_fail_after(n);
        status = render_meme(&result, scenes, "surprised-cat", captions, 2);
        alloc_fail_never();
        assert_true(n > 0 || status == -ENOMEM);
        assert_true(n < 20);
    }
    assert_int_equal(status, 0);
    free(result.png);
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
        cmocka_unit_test(captions_stay_in_their_boxes),
        cmocka_unit_test(every_script_has_its_letters),
        cmocka_unit_test(hostile_captions_are_drawn),
        cmocka_unit_test(what_has_no_letter_is_counted),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(captions_are_cleaned),
        cmocka_unit_test(the_same_words_make_the_same_bytes),
        cmocka_unit_test(threads_draw_at_once),
        cmocka_unit_test(a_picture_without_memory_is_refused),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
