// The JSON writer: whatever bytes go in, jansson reads what comes out, and reads the same text
// where it was UTF-8.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <float.h>
#include <locale.h>
#include <math.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json.h"
#include "base/random.h"
#include "base/utf8.h"

static struct spy__buf buf;
static struct spy__json json;

static int set_up(void **state)
{
    (void)state;
    spy__buf_init(&buf, 1u << 20);
    spy__json_init(&json, &buf);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__buf_done(&buf);
    return 0;
}

static void assert_text(const char *expected)
{
    assert_false(buf.failed);
    assert_int_equal(buf.len, strlen(expected));
    assert_memory_equal(buf.bytes, expected, buf.len);
}

static void shapes(void **state)
{
    (void)state;
    spy__json_object(&json);
    spy__json_key(&json, "a");
    spy__json_array(&json);
    spy__json_i64(&json, INT64_MIN);
    spy__json_u64(&json, UINT64_MAX);
    spy__json_array(&json);
    spy__json_array_end(&json);
    spy__json_object(&json);
    spy__json_object_end(&json);
    spy__json_null(&json);
    spy__json_array_end(&json);
    spy__json_key(&json, "b");
    spy__json_bool(&json, true);
    spy__json_key(&json, "c");
    spy__json_bool(&json, false);
    spy__json_key(&json, "");
    spy__json_str(&json, "");
    spy__json_object_end(&json);
    assert_text("{\"a\":[-9223372036854775808,18446744073709551615,[],{},null],\"b\":true,\"c\":"
                "false,\"\":\"\"}");
}

static void members(void **state)
{
    (void)state;
    static const char text[] = "\"a\":1,\"b\":[]";
    spy__json_object(&json);
    for (int i = 0; i < 2; i++) { // the first has no comma before it
        char *at = spy__json_members(&json, 64);
        assert_non_null(at);
        memcpy(at, text, sizeof(text) - 1);
        spy__json_members_end(&json, at + sizeof(text) - 1);
    }
    spy__json_key(&json, "c");
    spy__json_null(&json);
    spy__json_object_end(&json);
    assert_text("{\"a\":1,\"b\":[],\"a\":1,\"b\":[],\"c\":null}");

    char small[8];
    struct spy__buf fixed;
    struct spy__json full;
    spy__buf_init_fixed(&fixed, small, sizeof(small));
    spy__json_init(&full, &fixed);
    spy__json_object(&full);
    assert_null(spy__json_members(&full, sizeof(small) - 1)); // no room for the comma
    assert_true(fixed.failed);
    assert_int_equal(fixed.len, 1);
}

static void doubles(void **state)
{
    (void)state;
    spy__json_array(&json);
    spy__json_double(&json, 0.1);
    spy__json_double(&json, 1e300);
    spy__json_double(&json, NAN);
    spy__json_double(&json, INFINITY);
    spy__json_double(&json, -INFINITY);
    spy__json_double(&json, -0.0);
    spy__json_double(&json, 5);
    spy__json_array_end(&json);
    json_t *root = json_loadb(buf.bytes, buf.len, JSON_DECODE_ANY, NULL);
    assert_non_null(root);
    assert_true(json_number_value(json_array_get(root, 0)) == 0.1);
    assert_true(json_number_value(json_array_get(root, 1)) == 1e300);
    for (size_t i = 2; i < 5; i++) {
        assert_true(json_is_null(json_array_get(root, i)));
    }
    json_decref(root);
}

