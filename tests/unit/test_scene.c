// Template files with every kind of fault: each is refused with its place and reason.
#include "memegen/render/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "memegen/yaml.h"

// The lines of a small whole template, to be spoiled one at a time.
#define FACTS "id: test\ntitle: T\ntype: two_panel\ndescription: D\nmoods: [a]\n"
#define SIZE "size: [200, 100]\nbackground: \"#fff\"\n"
#define SHAPES "shapes:\n  - {rect: [0, 0, 9, 9], fill: \"#123\"}\n"
#define CAPTIONS "captions:\n  - {slot: s, chars: 20, box: [10, 10, 100, 50]}\n"
#define WITH_SHAPE(shape) FACTS SIZE "shapes:\n  - " shape "\n" CAPTIONS
#define WITH_CAPTION(caption) FACTS SIZE SHAPES "captions:\n  - " caption "\n"

static const char parts_text[] = "colors: {ink: \"#000\", loop: loop}\n"
                                 "parts:\n"
                                 "  dot: [{circle: [0, 0, 5], fill: ink}]\n"
                                 "  ball: [{circle: [0, 0, 5], fill: skin}]\n"
                                 "  self: [{use: self}]\n"
                                 "  none: []\n";

// Parses text; the error, or "" where there is none.
static char *parse(const char *text, struct scene *ret, struct arena *arena)
{
    static char error[512];
    error[0] = '\0';
    json_t *parts_tree = yaml_parse(parts_text, strlen(parts_text), error, sizeof(error));
    json_t *tree = yaml_parse(text, strlen(text), error, sizeof(error));
    assert_non_null(parts_tree);
    assert_non_null(tree);
    struct reader r = {
        .arena = arena, .file = "test.yaml", .error = error, .error_size = sizeof(error)
    };
    struct parts parts;
    assert_true(parts_parse(&parts, parts_tree, &r));
    const bool ok = scene_parse(ret, tree, &parts, &r);
    assert_int_equal(r.status, ok ? 0 : -EINVAL);
    json_decref(tree);
    json_decref(parts_tree);
    return error;
}

static void check_error(const char *text, const char *expected)
{
    struct arena arena = { NULL };
    struct scene scene;
    assert_string_equal(parse(text, &scene, &arena), expected);
    arena_done(&arena);
}

static void facts_are_checked(void **state)
{
    (void)state;
    check_error(FACTS SIZE SHAPES CAPTIONS, "");
    check_error("[]", "test.yaml: must be a mapping");
    check_error("{}", "test.yaml: id: is missing");
    check_error(FACTS SIZE SHAPES CAPTIONS "more: 1\n", "test.yaml: unknown key \"more\"");
    check_error("id: Bad Id\n", "test.yaml: id: must be made of a-z, 0-9 and -");
    check_error("id: -a\n", "test.yaml: id: must be made of a-z, 0-9 and -");
    check_error("id: 5\n", "test.yaml: id: must be a string");
    check_error("id: a\ntitle: \"\"\n", "test.yaml: title: must have 1 to 80 bytes, not 0");
    check_error("id: a\ntitle: T\ntype: two-panel\n",
                "test.yaml: type: must be made of a-z, 0-9 and _");
    check_error(FACTS, "test.yaml: size: is missing");
    check_error(FACTS "size: [10, 100]\n",
                "test.yaml: size: must be whole numbers between 64 and 1024");
    check_error(FACTS "size: [100.5, 100]\n",
                "test.yaml: size: must be whole numbers between 64 and 1024");
    check_error(FACTS "size: [100]\n", "test.yaml: size: must have 2 to 2 items, not 1");
    check_error(FACTS "size: 100\n", "test.yaml: size: must be a list");
    check_error("id: a\ntitle: T\ntype: t\ndescription: D\nsize: [99, 99]\nmoods: []\n",
                "test.yaml: moods: must have 1 to 40 items, not 0");
    check_error(FACTS "size: [99, 99]\n", "test.yaml: background: is missing");
    check_error(FACTS SIZE "colors: 1\n" SHAPES CAPTIONS, "test.yaml: colors: must be a mapping");
}

