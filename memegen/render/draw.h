// A scene on a Cairo surface.
#ifndef MEMEGEN_RENDER_DRAW_H
#define MEMEGEN_RENDER_DRAW_H

#include <cairo.h>

#include "memegen/render/scene.h"
#include "memegen/render/text.h"

// Draws everything but the captions. cr keeps its state; what fails shows in cairo_status(cr).
void scene_draw(cairo_t *cr, struct text_drawer *texts, const struct scene *scene);

#endif