static void escapes(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } cases[] = {
        { "", 0, "\"\"" },
        { "plain", 5, "\"plain\"" },
        { "\"\\/", 3, "\"\\\"\\\\/\"" },
        { "\n\r\t\b\f", 5, "\"\\n\\r\\t\\u0008\\u000c\"" },
        { "\0\x1f\x7f", 3, "\"\\u0000\\u001f\x7f\"" },
        { "caf\xc3\xa9 \xf0\x9f\x98\x80", 10, "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"" },
        { "\xe2\x80\xa8", 3, "\"\xe2\x80\xa8\"" },                         // U+2028: legal in JSON
        { "\xff", 1, "\"\xef\xbf\xbd\"" },                                 // no UTF-8 at all
        { "\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },                 // overlong NUL
        { "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, // a surrogate
        { "\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "12345678\"2345678\\", 17, "\"12345678\\\"2345678\\\\\"" }, // around the steps of eight
        { "1234567\x80", 8, "\"1234567\xef\xbf\xbd\"" },
        { "\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" }, // cut
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spy__buf_reset(&buf);
        spy__json_init(&json, &buf);
        spy__json_strn(&json, cases[i].in, cases[i].n);
        assert_text(cases[i].out);
    }
}

// Writes the bytes as a key and a value, and reads them back.
static void round_trip(const char *bytes, size_t n)
{
    spy__buf_reset(&buf);
    spy__json_init(&json, &buf);
    spy__json_object(&json);
    spy__json_keyn(&json, bytes, n);
    spy__json_strn(&json, bytes, n);
    spy__json_object_end(&json);
    assert_null(memchr(buf.bytes, '\n', buf.len));
    json_error_t error;
    json_t *root = json_loadb(buf.bytes, buf.len, JSON_ALLOW_NUL, &error);
    if (!root && strstr(error.text, "NUL byte in object key")) {
        return; // jansson's own limit
    }
    assert_non_null(root);
    json_t *value = json_object_iter_value(json_object_iter(root));
    assert_true(json_is_string(value));
    if (spy__utf8_valid(bytes, n)) {
        assert_int_equal(json_string_length(value), n);
        assert_memory_equal(json_string_value(value), bytes, n);
    }
    json_decref(root);
}

static void random_bytes(void **state)
{
    (void)state;
    spy__random_seed(7);
    char bytes[96];
    for (int round = 0; round < 30000; round++) {
        size_t n = spy__random_u64() % sizeof(bytes);
        uint64_t kind = spy__random_u64() % 3;
        for (size_t i = 0; i < n; i++) {
            uint64_t r = spy__random_u64();
            // All bytes; mostly ASCII; continuation and lead bytes, where UTF-8 breaks.
            bytes[i] = (char)(kind == 0   ? r
                              : kind == 1 ? (r % 40 ? 0x20 + r % 0x60 : r >> 8)
                                          : 0x7f + r % 0x81);
        }
        round_trip(bytes, n);
    }
}

// The texts of a public conformance suite, as strings: they were made to be hard. A run of its own,
// since exit status 77 is what Meson counts as skipped.
static int corpus(void)
{
    const char *root = getenv("SPYGLASS_CORPORA");
    char path[4096];
    snprintf(path, sizeof(path), "%s/json", root ? root : SOURCE_ROOT "/../shared/corpora");
    DIR *dir = opendir(path);
    if (!dir) {
        printf("skipped: corpus json not found\n");
        return 77;
    }
    static char bytes[1 << 18];
    int count = 0;
    set_up(NULL);
    for (struct dirent *e; (e = readdir(dir));) {
        char file[8192];
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(file, "rb");
        if (f) {
            size_t n = fread(bytes, 1, sizeof(bytes), f);
            fclose(f);
            round_trip(bytes, n < 60000 ? n : 60000);
            count++;
        }
    }
    tear_down(NULL);
    closedir(dir);
    printf("%d texts\n", count);
    return count < 200;
}

static void a_full_buffer_stays_quiet(void **state)
{
    (void)state;
    char small[16];
    struct spy__buf fixed;
    spy__buf_init_fixed(&fixed, small, sizeof(small));
    spy__json_init(&json, &fixed);
    spy__json_object(&json);
    spy__json_key(&json, "key");
    spy__json_str(&json, "a value that is longer than the buffer");
    spy__json_object_end(&json);
    assert_true(fixed.failed);
    assert_true(fixed.len <= sizeof(small));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "corpus") == 0) {
        return corpus();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(doubles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes, set_up, tear_down),
        cmocka_unit_test(a_full_buffer_stays_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
