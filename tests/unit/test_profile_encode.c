// What the encoders make of a profile, against golden files (WRITE_GOLDEN=1 writes them); the outside
// readers have their turn in tests/integration/test_profile_files.py.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "encode/flame.h"
#include "encode/flamegraph.h"
#include "encode/folded.h"
#include "encode/pprof.h"
#include "encode/speedscope.h"
#include "profile_rig.h"

#define GOLDEN SOURCE_ROOT "/tests/unit/golden/"
#define BYTES_MAX (1u << 24)

static int make_rig(void **state)
{
    *state = profile_rig_new();
    return *state ? 0 : -1;
}

static int free_rig(void **state)
{
    spy__profile_free(*state);
    return 0;
}

static void assert_golden(const struct spy__buf *out, const char *path)
{
    static char wanted[65536];
    FILE *file;
    assert_false(out->failed);
    if (getenv("WRITE_GOLDEN")) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(out->bytes, 1, out->len, file), out->len);
        assert_int_equal(fclose(file), 0);
    }
    file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(wanted, 1, sizeof(wanted), file);
    fclose(file);
    assert_int_equal(n, out->len);
    assert_memory_equal(wanted, out->bytes, n);
}

static void test_folded(void **state)
{
    struct spy__buf out;
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_folded(&out, *state, true), 0);
    assert_golden(&out, GOLDEN "profile.folded");
    spy__buf_putc(&out, '\0');
    assert_non_null(strstr(out.bytes, "main;busy_a;spin 300000\n"));
    assert_non_null(strstr(out.bytes, "main;busy_b 100000\n"));
    assert_non_null(strstr(out.bytes, "main;waiting: llm_call 250000\n"));
    spy__buf_reset(&out);
    assert_int_equal(spy__encode_folded(&out, *state, false), 0);
    spy__buf_putc(&out, '\0');
    assert_null(strstr(out.bytes, "waiting"));
    spy__buf_done(&out);
}

// The rig, compared with one whose busy_b() took four times as long, and where nothing was odd.
static struct spy__profile *make_compared(void)
{
    struct spy__profile *p = profile_rig_new(), *before = profile_rig_new();
    assert_true(p && before);
    p->against = before;
    const uint32_t b = before->samples[3].stack, odd = before->samples[40].stack;
    for (uint32_t i = 0; i < before->sample_count; i++) {
        struct spy__profile_sample *sample = &before->samples[i];
        if (!sample->waited) {
            sample->weight_ns *= sample->stack == b ? 4 : sample->stack == odd ? 0 : 1;
        }
    }
    return p;
}

static void test_folded_against_another(void **state)
{
    struct spy__buf out;
    struct spy__profile *p = make_compared();
    (void)state;
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_folded(&out, p, true), 0);
    assert_golden(&out, GOLDEN "profile_against.folded");
    spy__buf_putc(&out, '\0');
    // Before, 950 ms in all are brought to the 660 of now.
    assert_non_null(strstr(out.bytes, "main;busy_a;spin 208421 300000\n"));
    assert_non_null(strstr(out.bytes, "main;busy_b 277895 100000\n"));
    assert_non_null(strstr(out.bytes, " 0 10000\n")); // was not there
    spy__buf_reset(&out);
    p->sample_count = 0; // nothing is there: what was before stays as it is
    assert_int_equal(spy__encode_folded(&out, p, false), 0);
    spy__buf_putc(&out, '\0');
    assert_string_equal(out.bytes, "main;busy_a;spin 300000 0\nmain;busy_b 400000 0\n");
    spy__buf_done(&out);
    spy__profile_free(p);
}

static void test_speedscope(void **state)
{
    struct spy__buf out;
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_speedscope(&out, *state, "GET /memes/{id}", true), 0);
    assert_golden(&out, GOLDEN "profile.speedscope.json");
    json_error_t error;
    json_t *root = json_loadb(out.bytes, out.len, 0, &error);
    assert_non_null(root);
    json_t *profiles = json_object_get(root, "profiles");
    assert_int_equal(json_array_size(profiles), 2);
    json_t *second = json_array_get(profiles, 1);
    assert_string_equal(json_string_value(json_object_get(second, "name")), "worker-2 (4002)");
    assert_int_equal(json_integer_value(json_object_get(second, "endValue")), 260000000);
    json_decref(root);
    spy__buf_done(&out);
}

