// Paths to routes, and ids.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "memegen/api/ids.h"
#include "memegen/api/route.h"

#define ID "2b0c4d0e-1f2a-4b3c-8d4e-5f6071829304"

static void every_path_finds_its_route(void **state)
{
    static const struct {
        const char *path;
        enum route_id id;
        const char *param;
    } cases[] = {
        { "/", ROUTE_PAGE, "" },
        { "/page.css", ROUTE_PAGE_CSS, "" },
        { "/page.js", ROUTE_PAGE_JS, "" },
        { "/healthz", ROUTE_HEALTHZ, "" },
        { "/readyz", ROUTE_READYZ, "" },
        { "/api/v1/memes", ROUTE_MEMES, "" },
        { "/api/v1/memes/" ID, ROUTE_MEME, ID },
        { "/api/v1/memes/..", ROUTE_MEME, ".." }, // the id is refused later: 404 of the route
        { "/api/v1/memes/" ID "/image.png", ROUTE_MEME_IMAGE, ID },
        { "/api/v1/memes/" ID "/trace", ROUTE_MEME_TRACE, ID },
        { "/api/v1/memes/" ID "/interactions", ROUTE_MEME_INTERACTIONS, ID },
        { "/api/v1/templates", ROUTE_TEMPLATES, "" },
        { "/api/v1/templates/drake", ROUTE_TEMPLATE, "drake" },
        { "/api/v1/trends", ROUTE_TRENDS, "" },
    };
    char param[ROUTE_PARAM_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct route *route = route_find(cases[i].path, param);
        assert_non_null(route);
        assert_int_equal(route->id, cases[i].id);
        assert_string_equal(param, cases[i].param);
    }
}

static void no_other_path_has_one(void **state)
{
    static const char *const paths[] = {
        "",
        "*",
        "//",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/memes/",
        "/api/v1/memes/" ID "/",
        "/api/v1/memes/" ID "/image",
        "/api/v1/memes/" ID "/image.png/",
        "/api/v1/memes//image.png",
        "/api/v1/memes/../../etc/passwd",
        "/api/v1/memes/" ID "/image.png/../../x",
        "/api/v1/meme",
        "/api/v1/memesx",
        "/API/v1/memes",
        "/api/v2/memes",
        "/healthz/",
        "/healthzz",
        "/api/v1/memes/{id}/x",
    };
    char param[ROUTE_PARAM_BYTES];
    char longest[256] = "/api/v1/templates/";

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_null(route_find(paths[i], param));
    }
    memset(longest + strlen(longest), 'a', ROUTE_PARAM_BYTES - 1);
    assert_non_null(route_find(longest, param));
    assert_int_equal(strlen(param), ROUTE_PARAM_BYTES - 1);
    longest[strlen(longest)] = 'a';
    assert_null(route_find(longest, param));
}

static void the_table_is_in_the_order_of_its_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &route_table[i];
        assert_int_equal(route->id, i);
        assert_int_equal(!!(route->methods & ROUTE_GET), strstr(route->allow, "GET, HEAD") != NULL);
        assert_int_equal(!!(route->methods & ROUTE_POST), strstr(route->allow, "POST") != NULL);
        assert_int_equal(!!(route->methods & ROUTE_GET), route->get.statuses[0] != 0);
        assert_int_equal(!!(route->methods & ROUTE_POST), route->post.statuses[0] != 0);
    }
    assert_int_equal(route_declare(), 0);
}

static void methods_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(route_method("GET"), ROUTE_GET);
    assert_int_equal(route_method("HEAD"), ROUTE_GET);
    assert_int_equal(route_method("POST"), ROUTE_POST);
    assert_int_equal(route_method("get"), 0);
    assert_int_equal(route_method("DELETE"), 0);
    assert_int_equal(route_method(""), 0);
}

static void ids_are_uuids_of_version_4(void **state)
{
    static const char *const bad[] = {
        "",
        "..",
        "2B0C4D0E-1F2A-4B3C-8D4E-5F6071829304",
        "2b0c4d0e-1f2a-4b3c-8d4e-5f607182930",
        "2b0c4d0e-1f2a-4b3c-8d4e-5f60718293045",
        "2b0c4d0e11f2a-4b3c-8d4e-5f6071829304",
        "2b0c4d0e-1f2a-4b3c-8d4e-5f607182930g",
        "{b0c4d0e-1f2a-4b3c-8d4e-5f6071829304",
        "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f",
    };
    char one[MEME_ID_LEN + 1], other[MEME_ID_LEN + 1];

    (void)state;
    assert_int_equal(ids_new(one), 0);
    assert_int_equal(ids_new(other), 0);
    assert_true(ids_valid(one));
    assert_string_not_equal(one, other);
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
    assert_true(ids_valid(ID));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ids_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_finds_its_route),
        cmocka_unit_test(no_other_path_has_one),
        cmocka_unit_test(the_table_is_in_the_order_of_its_ids),
        cmocka_unit_test(methods_are_told_apart),
        cmocka_unit_test(ids_are_uuids_of_version_4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
