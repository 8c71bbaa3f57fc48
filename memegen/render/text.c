#include "memegen/render/text.h"

#include <hb-ot.h>
#include <math.h>
#include <pango/pangocairo.h>
#include <string.h>

// Families in order of preference; Pango fills in from any installed font what these lack, so a
// missing one costs beauty alone.
const char *const text_fonts[] = { "impact", "sans", "hand", "mono", "serif", NULL };
static const struct {
    const char *families;
    PangoWeight weight;
} faces[] = {
    { "Anton,Impact,Bebas Neue,DejaVu Sans Condensed,Noto Sans", PANGO_WEIGHT_BOLD },
    { "Noto Sans,DejaVu Sans", PANGO_WEIGHT_BOLD },
    { "Comic Neue,Noto Sans,DejaVu Sans", PANGO_WEIGHT_BOLD },
    { "DejaVu Sans Mono,Noto Sans Mono", PANGO_WEIGHT_BOLD },
    { "Noto Serif,DejaVu Serif", PANGO_WEIGHT_BOLD },
};

// The font size in which every text is laid out, to be scaled to its own. Without hinting the
// result is the same, and Fontconfig sorts the fonts once a face and thread, not once for each size
// that the fitting tries: that takes 3 ms.
#define LAYOUT_SIZE 64

// A text on its way: the box's inside in its own coordinates, from (0, 0).
struct fit {
    PangoLayout *layout;
    const struct text_box *box;
    double w, h;  // what remains of the box inside the outline
    double scale; // from the layout to the box
};

bool text_box_parse(struct reader *r, const struct place *at, const json_t *v,
                    const struct palette *palette, struct text_box *ret)
{
    static const char *const aligns[] = { "left", "center", "right", NULL };
    static const char *const valigns[] = { "top", "middle", "bottom", NULL };
    static const char *const styles[] = { "plain", "meme", NULL };
    const struct place at_box = { at, "box", 0 }, at_size = { at, "size", 0 };
    const struct place at_color = { at, "color", 0 }, at_outline = { at, "outline", 0 };
    const json_t *color = json_object_get(v, "color"), *outline = json_object_get(v, "outline");
    const json_t *size = json_object_get(v, "size");
    double box[4], sizes[2] = { 14, 40 };
    int style = 0;
    *ret = (struct text_box){ .font = 1, .align = 1, .valign = 1, .color = { 0.1, 0.1, 0.12, 1 } };
    if (!read_key_choice(r, at, v, "style", styles, &style)) {
        return false;
    }
    if (style == 1) { // the classic: white capitals with a black edge
        ret->font = 0;
        ret->color = (struct rgba){ 1, 1, 1, 1 };
        ret->outline = (struct rgba){ 0, 0, 0, 1 };
        ret->outline_width = 4;
        ret->uppercase = true;
        sizes[0] = 18;
        sizes[1] = 72;
    }
    if (!read_coords(r, &at_box, json_object_get(v, "box"), 4, 4, box, NULL) ||
        !read_key_number(r, at, v, "rotate", -360, 360, &ret->rotate) ||
        !read_key_choice(r, at, v, "font", text_fonts, &ret->font) ||
        (size && !read_coords(r, &at_size, size, 2, 2, sizes, NULL)) ||
        (color && !color_parse(r, &at_color, color, palette, &ret->color)) ||
        (outline && !color_parse(r, &at_outline, outline, palette, &ret->outline)) ||
        !read_key_number(r, at, v, "outline_width", 0, 12, &ret->outline_width) ||
        !read_key_choice(r, at, v, "align", aligns, &ret->align) ||
        !read_key_choice(r, at, v, "valign", valigns, &ret->valign) ||
        !read_key_bool(r, at, v, "uppercase", &ret->uppercase)) {
        return false;
    }
    ret->x = box[0];
    ret->y = box[1];
    ret->w = box[2];
    ret->h = box[3];
    ret->size_min = sizes[0];
    ret->size_max = sizes[1];
    if (!(ret->w >= 40 && ret->h >= 16)) {
        return read_fail(r, &at_box, "must be at least 40 wide and 16 high");
    }
    if (!(sizes[0] >= 8 && sizes[0] <= sizes[1] && sizes[1] <= 200)) {
        return read_fail(r, &at_size, "must be the smallest and the largest size, 8 to 200");
    }
    return true;
}