static void shapes_are_checked(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{}",
          "is no shape: it needs rect, ellipse, circle, arc, line, polygon, curve, blob, path, "
          "text, group or use" },
        { "7",
          "is no shape: it needs rect, ellipse, circle, arc, line, polygon, curve, blob, path, "
          "text, group or use" },
        { "{rect: [0, 0, 1, 1], circle: [0, 0, 1], fill: ink}", "is both a rect and a circle" },
        { "{rect: [0, 0, 1, 1]}", "needs a fill or a stroke" },
        { "{rect: [0, 0, 1, 1], fill: ink, text: x}", "is both a rect and a text" },
        { "{rect: [0, 0, 1, 1], fill: ink, count: 3}", "unknown key \"count\"" },
        { "{rect: [0, 0, 0, 1], fill: ink}", "rect: must have a width and a height" },
        { "{rect: [0, 0, 1], fill: ink}", "rect: must have 4 to 4 items, not 3" },
        { "{rect: [0, 0, 1, x], fill: ink}", "rect[3]: must be a number" },
        { "{rect: [0, 0, 1, 9999], fill: ink}", "rect[3]: must be between -4096 and 4096" },
        { "{rect: [0, 0, 1, 1], fill: ink, radius: -1}", "radius: must be between 0 and 4096" },
        { "{circle: [0, 0, 0], fill: ink}", "circle: must have a radius greater than 0" },
        { "{arc: [0, 0, 9, 0, 361], stroke: ink}", "arc: must not go round more than once" },
        { "{line: [0, 0, 1], stroke: ink}", "line: must have 4 to 796 items, not 3" },
        { "{line: [0, 0, 1, 1, 1], stroke: ink}",
          "line: must have an even number of coordinates: x, y, x, y, …" },
        { "{blob: [0, 0, 1, 1], stroke: ink}", "blob: must have 6 to 796 items, not 4" },
        { "{line: [0, 0, 1, 1], stroke: ink, width: 0}", "width: must be between 0.1 and 200" },
        { "{line: [0, 0, 1, 1], stroke: ink, cap: square}", "cap: must be one of: round, butt" },
        { "{line: [0, 0, 1, 1], stroke: ink, opacity: 2}", "opacity: must be between 0 and 1" },
        { "{line: [0, 0, 1, 1], stroke: ink, at: [0]}", "at: must have 2 to 2 items, not 1" },
        { "{line: [0, 0, 1, 1], stroke: ink, rotate: 999}",
          "rotate: must be between -360 and 360" },
        { "{line: [0, 0, 1, 1], stroke: ink, scale: 0}",
          "scale: must be between 0.05 and 8, or negative to mirror" },
        { "{line: [0, 0, 1, 1], stroke: ink, scale: [1, 9]}",
          "scale: must be between 0.05 and 8, or negative to mirror" },
        { "{path: \"\", fill: ink}", "path: must have 1 to 8000 bytes, not 0" },
        { "{path: 5, fill: ink}", "path: must be a string" },
        { "{path: \" \", fill: ink}", "path: is empty" },
        { "{path: L 1 1, fill: ink}", "path: must begin with M" },
        { "{path: 1 1, fill: ink}", "path: must begin with M" },
        { "{path: M 1, fill: ink}", "path: a number is missing or too long" },
        { "{path: M 1e5 1, fill: ink}", "path: a number is missing or too long" },
        { "{path: M 1 1 A 1 1, fill: ink}", "path: unknown command: only M L H V C S Q Z" },
        { "{path: M 1 1 é, fill: ink}", "path: a number is missing or too long" },
        { "{path: M 1 1 Z 5, fill: ink}", "path: a number after Z" },
        { "{path: M 5000 1, fill: ink}", "path: a coordinate is too large" },
        { "{path: M 4000 1 h 4000, fill: ink}", "path: the path leaves the plane" },
        { "{path: M 1 00000000000000000001, fill: ink}", "path: a number is missing or too long" },
        { "{text: x, box: [0, 0, 10, 20]}", "box: must be at least 40 wide and 16 high" },
        { "{text: x, box: [0, 0, 50, 20], fill: ink}", "unknown key \"fill\"" },
        { "{text: x}", "box: is missing" },
        { "{group: []}", "group: must have 1 to 400 items, not 0" },
        { "{group: [{circle: [0, 0, 1], fill: no}]}",
          "group[0].fill: no colour \"no\": use #rgb, #rrggbb, #rrggbbaa or a name of colors" },
        { "{group: [{use: dot}], clip: [0, 0]}", "clip: must have 4 to 4 items, not 2" },
        { "{group: [{use: dot}], colors: 3}", "colors: must be a mapping" },
        { "{use: dot, fill: ink}", "unknown key \"fill\"" },
        { "{use: nobody}", "use: no part \"nobody\"" },
        { "{use: none}", "use: must have 1 to 400 items, not 0" },
        { "{use: dot, repeat: {}}", "repeat.count: is missing" },
        { "{use: dot, repeat: {count: 0}}", "repeat.count: must be between 1 and 200" },
        { "{use: dot, repeat: {count: 2, turn: 1}}", "repeat: unknown key \"turn\"" },
        { "{use: dot, repeat: {count: 200, scale: 1.1}}", "repeat: scales by too much in all" },
        { "{use: dot, repeat: {count: 200, step: [4000, 0]}}", "repeat: leaves the plane" },
        { "{group: [{group: [{use: dot}], scale: 8}], scale: 8}",
          "group[0]: scales by too much, with the groups around it" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[1024], expected[512];
        snprintf(text, sizeof(text), WITH_SHAPE("%s"), cases[i][0]);
        const bool inner = strncmp(cases[i][1], "is ", 3) == 0 ||
                           strncmp(cases[i][1], "needs ", 6) == 0 ||
                           strncmp(cases[i][1], "unknown ", 8) == 0;
        snprintf(expected, sizeof(expected), "test.yaml: shapes[0]%s%s", inner ? ": " : ".",
                 cases[i][1]);
        check_error(text, expected);
    }
}

