// YAML as jansson trees: types, what is refused and where the error points.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "memegen/yaml.h"

static json_t *parse(const char *text)
{
    char error[256] = "";
    json_t *tree = yaml_parse(text, strlen(text), error, sizeof(error));
    if (!tree) {
        fail_msg("%s: %s", text, error);
    }
    return tree;
}

static void assert_tree(const char *yaml, const char *json)
{
    json_error_t why;
    json_t *tree = parse(yaml);
    json_t *expected = json_loads(json, JSON_DECODE_ANY, &why);
    assert_non_null(expected);
    if (!json_equal(tree, expected)) {
        char *got = json_dumps(tree, JSON_ENCODE_ANY);
        fail_msg("%s gave %s", yaml, got);
    }
    json_decref(tree);
    json_decref(expected);
}

static void assert_refused(const char *yaml, size_t len, const char *error_expected)
{
    char error[256] = "";
    json_t *tree = yaml_parse(yaml, len, error, sizeof(error));
    assert_null(tree);
    assert_string_equal(error, error_expected);
}

static void test_types(void **state)
{
    (void)state;
    assert_tree("[null, Null, NULL, ~, ]", "[null, null, null, null]");
    assert_tree("[true, True, TRUE, false, False, FALSE]",
                "[true, true, true, false, false, false]");
    assert_tree("[0, -1, +12, 012, 0x1F, 0o17, 9223372036854775807]",
                "[0, -1, 12, 12, 31, 15, 9223372036854775807]");
    assert_tree("[1.5, -.5, 1., 1e3, 2.5E-1, +1.0]", "[1.5, -0.5, 1.0, 1000.0, 0.25, 1.0]");
    assert_tree("[yes, no, on, y, 1.2.3, 0x, 0o8, 1e, '.', -, 12px]",
                "[\"yes\", \"no\", \"on\", \"y\", \"1.2.3\", \"0x\", \"0o8\", \"1e\", \".\", "
                "\"-\", \"12px\"]");
    assert_tree("['12', \"true\", 'null']", "[\"12\", \"true\", \"null\"]");
    assert_tree("\"caf\\u00e9 \\U0001F600\"", "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
}

static void test_structures(void **state)
{
    (void)state;
    assert_tree(
        "a: 1\nb:\n  - x\n  - {c: [], d: {}}\n1: one\n'': empty\n",
        "{\"a\": 1, \"b\": [\"x\", {\"c\": [], \"d\": {}}], \"1\": \"one\", \"\": \"empty\"}");
    assert_tree("text: |\n  two\n  lines\nfolded: >-\n  one\n  line\n",
                "{\"text\": \"two\\nlines\\n\", \"folded\": \"one line\"}");
    assert_tree("--- # comment\nkey:\n...\n", "{\"key\": null}");
}

static void test_decimal_point_in_any_locale(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        print_message("# this machine has no de_DE.UTF-8: nothing to see\n");
        return;
    }
    assert_tree("1.5", "1.5");
    setlocale(LC_NUMERIC, "C");
}

static void test_refusals(void **state)
{
    static const struct {
        const char *yaml, *error;
    } cases[] = {
        { "", "line 1: the file is empty" },
        { "# only a comment\n", "line 1: the file is empty" },
        { "a: 1\nb: 2\na: 3\n", "line 3: the key \"a\" stands twice" },
        { "a: &x 1\nb: *x\n", "line 1: anchors and tags are not supported" },
        { "b: *x\n", "line 1: aliases are not supported" },
        { "\n- !!str 1\n", "line 2: anchors and tags are not supported" },
        { "- !!python/object:os.system x\n", "line 1: anchors and tags are not supported" },
        { "a: 1\n---\nb: 2\n", "line 2: more than one document" },
        { "? [a, b]\n: c\n", "line 1: a key must be a plain word or a string" },
        { "a: 9223372036854775808", "line 1: an integer is larger than 64 bits" },
        { "a: 1e999", "line 1: a number is too large" },
        { "a: -.inf", "line 1: infinities and NaN are not supported" },
        { "a: \"x\\0y\"", "line 1: a string contains a NUL character" },
        { "a: [1, 2\nb: 3", "line 2: did not find expected ',' or ']'" },
        { "a: 'open", "line 1: found unexpected end of stream" },
        { "- ok\n- @b\n", "line 2: found character that cannot start any token" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].yaml, strlen(cases[i].yaml), cases[i].error);
    }
    assert_refused("a: \xff", 4, "line 1: invalid leading UTF-8 octet");
    assert_refused("a: \0b", 5, "line 1: control characters are not allowed");
}