void text_drawer_init(struct text_drawer *ret, cairo_t *cr)
{
    ret->cr = cr;
    ret->context = pango_font_map_create_context(pango_cairo_font_map_get_default());
    // The same pixels everywhere: no hinting, no subpixel order of some screen, no language of the
    // environment.
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(ret->context, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(ret->context, FALSE);
    pango_context_set_language(ret->context, pango_language_from_string("en"));
}

void text_drawer_done(struct text_drawer *texts)
{
    g_object_unref(texts->context);
}

char *text_clean(const char *bytes, bool *cut)
{
    size_t len = strnlen(bytes, MEME_CAPTION_BYTES);
    if (len >= MEME_CAPTION_BYTES) {
        *cut = true;
        len = MEME_CAPTION_BYTES - 1;
        // Not in the middle of a character: back over its continuation bytes and its head.
        size_t head = len;
        while (head > 0 && len - head < 3 && ((unsigned char)bytes[head] & 0xc0) == 0x80) {
            head--;
        }
        len = ((unsigned char)bytes[head] & 0xc0) == 0xc0 ? head : len;
    }
    char *valid = g_utf8_make_valid(bytes, (gssize)len);
    GString *clean = g_string_sized_new(len + 1);
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        const gunichar c = g_utf8_get_char(p);
        const GUnicodeType type = g_unichar_type(c);
        const bool blank = type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR ||
                           type == G_UNICODE_PARAGRAPH_SEPARATOR;
        g_string_append_unichar(clean, blank ? ' ' : c);
    }
    g_free(valid);
    return g_strstrip(g_string_free(clean, FALSE));
}

// Scripts of plain letters on one line, whose lines may stand closer than the font says: memes want
// to be tight. Others (Arabic, Thai, Devanagari, …) need their room for marks.
static bool is_tight(const char *text)
{
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        const gunichar c = g_utf8_get_char(p);
        const GUnicodeScript script = g_unichar_get_script(c);
        if (g_unichar_type(c) == G_UNICODE_OTHER_SYMBOL) {
            return false;
        }
        if (script != G_UNICODE_SCRIPT_LATIN && script != G_UNICODE_SCRIPT_COMMON &&
            script != G_UNICODE_SCRIPT_GREEK && script != G_UNICODE_SCRIPT_CYRILLIC) {
            return false;
        }
    }
    return true;
}

// What the layout covers, in the box's pixels: the ink of some scripts reaches above and below
// their lines.
struct extent {
    double left, right, width; // of the ink; of the lines
    double top, bottom;        // of both
};

static struct extent extent_of(const struct fit *f)
{
    const double unit = PANGO_SCALE / f->scale;
    PangoRectangle ink, logical;
    pango_layout_get_extents(f->layout, &ink, &logical);
    return (struct extent){
        .left = ink.x / unit,
        .right = (ink.x + ink.width) / unit,
        .width = logical.width / unit,
        .top = fmin(ink.y, logical.y) / unit,
        .bottom = fmax(ink.y + ink.height, logical.y + logical.height) / unit,
    };
}

static bool fits(struct fit *f, int size, PangoWrapMode wrap)
{
    f->scale = (double)size / LAYOUT_SIZE;
    pango_layout_set_width(f->layout, (int)(f->w / f->scale * PANGO_SCALE));
    pango_layout_set_wrap(f->layout, wrap);
    const struct extent e = extent_of(f);
    return e.width <= f->w && e.left >= 0 && e.right <= f->w && e.bottom - e.top <= f->h;
}