static void paints_are_checked(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "\"#12\"", ": no colour \"#12\": use #rgb, #rrggbb, #rrggbbaa or a name of colors" },
        { "\"#12345g\"",
          ": no colour \"#12345g\": use #rgb, #rrggbb, #rrggbbaa or a name of colors" },
        { "skin", ": no colour \"skin\": use #rgb, #rrggbb, #rrggbbaa or a name of colors" },
        { "loop", ": no colour \"loop\": use #rgb, #rrggbb, #rrggbbaa or a name of colors" },
        { "5", ": must be a mapping" },
        { "{stops: []}", ": must have either linear or radial" },
        { "{radial: [0, 0, 0], stops: []}", ".radial: must have a radius greater than 0" },
        { "{linear: [0, 0, 1, 1]}", ".stops: is missing" },
        { "{linear: [0, 0, 1, 1], stops: [[0, ink]]}", ".stops: must have 2 to 8 items, not 1" },
        { "{linear: [0, 0, 1, 1], stops: [[0, ink], [2, ink]]}",
          ".stops[1]: must be between 0 and 1" },
        { "{linear: [0, 0, 1, 1], stops: [[0, ink], [1]]}",
          ".stops[1]: must have 2 to 2 items, not 1" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[1024], expected[512];
        snprintf(text, sizeof(text), WITH_SHAPE("{circle: [0, 0, 1], fill: %s}"), cases[i][0]);
        snprintf(expected, sizeof(expected), "test.yaml: shapes[0].fill%s", cases[i][1]);
        check_error(text, expected);
    }
}