static void test_pprof(void **state)
{
    struct spy__buf out;
    struct spy__profile *p = *state;
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_pprof(&out, p), 0);
    assert_golden(&out, GOLDEN "profile.pb");
    p->kind = SPY__PROFILE_CPU;
    size_t wall_len = out.len;
    spy__buf_reset(&out);
    assert_int_equal(spy__encode_pprof(&out, p), 0);
    assert_true(out.len < wall_len);
    p->kind = SPY__PROFILE_WALL;
    spy__buf_done(&out);
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)); text++) {
        n++;
    }
    return n;
}

// The page's data, taken out of it as a browser does.
static json_t *data_of(const char *page)
{
    static const char begin[] = "<script type=\"application/json\" id=\"data\">";
    json_error_t error;
    const char *at = strstr(page, begin);
    assert_non_null(at);
    at += strlen(begin);
    return json_loadb(at, (size_t)(strstr(at, "</script>") - at), 0, &error);
}

static void test_flamegraph(void **state)
{
    struct spy__buf out;
    const struct spy__flamegraph_line line = {
        .time_ns = UINT64_C(1700000000000000000) + 5000000,
        .level = "info",
        .text = "<b>\xff",
        .text_n = 4,
    };
    const struct spy__flamegraph graph = {
        .profile = *state, .title = "<GET>", .status = 200, .lines = &line, .line_count = 1
    };
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(spy__encode_flamegraph(&out, &graph), 0);
    spy__buf_putc(&out, '\0');
    assert_int_equal(count_of(out.bytes, "</script>"), 2); // its data and its script
    assert_null(strstr(out.bytes, "<b>"));
    assert_null(strstr(out.bytes, "<GET>"));
    assert_null(strstr(out.bytes, "http:"));
    assert_null(strstr(out.bytes, "https:"));
    assert_non_null(strstr(out.bytes, "script-src 'sha256-"));
    json_t *data = data_of(out.bytes);
    assert_non_null(data);
    assert_string_equal(json_string_value(json_object_get(data, "title")), "<GET>");
    assert_int_equal(json_integer_value(json_object_get(data, "samples")), 41);
    assert_int_equal(json_integer_value(json_object_get(data, "cpu_ns")), 410000000);
    assert_int_equal(json_integer_value(json_object_get(data, "waited_ns")), 250000000);
    assert_int_equal(json_array_size(json_object_get(data, "nodes")), 7);
    assert_int_equal(json_array_size(json_object_get(data, "spans")), 2);
    json_decref(data);
    spy__buf_done(&out);
}

static void test_flamegraph_against_another(void **state)
{
    struct spy__buf out;
    struct spy__profile *p = make_compared();
    (void)state;
    spy__buf_init(&out, BYTES_MAX);
    assert_int_equal(
        spy__encode_flamegraph(&out, &(struct spy__flamegraph){ .profile = p, .title = "" }), 0);
    spy__buf_putc(&out, '\0');
    json_t *data = data_of(out.bytes), *node;
    assert_non_null(data);
    json_t *against = json_object_get(data, "against");
    assert_int_equal(json_integer_value(json_object_get(data, "cpu_ns")), 410000000);
    assert_int_equal(json_integer_value(json_object_get(against, "cpu_ns")), 700000000);
    assert_int_equal(json_integer_value(json_object_get(against, "waited_ns")), 250000000);
    assert_int_equal(json_integer_value(json_object_get(against, "samples")), 41);
    // One tree of both: no node that the profile by itself does not have.
    json_t *nodes = json_object_get(data, "nodes");
    json_int_t now_ns = 0, before_ns = 0, waited_ns = 0;
    size_t i;
    assert_int_equal(json_array_size(nodes), 7);
    json_array_foreach(nodes, i, node)
    {
        assert_int_equal(json_array_size(node), 6);
        now_ns += json_integer_value(json_array_get(node, 2));
        before_ns += json_integer_value(json_array_get(node, 4));
        waited_ns += json_integer_value(json_array_get(node, 5));
    }
    assert_int_equal(now_ns, 410000000);
    assert_int_equal(before_ns, 700000000);
    assert_int_equal(waited_ns, 250000000);
    json_decref(data);
    spy__buf_done(&out);
    spy__profile_free(p);
}

