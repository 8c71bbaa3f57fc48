#include "memegen/api/route.h"

#include <spyglass/spyglass.h>

#include <stdbool.h>
#include <string.h>

#define ALLOW_GET "GET, HEAD, OPTIONS"
#define ALLOW_POST "POST, OPTIONS"
#define ALLOW_BOTH "GET, HEAD, POST, OPTIONS"

#define API "/api/v1"

const struct route route_table[ROUTE_COUNT] = {
    { ROUTE_PAGE, ROUTE_GET, "/", ALLOW_GET, .get = { { 200 } } },
    { ROUTE_PAGE_CSS, ROUTE_GET, "/page.css", ALLOW_GET, .get = { { 200 } } },
    { ROUTE_PAGE_JS, ROUTE_GET, "/page.js", ALLOW_GET, .get = { { 200 } } },
    { ROUTE_HEALTHZ, ROUTE_GET, "/healthz", ALLOW_GET, .get = { { 200 } } },
    { ROUTE_READYZ, ROUTE_GET, "/readyz", ALLOW_GET, .get = { { 200, 503 } } },
    { ROUTE_MEMES, ROUTE_GET | ROUTE_POST, API "/memes", ALLOW_BOTH, .get = { { 200, 422, 500 } },
      .post = { { 201, 202, 400, 408, 413, 415, 422, 500, 502, 503, 504 } } },
    { ROUTE_MEME, ROUTE_GET, API "/memes/{id}", ALLOW_GET, .get = { { 200, 404, 500 } } },
    { ROUTE_MEME_IMAGE, ROUTE_GET, API "/memes/{id}/image.png", ALLOW_GET,
      .get = { { 200, 304, 404, 500 } } },
    { ROUTE_MEME_TRACE, ROUTE_GET, API "/memes/{id}/trace", ALLOW_GET,
      .get = { { 200, 404, 500 } } },
    { ROUTE_MEME_INTERACTIONS, ROUTE_POST, API "/memes/{id}/interactions", ALLOW_POST,
      .post = { { 201, 400, 404, 413, 415, 422, 500 } } },
    { ROUTE_TEMPLATES, ROUTE_GET, API "/templates", ALLOW_GET, .get = { { 200 } } },
    { ROUTE_TEMPLATE, ROUTE_GET, API "/templates/{id}", ALLOW_GET, .get = { { 200, 404 } } },
    { ROUTE_TRENDS, ROUTE_GET, API "/trends", ALLOW_GET, .get = { { 200, 500 } } },
    { ROUTE_POPULAR_TEMPLATES, ROUTE_GET, API "/analytics/popular-templates", ALLOW_GET,
      .get = { { 200, 422, 503 } } },
    { ROUTE_ENGAGEMENT, ROUTE_GET, API "/analytics/engagement", ALLOW_GET,
      .get = { { 200, 422, 503 } } },
};

// Whether path has the form of the template; where both agree up to "{id}", *ret_param is what
// stands there.
static bool matches(const char *template, const char *path, const char **ret_param,
                    size_t *ret_param_len)
{
    const char *hole = strchr(template, '{');
    size_t before = hole ? (size_t)(hole - template) : strlen(template);
    size_t n;

    if (strncmp(template, path, before) != 0) {
        return false;
    }
    if (!hole) {
        return path[before] == '\0';
    }
    n = strcspn(path + before, "/");
    if (n == 0 || n >= ROUTE_PARAM_BYTES || strcmp(strchr(hole, '}') + 1, path + before + n) != 0) {
        return false;
    }
    *ret_param = path + before;
    *ret_param_len = n;
    return true;
}

const struct route *route_find(const char *path, char param[ROUTE_PARAM_BYTES])
{
    param[0] = '\0';
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const char *at = "";
        size_t n = 0;
        if (matches(route_table[i].path, path, &at, &n)) {
            memcpy(param, at, n);
            param[n] = '\0';
            return &route_table[i];
        }
    }
    return NULL;
}

unsigned route_method(const char *method)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        return ROUTE_GET;
    }
    return strcmp(method, "POST") == 0 ? ROUTE_POST : 0;
}

int route_declare(void)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &route_table[i];
        int error = 0;
        if (route->methods & ROUTE_GET) {
            error = spy_http_declare("GET", route->path, route->get.statuses);
        }
        if (!error && route->methods & ROUTE_POST) {
            error = spy_http_declare("POST", route->path, route->post.statuses);
        }
        if (error) {
            return error;
        }
    }
    return 0;
}