static void captions_are_checked(void **state)
{
    (void)state;
    check_error(FACTS SIZE SHAPES, "test.yaml: captions: is missing");
    check_error(FACTS SIZE SHAPES "captions: []\n",
                "test.yaml: captions: must have 1 to 6 items, not 0");
    check_error(WITH_CAPTION("{chars: 20, box: [0, 0, 50, 50]}"),
                "test.yaml: captions[0].slot: is missing");
    check_error(WITH_CAPTION("{slot: s, chars: 3, box: [0, 0, 50, 50]}"),
                "test.yaml: captions[0].chars: must be between 5 and 400");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [160, 0, 50, 50]}"),
                "test.yaml: captions[0].box: must lie inside the canvas");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [0, 0, 200, 100]}"), "");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [0, 0, 200, 100], rotate: 5}"),
                "test.yaml: captions[0].box: must lie inside the canvas");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [0, 0, 50, 50], size: [40, 20]}"),
                "test.yaml: captions[0].size: must be the smallest and the largest size, 8 to 200");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [0, 0, 50, 50], font: arial}"),
                "test.yaml: captions[0].font: must be one of: impact, sans, hand, mono, serif");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [0, 0, 50, 50], uppercase: 1}"),
                "test.yaml: captions[0].uppercase: must be true or false");
    check_error(WITH_CAPTION("{slot: s, chars: 20, box: [0, 0, 50, 50], fill: ink}"),
                "test.yaml: captions[0]: unknown key \"fill\"");
}

static void what_is_drawn_is_bounded(void **state)
{
    (void)state;
    // 200 × 20 dots and their groups are more than 4000 shapes.
    check_error(WITH_SHAPE("{group: [{use: dot, repeat: {count: 20}}], repeat: {count: 200}}"),
                "test.yaml: shapes[0].group[0].use[0]: more than 4000 shapes in all");
    check_error(WITH_SHAPE("{use: self}"),
                "test.yaml: shapes[0].use[0].use[0].use[0].use[0].use[0].use[0].use[0].use[0]"
                ".use[0].use: more than 10 groups in one another");
    // A path of 401 steps.
    char text[8192];
    size_t len =
        (size_t)snprintf(text, sizeof(text), "%s", FACTS SIZE "shapes:\n  - {path: \"M0 0");
    for (int i = 0; i < 400; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, " 1 %d", i);
    }
    snprintf(text + len, sizeof(text) - len, "\", fill: ink}\n" CAPTIONS);
    check_error(text, "test.yaml: shapes[0].path: too many steps");
}

static void paths_are_what_svg_says(void **state)
{
    (void)state;
    struct arena arena = { NULL };
    struct scene scene;
    assert_string_equal(
        parse(WITH_SHAPE("{path: \"M10 20l5-5.5H30v+4,Q40 40 50 20s1 2 3 4C1 2 3 4 5 6zm1 1 2 2\", "
                         "stroke: ink}"),
              &scene, &arena),
        "");
    static const struct step expected[] = {
        { STEP_MOVE, { 10, 20 } },
        { STEP_LINE, { 15, 14.5 } },
        { STEP_LINE, { 30, 14.5 } },
        { STEP_LINE, { 30, 18.5 } },
        { STEP_CURVE, { 30 + 20 / 3.0, 18.5 + 43 / 3.0, 50 - 20 / 3.0, 20 + 40 / 3.0, 50, 20 } },
        { STEP_CURVE, { 50 + 20 / 3.0, 20 - 40 / 3.0, 51, 22, 53, 24 } },
        { STEP_CURVE, { 1, 2, 3, 4, 5, 6 } },
        { STEP_CLOSE, { 0 } },
        { STEP_MOVE, { 11, 21 } },
        { STEP_LINE, { 13, 23 } },
    };
    assert_int_equal(scene.shapes[0].step_count, sizeof(expected) / sizeof(*expected));
    for (size_t i = 0; i < scene.shapes[0].step_count; i++) {
        const struct step *step = &scene.shapes[0].steps[i];
        assert_int_equal(step->op, expected[i].op);
        for (int k = 0; k < 6; k++) {
            assert_float_equal(step->xy[k], expected[i].xy[k], 1e-9);
        }
    }
    arena_done(&arena);
}

