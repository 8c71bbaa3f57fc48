// Words in a box: wrapped, fitted, outlined, in any script, by Pango.
//
// Threads: a drawer belongs to one thread. Pango keeps a font map a thread
// (pango_cairo_font_map_get_default), which the thread frees when it ends; the first text of a
// thread loads fonts, some tens of milliseconds, so threads that draw should live long.
#ifndef MEMEGEN_RENDER_TEXT_H
#define MEMEGEN_RENDER_TEXT_H

#include <cairo.h>
#include <stdbool.h>

#include "memegen/render/scene.h"

struct text_drawer {
    cairo_t *cr;
    struct _PangoContext *context; // PangoContext
};

struct text_result {
    int unknown_glyphs;
    bool cut; // did not fit at the smallest size
};

// cr is borrowed until text_drawer_done().
void text_drawer_init(struct text_drawer *ret, cairo_t *cr);
void text_drawer_done(struct text_drawer *texts);
// Draws words into the box and never outside it; adds to *result. Any bytes may come in.
void text_draw(struct text_drawer *texts, const struct text_box *box, const char *words,
               struct text_result *result);
// What is drawn of these bytes: valid UTF-8 of at most MEME_CAPTION_BYTES - 1 bytes of the
// original, control characters and line ends as spaces, none at its ends. Sets *cut where something
// was left off. Freed with g_free().
char *text_clean(const char *bytes, bool *cut);

#endif
