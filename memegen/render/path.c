#include "memegen/render/path.h"

#include <ctype.h>
#include <math.h>

static bool put(struct path *p, enum step_op op, const double *xy, size_t n)
{
    if (p->count >= SCENE_STEPS_MAX) {
        return false;
    }
    struct step *step = &p->steps[p->count++];
    *step = (struct step){ .op = op };
    for (size_t i = 0; i < n; i++) {
        step->xy[i] = xy[i];
    }
    return true;
}

static bool put_move(struct path *p, double x, double y)
{
    return put(p, STEP_MOVE, (double[]){ x, y }, 2);
}

static bool put_line(struct path *p, double x, double y)
{
    return put(p, STEP_LINE, (double[]){ x, y }, 2);
}

static bool put_curve(struct path *p, double x1, double y1, double x2, double y2, double x,
                      double y)
{
    return put(p, STEP_CURVE, (double[]){ x1, y1, x2, y2, x, y }, 6);
}

static bool put_close(struct path *p)
{
    return put(p, STEP_CLOSE, NULL, 0);
}

// A piece of at most a quarter of an ellipse. The handle's length is 4/3 tan(angle / 4), which
// keeps the error of a quarter below 0.03 % of the radius:
// https://spencermortensen.com/articles/bezier-circle/
static bool put_arc_piece(struct path *p, double cx, double cy, double rx, double ry, double a,
                          double b)
{
    const double k = 4.0 / 3.0 * tan((b - a) / 4);
    const double ca = cos(a), sa = sin(a), cb = cos(b), sb = sin(b);
    return put_curve(p, cx + rx * (ca - k * sa), cy + ry * (sa + k * ca), cx + rx * (cb + k * sb),
                     cy + ry * (sb - k * cb), cx + rx * cb, cy + ry * sb);
}

static bool put_arc(struct path *p, double cx, double cy, double rx, double ry, double from,
                    double to)
{
    const int pieces = (int)fmax(1, ceil(fabs(to - from) / (M_PI / 2) - 1e-9));
    const double turn = (to - from) / pieces;
    for (int i = 0; i < pieces; i++) {
        if (!put_arc_piece(p, cx, cy, rx, ry, from + i * turn, from + (i + 1) * turn)) {
            return false;
        }
    }
    return true;
}

bool path_arc(struct path *p, double cx, double cy, double rx, double ry, double from, double to)
{
    from *= M_PI / 180;
    to *= M_PI / 180;
    return put_move(p, cx + rx * cos(from), cy + ry * sin(from)) &&
           put_arc(p, cx, cy, rx, ry, from, to);
}

bool path_ellipse(struct path *p, double cx, double cy, double rx, double ry)
{
    return path_arc(p, cx, cy, rx, ry, 0, 360) && put_close(p);
}

bool path_rect(struct path *p, double x, double y, double w, double h, double radius)
{
    const double r = fmin(radius, fmin(w, h) / 2);
    if (!(r > 0)) {
        return put_move(p, x, y) && put_line(p, x + w, y) && put_line(p, x + w, y + h) &&
               put_line(p, x, y + h) && put_close(p);
    }
    return put_move(p, x + r, y) && put_line(p, x + w - r, y) &&
           put_arc(p, x + w - r, y + r, r, r, -M_PI / 2, 0) && put_line(p, x + w, y + h - r) &&
           put_arc(p, x + w - r, y + h - r, r, r, 0, M_PI / 2) && put_line(p, x + r, y + h) &&
           put_arc(p, x + r, y + h - r, r, r, M_PI / 2, M_PI) && put_line(p, x, y + r) &&
           put_arc(p, x + r, y + r, r, r, M_PI, 1.5 * M_PI) && put_close(p);
}

bool path_lines(struct path *p, const double *xy, size_t points, bool close)
{
    for (size_t i = 0; i < points; i++) {
        if (!(i ? put_line : put_move)(p, xy[2 * i], xy[2 * i + 1])) {
            return false;
        }
    }
    return !close || put_close(p);
}

// Catmull-Rom: the tangent in a point is half the way between its neighbours, so a handle is a
// sixth of that way.
bool path_smooth(struct path *p, const double *xy, size_t points, bool close)
{
    const size_t pieces = close ? points : points - 1;
    if (!put_move(p, xy[0], xy[1])) {
        return false;
    }
    for (size_t i = 0; i < pieces; i++) {
        const size_t next = (i + 1) % points;
        const size_t before = i > 0 ? i - 1 : close ? points - 1 : 0;
        const size_t after = close ? (i + 2) % points : i + 2 < points ? i + 2 : next;
        const double *a = xy + 2 * before, *b = xy + 2 * i, *c = xy + 2 * next, *d = xy + 2 * after;
        if (!put_curve(p, b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6,
                       c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6, c[0], c[1])) {
            return false;
        }
    }
    return !close || put_close(p);
}

// The state of reading SVG path data: https://www.w3.org/TR/SVG2/paths.html#PathData
struct svg {
    struct path *path;
    const char *at;
    double x, y;               // the current point
    double start_x, start_y;   // of the subpath
    double handle_x, handle_y; // the last curve's second handle, for S
    const char *fault;
};

static void skip_blanks(struct svg *svg)
{
    while (*svg->at == ' ' || *svg->at == ',' || *svg->at == '\n' || *svg->at == '\t') {
        svg->at++;
    }
}