static void colours_are_found_from_the_inside_out(void **state)
{
    (void)state;
    struct arena arena = { NULL };
    struct scene scene;
    assert_string_equal(parse(FACTS SIZE "colors: {skin: \"#ff0000\", warm: ink}\nshapes:\n"
                                         "  - {use: ball}\n"
                                         "  - {use: ball, colors: {skin: \"#00ff0080\"}}\n"
                                         "  - {use: ball, colors: {skin: warm}}\n" CAPTIONS,
                              &scene, &arena),
                        "");
    const struct rgba *colors[3];
    for (size_t i = 0; i < 3; i++) {
        colors[i] = &scene.shapes[i].children[0].fill.stops[0].color;
    }
    assert_float_equal(colors[0]->r, 1, 0);
    assert_float_equal(colors[0]->a, 1, 0);
    assert_float_equal(colors[1]->g, 1, 0);
    assert_float_equal((float)colors[1]->a, 128 / 255.0F, 1e-6);
    assert_true(colors[2]->r + colors[2]->g + colors[2]->b <= 0);
    arena_done(&arena);
}

// A directory with these files, in the order name, text, name, text.
static char *make_dir(const char *const files[], size_t count)
{
    static char dir[64];
    snprintf(dir, sizeof(dir), "/tmp/test_scene_XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < count; i += 2) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(files[i + 1], file);
        fclose(file);
    }
    return dir;
}

static void drop_dir(const char *dir, const char *const files[], size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void check_dir(const char *const files[], size_t count, int status, const char *expected)
{
    const char *dir = make_dir(files, count);
    struct scenes *scenes = NULL;
    char error[512] = "", full[512];
    assert_int_equal(scenes_load(&scenes, dir, error, sizeof(error)), status);
    snprintf(full, sizeof(full), expected, dir);
    assert_string_equal(error, full);
    assert_int_equal(scenes != NULL, status == 0);
    scenes_free(scenes);
    drop_dir(dir, files, count);
}

static void directories_are_checked(void **state)
{
    (void)state;
    static const char whole[] = FACTS SIZE SHAPES CAPTIONS;
    const char *const good[] = { "test.yaml", whole, "parts.yaml", parts_text, "notes.txt", "x" };
    check_dir(good, 6, 0, "");
    check_dir(good, 2, 0, ""); // no parts
    check_dir(good, 0, -EINVAL, "%s: no template (*.yaml) in this directory");
    const char *const named[] = { "other.yaml", whole };
    check_dir(named, 2, -EINVAL, "other.yaml: id: must be the file's name, without .yaml");
    const char *const wrong[] = { "test.yaml", whole, "parts.yaml", "parts: 5\n" };
    check_dir(wrong, 4, -EINVAL, "parts.yaml: parts: must be a mapping");
    struct scenes *scenes = NULL;
    char error[512];
    assert_int_equal(scenes_load(&scenes, "/no/such/place", error, sizeof(error)), -ENOENT);
    assert_string_equal(error, "/no/such/place: No such file or directory");
    const char *const broken[] = { "test.yaml", "a: [1,\n" };
    const char *dir = make_dir(broken, 2);
    assert_int_equal(scenes_load(&scenes, dir, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "test.yaml: line "));
    drop_dir(dir, broken, 2);
}

static void loading_without_memory_fails_cleanly(void **state)
{
    (void)state;
    static const char *const files[] = { "test.yaml", FACTS SIZE SHAPES CAPTIONS, "parts.yaml",
                                         parts_text };
    const char *dir = make_dir(files, 4);
    struct scenes *scenes = NULL;
    int status = -ENOMEM;
    long n = 0;
    for (; status; n++) {
        char error[512] = "";
        assert_null(scenes);
        alloc_fail_after(n);
        status = scenes_load(&scenes, dir, error, sizeof(error));
        alloc_fail_never();
        assert_true(n < 1000);
        assert_true(status == 0 || error[0] != '\0');
    }
    assert_true(n > 3);
    assert_int_equal(scenes_count(scenes), 1);
    scenes_free(scenes);
    drop_dir(dir, files, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_checked),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(paints_are_checked),
        cmocka_unit_test(captions_are_checked),
        cmocka_unit_test(what_is_drawn_is_bounded),
        cmocka_unit_test(paths_are_what_svg_says),
        cmocka_unit_test(colours_are_found_from_the_inside_out),
        cmocka_unit_test(directories_are_checked),
        cmocka_unit_test(loading_without_memory_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
