// What a template file becomes: shapes in drawing order and boxes for captions.
//
// Coordinates are pixels of the canvas, y downwards; angles degrees, clockwise. All of it lives in
// one arena and is constant once parsed.
#ifndef MEMEGEN_RENDER_SCENE_H
#define MEMEGEN_RENDER_SCENE_H

#include <cairo.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memegen/render/reader.h"
#include "memegen/render/render.h"

#define SCENE_COORD_MAX 4096.0 // times the largest scale still well inside Cairo's 24.8 fixed point
#define SCENES_MAX 256
#define SCENE_SIZE_MIN 64     // of the canvas
#define SCENE_SIZE_MAX 1024   // 4 MiB of pixels: what one worker holds while it draws
#define SCENE_SHAPES_MAX 4000 // drawn, with parts and repeats unfolded: some milliseconds
#define SCENE_DEPTH_MAX 10    // of groups in groups
#define SCENE_STEPS_MAX 400   // of one path
#define SCENE_STOPS_MAX 8     // of one gradient
#define SCENE_TEXT_BYTES 200  // of a text that belongs to the scene

struct rgba {
    double r, g, b, a; // 0 to 1
};

struct paint {
    enum { PAINT_NONE, PAINT_SOLID, PAINT_LINEAR, PAINT_RADIAL } kind;
    double points[4];  // linear: x0 y0 x1 y1; radial: cx cy radius
    size_t stop_count; // a solid paint has one
    struct {
        double offset;
        struct rgba color;
    } stops[SCENE_STOPS_MAX];
};

enum step_op { STEP_MOVE, STEP_LINE, STEP_CURVE, STEP_CLOSE };

// One step of a path, as Cairo takes it.
struct step {
    enum step_op op;
    double xy[6];
};

// A box with words in it: a caption, or a text of the scene.
struct text_box {
    double x, y, w, h;
    double rotate; // about the box's middle
    int font;      // index into text_fonts
    double size_min, size_max;
    struct rgba color, outline;
    double outline_width; // pixels beyond the letter's edge; 0: none
    int align;            // 0 left, 1 centre, 2 right
    int valign;           // 0 top, 1 middle, 2 bottom
    bool uppercase;
};

// The names that a file may give as a font, NULL-ended.
extern const char *const text_fonts[];

struct shape {
    enum { SHAPE_PATH, SHAPE_TEXT, SHAPE_GROUP } kind;
    cairo_matrix_t matrix; // from the shape's coordinates to those around it
    struct paint fill, stroke;
    double width;   // of the stroke
    double opacity; // 1: drawn straight
    bool round;     // ends of the stroke
    struct step *steps;
    size_t step_count;
    struct text_box text;
    const char *words;
    struct shape *children;
    size_t child_count;
    size_t repeat;       // how often the group is drawn, 1 or more
    cairo_matrix_t step; // from one repetition to the next
    bool clipped;
    double clip[4]; // x y w h
};

struct scene {
    struct scene_info info;
    struct paint background;
    struct shape *shapes;
    size_t shape_count;
    struct text_box captions[MEME_CAPTIONS_MAX];
    // The scene without captions, drawn once when it was loaded: 0x00RRGGBB, stride bytes a row. A
    // meme starts as a copy.
    const uint8_t *pixels;
    size_t stride;
};

struct scenes {
    struct arena arena; // all that follows
    struct scene *list; // sorted by id
    size_t count;
    const char *const *types;
};

// NULL where there is no such template.
const struct scene *scenes_scene(const struct scenes *scenes, const char *id);

// Names for colours: a file's own, and those of the place where a part is used, looked up from the
// inside out.
struct palette {
    const json_t *colors;
    const struct palette *up;
};

// Shapes that many templates share: name → {shapes}. NULL: none.
struct parts {
    const json_t *colors; // default colours
    const json_t *shapes;
};

struct scene_reader {
    struct reader r;
    const struct parts *parts;
    size_t shapes_left; // budget of SCENE_SHAPES_MAX
    size_t depth;
    double scale_least, scale_most; // by which the groups around scale, 1 at first
};

// scene.c: a whole template. file is its name, for messages.
bool scene_parse(struct scene *ret, const json_t *tree, const struct parts *parts,
                 struct reader *r);
// render.c: draws the scene without captions into its pixels, which are zeroed. Returns 0, -ENOMEM
// or -EIO.
int scene_paint(const struct scene *scene, uint8_t *pixels);
// The file of parts: checks its outline; the shapes are checked where they are used, each with its
// colours.
bool parts_parse(struct parts *ret, const json_t *tree, struct reader *r);

// shape.c
bool shapes_parse(struct scene_reader *s, const struct place *at, const json_t *v,
                  const struct palette *palette, size_t times, struct shape **ret,
                  size_t *ret_count);

// paint.c
bool color_parse(struct reader *r, const struct place *at, const json_t *v,
                 const struct palette *palette, struct rgba *ret);
bool paint_parse(struct reader *r, const struct place *at, const json_t *v,
                 const struct palette *palette, struct paint *ret);

// text.c: the keys of a text box that both captions and texts have; base gives the defaults.
#define TEXT_KEYS                                                                                  \
    "box", "rotate", "font", "size", "color", "outline", "outline_width", "align", "valign",       \
        "uppercase", "style"
bool text_box_parse(struct reader *r, const struct place *at, const json_t *v,
                    const struct palette *palette, struct text_box *ret);

#endif