static void test_depth_is_bounded(void **state)
{
    char yaml[2 * YAML_DEPTH_MAX + 3];
    (void)state;
    memset(yaml, '[', YAML_DEPTH_MAX);
    memset(yaml + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
    yaml[2 * YAML_DEPTH_MAX] = '\0';
    json_decref(parse(yaml));
    memset(yaml, '[', YAML_DEPTH_MAX + 1);
    assert_refused(yaml, YAML_DEPTH_MAX + 1, "line 1: nested deeper than 32 levels");
}

static void test_size_is_bounded(void **state)
{
    char *text = malloc(YAML_BYTES_MAX + 1);
    (void)state;
    assert_non_null(text);
    memset(text, ' ', YAML_BYTES_MAX + 1);
    assert_refused(text, YAML_BYTES_MAX + 1, "larger than 4194304 bytes");
    free(text);
}

static void test_error_is_cut_to_its_buffer(void **state)
{
    char error[8] = "1234567";
    (void)state;
    assert_null(yaml_parse("a: 1e999", 8, error, sizeof(error)));
    assert_string_equal(error, "line 1:");
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_load(void **state)
{
    char path[] = "/tmp/test_yaml.XXXXXX";
    char error[256], expected[256];
    json_t *lines = json_object(), *tree;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_file(path, "# comment\nlisten: here\nnested:\n  listen: 1\nlast: 2\n");
    tree = yaml_load_lines(path, lines, error, sizeof(error));
    assert_non_null(tree);
    assert_int_equal(json_object_size(lines), 3);
    assert_int_equal(json_integer_value(json_object_get(lines, "listen")), 2);
    assert_int_equal(json_integer_value(json_object_get(lines, "last")), 5);
    json_decref(tree);
    json_decref(lines);

    write_file(path, "a: [}");
    assert_null(yaml_load(path, error, sizeof(error)));
    (void)snprintf(expected, sizeof(expected), "%s: line 1: did not find expected node content",
                   path);
    assert_string_equal(error, expected);
    unlink(path);
    assert_null(yaml_load(path, error, sizeof(error)));
    (void)snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
    assert_string_equal(error, expected);
    assert_null(yaml_load("/", error, sizeof(error)));
    assert_string_equal(error, "/: Is a directory");
}

// Each allocation of ours and of jansson's fails in turn; the tree comes back whole or not at all,
// and nothing leaks.
static void test_no_memory(void **state)
{
    char path[] = "/tmp/test_yaml.XXXXXX";
    char error[256];
    json_t *tree = NULL;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_file(path, "a: 1\nb: [x, 2.5, {c: 'd'}]\n");
    json_set_alloc_funcs(malloc, free); // through this program's wrapper
    for (long n = 0; !tree; n++) {
        assert_true(n < 1000);
        error[0] = '\0';
        alloc_fail_after(n);
        tree = yaml_load(path, error, sizeof(error));
        alloc_fail_never();
        if (!tree) {
            assert_non_null(strstr(error, "out of memory"));
        }
    }
    json_decref(tree);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_structures),
        cmocka_unit_test(test_decimal_point_in_any_locale),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_size_is_bounded),
        cmocka_unit_test(test_error_is_cut_to_its_buffer),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
