// The routes of the service, in one table: what is routed, what Allow says and which series of
// http_* exist from the start all come from it.
//
// Pure look-ups in constants. Threads: any.
#ifndef MEMEGEN_API_ROUTE_H
#define MEMEGEN_API_ROUTE_H

#include <stddef.h>

#define ROUTE_STATUSES_MAX 16
#define ROUTE_PARAM_BYTES 129 // longest "{id}" that is looked at, and its NUL

enum route_id {
    ROUTE_PAGE,
    ROUTE_PAGE_CSS,
    ROUTE_PAGE_JS,
    ROUTE_HEALTHZ,
    ROUTE_READYZ,
    ROUTE_MEMES,
    ROUTE_MEME,
    ROUTE_MEME_IMAGE,
    ROUTE_MEME_TRACE,
    ROUTE_MEME_INTERACTIONS,
    ROUTE_TEMPLATES,
    ROUTE_TEMPLATE,
    ROUTE_TRENDS,
    ROUTE_POPULAR_TEMPLATES,
    ROUTE_ENGAGEMENT,
    ROUTE_COUNT,
};

enum {
    ROUTE_GET = 1, // and HEAD
    ROUTE_POST = 2,
};

// What one method of a route may answer, its ordinary statuses: those that a dashboard wants to see
// at zero.
struct route_answers {
    int statuses[ROUTE_STATUSES_MAX]; // ended by 0
};

struct route {
    enum route_id id;
    unsigned methods;
    const char *path;  // the template, a static string: "/api/v1/memes/{id}"
    const char *allow; // the value of Allow
    struct route_answers get, post;
};

extern const struct route route_table[ROUTE_COUNT];

// The route that a decoded path belongs to, or NULL. What stands in the place of "{id}" is copied
// to param ("" without one): one segment of 1 to ROUTE_PARAM_BYTES - 1 bytes.
const struct route *route_find(const char *path, char param[ROUTE_PARAM_BYTES]);

// The bit of a method that a route may have (HEAD counts as GET), or 0.
unsigned route_method(const char *method);

// Makes every series of the table exist at zero (spy_http_declare). Returns 0 or a negative errno.
int route_declare(void);

#endif
