// Paths from the ways in which a file may write them. Each function appends and returns false where
// SCENE_STEPS_MAX is full.
#ifndef MEMEGEN_RENDER_PATH_H
#define MEMEGEN_RENDER_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "memegen/render/scene.h"

struct path {
    struct step steps[SCENE_STEPS_MAX];
    size_t count;
};

bool path_rect(struct path *p, double x, double y, double w, double h, double radius);
bool path_ellipse(struct path *p, double cx, double cy, double rx, double ry);
// From one angle to another, clockwise if to > from; degrees, 0 at three o'clock.
bool path_arc(struct path *p, double cx, double cy, double rx, double ry, double from, double to);
bool path_lines(struct path *p, const double *xy, size_t points, bool close);
// A smooth curve through the points.
bool path_smooth(struct path *p, const double *xy, size_t points, bool close);
// SVG path data with M L H V C S Q Z, absolute and relative. Returns NULL, or what is wrong with
// it.
const char *path_svg(struct path *p, const char *data);

#endif
