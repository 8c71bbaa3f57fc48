// JSON against a golden file: tests/unit/golden/NAME, written anew where WRITE_GOLDEN is set.
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

// Frees ours.
static inline void assert_golden(json_t *ours, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), SOURCE_ROOT "/tests/unit/golden/%s", name);
    if (getenv("WRITE_GOLDEN")) {
        assert_int_equal(json_dump_file(ours, path, JSON_INDENT(2)), 0);
    }
    json_t *golden = json_load_file(path, 0, NULL);
    assert_non_null(golden);
    char *a = json_dumps(ours, JSON_INDENT(2)), *b = json_dumps(golden, JSON_INDENT(2));
    assert_string_equal(a, b);
    free(a);
    free(b);
    json_decref(golden);
    json_decref(ours);
}

#endif
