#include "memegen/render/draw.h"

static void set_paint(cairo_t *cr, const struct paint *paint)
{
    const double *p = paint->points;
    if (paint->kind == PAINT_SOLID) {
        const struct rgba *c = &paint->stops[0].color;
        cairo_set_source_rgba(cr, c->r, c->g, c->b, c->a);
        return;
    }
    cairo_pattern_t *pattern = paint->kind == PAINT_LINEAR
                                   ? cairo_pattern_create_linear(p[0], p[1], p[2], p[3])
                                   : cairo_pattern_create_radial(p[0], p[1], 0, p[0], p[1], p[2]);
    for (size_t i = 0; i < paint->stop_count; i++) {
        const struct rgba *c = &paint->stops[i].color;
        cairo_pattern_add_color_stop_rgba(pattern, paint->stops[i].offset, c->r, c->g, c->b, c->a);
    }
    cairo_set_source(cr, pattern);
    cairo_pattern_destroy(pattern);
}

static void put_path(cairo_t *cr, const struct shape *shape)
{
    cairo_new_path(cr);
    for (size_t i = 0; i < shape->step_count; i++) {
        const double *p = shape->steps[i].xy;
        switch (shape->steps[i].op) {
        case STEP_MOVE:
            cairo_move_to(cr, p[0], p[1]);
            break;
        case STEP_LINE:
            cairo_line_to(cr, p[0], p[1]);
            break;
        case STEP_CURVE:
            cairo_curve_to(cr, p[0], p[1], p[2], p[3], p[4], p[5]);
            break;
        case STEP_CLOSE:
            cairo_close_path(cr);
            break;
        }
    }
}

static void draw_path(cairo_t *cr, const struct shape *shape)
{
    put_path(cr, shape);
    if (shape->fill.kind != PAINT_NONE) {
        set_paint(cr, &shape->fill);
        cairo_fill_preserve(cr);
    }
    if (shape->stroke.kind != PAINT_NONE) {
        set_paint(cr, &shape->stroke);
        cairo_set_line_width(cr, shape->width);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        cairo_set_line_cap(cr, shape->round ? CAIRO_LINE_CAP_ROUND : CAIRO_LINE_CAP_BUTT);
        cairo_stroke_preserve(cr);
    }
    cairo_new_path(cr);
}

static void draw_shapes(cairo_t *cr, struct text_drawer *texts, const struct shape *shapes,
                        size_t count);

static void draw_group(cairo_t *cr, struct text_drawer *texts, const struct shape *group)
{
    for (size_t i = 0; i < group->repeat; i++) {
        if (i > 0) {
            cairo_transform(cr, &group->step);
        }
        cairo_save(cr);
        if (group->clipped) {
            cairo_rectangle(cr, group->clip[0], group->clip[1], group->clip[2], group->clip[3]);
            cairo_clip(cr);
        }
        draw_shapes(cr, texts, group->children, group->child_count);
        cairo_restore(cr);
    }
}

static void draw_shape(cairo_t *cr, struct text_drawer *texts, const struct shape *shape)
{
    cairo_save(cr);
    cairo_transform(cr, &shape->matrix);
    if (shape->opacity < 1) {
        cairo_push_group(cr);
    }
    switch (shape->kind) {
    case SHAPE_PATH:
        draw_path(cr, shape);
        break;
    case SHAPE_TEXT:
        text_draw(texts, &shape->text, shape->words, &(struct text_result){ 0 });
        break;
    case SHAPE_GROUP:
        draw_group(cr, texts, shape);
        break;
    }
    if (shape->opacity < 1) {
        cairo_pop_group_to_source(cr);
        cairo_paint_with_alpha(cr, shape->opacity);
    }
    cairo_restore(cr);
}

// Bounded: scene_parse() counted what will be drawn, and how deep.
static void draw_shapes(cairo_t *cr, struct text_drawer *texts, const struct shape *shapes,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        draw_shape(cr, texts, &shapes[i]);
    }
}

void scene_draw(cairo_t *cr, struct text_drawer *texts, const struct scene *scene)
{
    cairo_save(cr);
    set_paint(cr, &scene->background);
    cairo_paint(cr);
    draw_shapes(cr, texts, scene->shapes, scene->shape_count);
    cairo_restore(cr);
}