// A profile with nothing in it, and samples without a stack.
static void test_of_nothing(void **state)
{
    struct spy__buf out;
    struct spy__profile *p = spy__profile_new();
    (void)state;
    assert_non_null(p);
    spy__buf_init(&out, BYTES_MAX);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spy__encode_pprof(&out, p), 0);
        assert_int_equal(spy__encode_speedscope(&out, p, "", true), 0);
        assert_int_equal(
            spy__encode_flamegraph(&out, &(struct spy__flamegraph){ .profile = p, .title = "" }),
            0);
        spy__buf_reset(&out);
        assert_int_equal(spy__encode_folded(&out, p, true), 0);
        const struct spy__profile_sample sample = { .weight_ns = 5000,
                                                    .count = 1,
                                                    .stack = SPY__PROFILE_NONE,
                                                    .thread = SPY__PROFILE_NONE,
                                                    .operation = SPY__PROFILE_NONE,
                                                    .waited = i == 1 };
        assert_int_not_equal(spy__profile_add_sample(p, &sample), SPY__PROFILE_NONE);
    }
    spy__buf_reset(&out);
    assert_int_equal(spy__encode_folded(&out, p, true), 0);
    spy__buf_putc(&out, '\0');
    assert_string_equal(out.bytes, "no stack 5\nwaiting: ? 5\n");
    spy__buf_done(&out);
    spy__profile_free(p);
}

static int encode_all(struct spy__buf *out, const struct spy__profile *p)
{
    const struct spy__flamegraph graph = { .profile = p, .title = "t" };
    int rc = spy__encode_folded(out, p, true);
    rc = rc == 0 ? spy__encode_pprof(out, p) : rc;
    rc = rc == 0 ? spy__encode_speedscope(out, p, "t", true) : rc;
    return rc == 0 ? spy__encode_flamegraph(out, &graph) : rc;
}

static void test_memory_runs_out(void **state)
{
    int rc = -ENOMEM;
    struct spy__profile *p = make_compared();
    (void)state;
    for (long n = 0; rc != 0; n++) {
        struct spy__buf out;
        spy__buf_init(&out, BYTES_MAX);
        alloc_fail_after(n);
        rc = encode_all(&out, p);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        spy__buf_done(&out);
    }
    spy__profile_free(p);
}

static void test_no_more_than_its_room(void **state)
{
    for (size_t max = 16; max < 40000; max += max / 3 + 1) {
        struct spy__buf out;
        spy__buf_init(&out, max);
        (void)encode_all(&out, *state);
        assert_true(out.len <= max);
        spy__buf_done(&out);
    }
}

static void test_intern(void **state)
{
    struct spy__intern intern;
    (void)state;
    spy__intern_init(&intern, 4096);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 500; i++) {
            assert_int_equal(spy__intern(&intern, &i, sizeof(i)), i);
        }
    }
    assert_int_equal(spy__intern(&intern, "", 0), 500);
    uint32_t i = 0;
    while (spy__intern(&intern, (uint32_t[]){ 1, i }, 8) != SPY__INTERN_NONE) {
        i++;
    }
    assert_true(intern.bytes.len <= 4096);
    i = 77;
    assert_int_equal(spy__intern(&intern, &i, sizeof(i)), 77); // what is known stays known
    size_t n = 0;
    assert_memory_equal(spy__intern_at(&intern, 77, &n), &i, sizeof(i));
    assert_int_equal(n, sizeof(i));
    spy__intern_done(&intern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_folded_against_another),
        cmocka_unit_test(test_speedscope),
        cmocka_unit_test(test_pprof),
        cmocka_unit_test(test_flamegraph),
        cmocka_unit_test(test_flamegraph_against_another),
        cmocka_unit_test(test_of_nothing),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_no_more_than_its_room),
        cmocka_unit_test(test_intern),
    };
    return cmocka_run_group_tests_name("profile_encode", tests, make_rig, free_rig);
}