// Reads a plain decimal by hand: strtod obeys the locale and takes hexadecimal, "inf" and "nan".
static bool take_number(struct svg *svg, double *ret)
{
    skip_blanks(svg);
    const char *s = svg->at;
    const double sign = *s == '-' ? -1 : 1;
    s += *s == '-' || *s == '+';
    double n = 0, unit = 1;
    size_t digits = 0;
    for (; isdigit((unsigned char)*s) && digits < 16; s++, digits++) {
        n = n * 10 + (*s - '0');
    }
    if (*s == '.') {
        for (s++; isdigit((unsigned char)*s) && digits < 16; s++, digits++) {
            unit /= 10;
            n += (*s - '0') * unit;
        }
    }
    if (digits == 0 || isdigit((unsigned char)*s)) {
        svg->fault = "a number is missing or too long";
        return false;
    }
    if (n > SCENE_COORD_MAX) {
        svg->fault = "a coordinate is too large";
        return false;
    }
    *ret = sign * n;
    svg->at = s;
    return true;
}

static bool take_numbers(struct svg *svg, double *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!take_number(svg, &out[i])) {
            return false;
        }
    }
    return true;
}

// Makes n pairs of relative coordinates absolute.
static void from_current(const struct svg *svg, bool relative, double *xy, size_t pairs)
{
    for (size_t i = 0; relative && i < pairs; i++) {
        xy[2 * i] += svg->x;
        xy[2 * i + 1] += svg->y;
    }
}

static bool go(struct svg *svg, double x, double y)
{
    svg->x = svg->handle_x = x;
    svg->y = svg->handle_y = y;
    // Relative steps add up: keep the point where absolute ones must be.
    if (fabs(x) > SCENE_COORD_MAX || fabs(y) > SCENE_COORD_MAX) {
        svg->fault = "the path leaves the plane";
        return false;
    }
    return true;
}

static bool curve_to(struct svg *svg, double x1, double y1, double x2, double y2, double x,
                     double y)
{
    if (!go(svg, x, y)) {
        return false;
    }
    svg->handle_x = x2;
    svg->handle_y = y2;
    return put_curve(svg->path, x1, y1, x2, y2, x, y);
}

static bool one_curve(struct svg *svg, char upper, bool relative)
{
    double v[6];
    const double x = svg->x, y = svg->y;
    if (upper == 'C') {
        if (!take_numbers(svg, v, 6)) {
            return false;
        }
        from_current(svg, relative, v, 3);
        return curve_to(svg, v[0], v[1], v[2], v[3], v[4], v[5]);
    }
    if (!take_numbers(svg, v, 4)) {
        return false;
    }
    from_current(svg, relative, v, 2);
    if (upper == 'S') { // the first handle mirrors the last one
        return curve_to(svg, 2 * x - svg->handle_x, 2 * y - svg->handle_y, v[0], v[1], v[2], v[3]);
    }
    // A quadratic curve, raised to a cubic one.
    return curve_to(svg, x + 2.0 / 3 * (v[0] - x), y + 2.0 / 3 * (v[1] - y),
                    v[2] + 2.0 / 3 * (v[0] - v[2]), v[3] + 2.0 / 3 * (v[1] - v[3]), v[2], v[3]);
}

static bool one_line(struct svg *svg, char upper, bool relative)
{
    double v[2] = { svg->x, svg->y };
    if (upper == 'H' || upper == 'V') {
        const int i = upper == 'V';
        const double from = v[i];
        if (!take_number(svg, &v[i])) {
            return false;
        }
        v[i] += relative ? from : 0;
    } else {
        if (!take_numbers(svg, v, 2)) {
            return false;
        }
        from_current(svg, relative, v, 1);
    }
    return go(svg, v[0], v[1]) && put_line(svg->path, v[0], v[1]);
}

static bool move_to(struct svg *svg, bool relative)
{
    double v[2];
    if (!take_numbers(svg, v, 2)) {
        return false;
    }
    from_current(svg, relative, v, 1);
    svg->start_x = v[0];
    svg->start_y = v[1];
    return go(svg, v[0], v[1]) && put_move(svg->path, v[0], v[1]);
}

static bool one_step(struct svg *svg, char command)
{
    const char upper = (char)toupper((unsigned char)command);
    const bool relative = upper != command;
    switch (upper) {
    case 'M':
        return move_to(svg, relative);
    case 'L':
    case 'H':
    case 'V':
        return one_line(svg, upper, relative);
    case 'C':
    case 'S':
    case 'Q':
        return one_curve(svg, upper, relative);
    case 'Z':
        return go(svg, svg->start_x, svg->start_y) && put_close(svg->path);
    default:
        svg->fault = "unknown command: only M L H V C S Q Z";
        return false;
    }
}

const char *path_svg(struct path *p, const char *data)
{
    struct svg svg = { .path = p, .at = data };
    char command = '\0';
    for (skip_blanks(&svg); *svg.at; skip_blanks(&svg)) {
        if (isalpha((unsigned char)*svg.at)) {
            command = *svg.at++;
        } else if (command == 'M' || command == 'm') { // more pairs after a move are lines
            command = command == 'M' ? 'L' : 'l';
        } else if (command == 'Z' || command == 'z') {
            return "a number after Z";
        }
        if (p->count == 0 && command != 'M' && command != 'm') {
            return "must begin with M";
        }
        if (!one_step(&svg, command)) {
            return svg.fault ? svg.fault : "too many steps";
        }
    }
    return p->count == 0 ? "is empty" : NULL;
}