// The largest size that fits, or 0. Fitting is monotonous but for accidents of wrapping, where any
// size that fits will do.
static int largest(struct fit *f, PangoWrapMode wrap)
{
    int low = (int)f->box->size_min, high = (int)f->box->size_max, best = 0;
    while (low <= high) {
        const int middle = low + (high - low) / 2;
        if (fits(f, middle, wrap)) {
            best = middle;
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    return best;
}

// Sizes the layout for its box. False where it had to be cut.
static bool fit_layout(struct fit *f)
{
    PangoWrapMode wrap = PANGO_WRAP_WORD;
    int size = largest(f, wrap);
    if (!size) { // a word longer than the box is wide: break it
        wrap = PANGO_WRAP_WORD_CHAR;
        size = largest(f, wrap);
    }
    if (size) {
        return fits(f, size, wrap);
    }
    fits(f, (int)f->box->size_min, wrap);
    pango_layout_set_height(f->layout, (int)(f->h / f->scale * PANGO_SCALE));
    pango_layout_set_ellipsize(f->layout, PANGO_ELLIPSIZE_END);
    return false;
}

// Colour bitmaps have no edge to stroke: Cairo would trace each of their pixels.
static bool has_color(PangoFont *font)
{
    hb_font_t *hb = font ? pango_font_get_hb_font(font) : NULL;
    hb_face_t *face = hb ? hb_font_get_face(hb) : NULL;
    return face &&
           (hb_ot_color_has_png(face) || hb_ot_color_has_layers(face) || hb_ot_color_has_svg(face));
}

static void stroke_edge(cairo_t *cr, const struct fit *f)
{
    PangoLayoutIter *iter = pango_layout_get_iter(f->layout);
    cairo_new_path(cr);
    do {
        PangoLayoutRun *run = pango_layout_iter_get_run_readonly(iter);
        if (run && !has_color(run->item->analysis.font)) {
            PangoRectangle logical;
            pango_layout_iter_get_run_extents(iter, NULL, &logical);
            const double baseline = pango_layout_iter_get_baseline(iter);
            cairo_move_to(cr, logical.x / (double)PANGO_SCALE, baseline / PANGO_SCALE);
            pango_cairo_glyph_string_path(cr, run->item->analysis.font, run->glyphs);
        }
    } while (pango_layout_iter_next_run(iter));
    pango_layout_iter_free(iter);
    const struct rgba *c = &f->box->outline;
    cairo_set_source_rgba(cr, c->r, c->g, c->b, c->a);
    cairo_set_line_width(cr, 2 * f->box->outline_width / f->scale);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);
}

static void paint_layout(cairo_t *cr, const struct fit *f)
{
    const struct extent e = extent_of(f);
    const double top = fmax(0, f->h - (e.bottom - e.top)) * f->box->valign / 2.0 - e.top;
    cairo_translate(cr, 0, top);
    cairo_scale(cr, f->scale, f->scale);
    if (f->box->outline_width > 0) {
        stroke_edge(cr, f);
    }
    const struct rgba *c = &f->box->color;
    cairo_set_source_rgba(cr, c->r, c->g, c->b, c->a);
    cairo_move_to(cr, 0, 0);
    pango_cairo_show_layout(cr, f->layout);
    cairo_new_path(cr);
}

static PangoLayout *new_layout(struct text_drawer *texts, const struct fit *f, const char *text)
{
    static const PangoAlignment aligns[] = { PANGO_ALIGN_LEFT, PANGO_ALIGN_CENTER,
                                             PANGO_ALIGN_RIGHT };
    PangoLayout *layout = pango_layout_new(texts->context);
    char *upper = f->box->uppercase ? g_utf8_strup(text, -1) : NULL;
    pango_layout_set_text(layout, upper ? upper : text, -1);
    PangoFontDescription *font = pango_font_description_from_string(faces[f->box->font].families);
    pango_font_description_set_weight(font, faces[f->box->font].weight);
    pango_font_description_set_absolute_size(font, LAYOUT_SIZE * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_alignment(layout, aligns[f->box->align]);
    if (is_tight(text)) {
        pango_layout_set_line_spacing(layout, 0.9f);
    }
    g_free(upper);
    return layout;
}

void text_draw(struct text_drawer *texts, const struct text_box *box, const char *words,
               struct text_result *result)
{
    char *text = text_clean(words, &result->cut);
    if (!text[0]) {
        g_free(text);
        return;
    }
    cairo_t *cr = texts->cr;
    const double edge = box->outline_width;
    cairo_save(cr);
    cairo_translate(cr, box->x + box->w / 2, box->y + box->h / 2);
    cairo_rotate(cr, box->rotate * M_PI / 180);
    cairo_translate(cr, -box->w / 2, -box->h / 2);
    cairo_rectangle(cr, 0, 0, box->w, box->h);
    cairo_clip(cr);
    cairo_translate(cr, edge, edge);

    struct fit f = { .box = box, .w = box->w - 2 * edge, .h = box->h - 2 * edge };
    f.layout = new_layout(texts, &f, text);
    if (!fit_layout(&f)) {
        result->cut = true;
    }
    result->unknown_glyphs += pango_layout_get_unknown_glyphs_count(f.layout);
    paint_layout(cr, &f);

    g_object_unref(f.layout);
    cairo_restore(cr);
    g_free(text);
}
