// Errors as events, against golden files (WRITE_GOLDEN=1 writes them), and what may be in any field.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "base/host.h"
#include "encode/sentry_crumb.h"
#include "encode/sentry_event.h"
#include "golden.h"

#define BUILD_ID "f1c3bcc0279865fe3058404b2831d9e64135386c"
#define TIME_NS UINT64_C(1700000000123456000)

static const struct spy__host machine = {
    .name = "node-7",
    .os_name = "Debian GNU/Linux",
    .os_version = "12",
    .kernel = "6.1.0-18-amd64",
    .arch = "x86_64",
    .libc = "2.36",
    .cpus = 8,
    .memory_bytes = UINT64_C(16) << 30,
};
static const struct spy__sentry_host host = {
    .service = "memegen",
    .release = "memegen@1.2.3",
    .environment = "production",
    .started_ns = TIME_NS - 60000000000,
    .machine = &machine,
};

#define PROGRAM                                                                                    \
    .package = "/opt/memegen/bin/memegen", .module = "memegen", .build_id = BUILD_ID,              \
    .image_addr = 0x555555554000, .image_size = 0x52000, .in_app = true
static const struct spy__frame frames[] = {
    { .function = "render_text",
      .file = "../memegen/render/text.c",
      .line = 88,
      .address = 0x555555560010,
      .inlined = true,
      PROGRAM },
    { .function = "render_meme",
      .file = "/src/memegen/render/render.c",
      .line = 12,
      .address = 0x555555560010,
      PROGRAM },
    { .address = 0x7ffff7c00123,
      .offset = 0x123,
      .package = "/lib/x86_64-linux-gnu/libc.so.6",
      .module = "libc.so.6",
      .build_id = "c0ffee",
      .image_addr = 0x7ffff7c00000,
      .image_size = 0x1d3000 },
    { .address = 0x1 },
};

static const uintptr_t addresses[] = { 1, 2 };

static struct spy_field fields[SPY_FIELDS_MAX];

static struct spy__record error_record(void)
{
    size_t n = 0;
    fields[n++] = spy_str("path", "/api/v1/memes");
    fields[n++] = spy_str("method", "POST");
    fields[n++] = spy_str("user_id", "u1");
    fields[n++] = spy_str("operation", "agent");
    fields[n++] = spy_str("agent_name", "image_renderer");
    fields[n++] = spy_int("attempt", -2);
    fields[n++] = spy_uint("bytes", UINT64_MAX);
    fields[n++] = spy_bool("cached", false);
    fields[n++] = spy_double("duration_seconds", 0.25);
    fields[n++] = spy_str("two_lines", "a\nb");
    fields[n++] = spy_str("a_key_that_is_longer_than_32_characters", "v");
    fields[n++] = spy_str("empty", "");
    fields[n++] = spy_addrs("elsewhere", addresses, 2);
    fields[n++] = spy_str("mechanism", "spy_end");
    fields[n++] = spy_str("place", "agent image_renderer");
    fields[n++] = spy_str("message", "no \"glyph\" for \xf0\x9f\x98\xb1, \xff bad");
    fields[n++] = spy__frames("stack", frames, sizeof(frames) / sizeof(frames[0]));
    return (struct spy__record){
        .kind = SPY__KIND_ERROR,
        .level = SPY_LEVEL_ERROR,
        .time_ns = TIME_NS,
        .correlation_id = "c-1",
        .trace_hi = 0x0af7651916cd43dd,
        .trace_lo = 0x8448eb211c80319c,
        .span_id = 0xb7ad6b7169203331,
        .event = "bad_template",
        .module = "render",
        .event_hi = 0x0123456789ab4def,
        .event_lo = 0x8edcba9876543210,
        .fields = fields,
        .field_count = n,
    };
}

// ---- crumbs

static struct spy__record crumb_list[3];
static const struct spy_field of_line[] = { { "template_id", SPY_FIELD_STR, .len = 2,
                                              .value = { .s = "t1" } } };
static const struct spy_field of_span[] = {
    { "agent_name", SPY_FIELD_STR, .len = 6, .value = { .s = "router" } },
    { "error_type", SPY_FIELD_STR, .len = 7, .value = { .s = "timeout" } },
    { "traceback", SPY_FIELD_ADDRS, .len = 2, .value = { .addrs = addresses } }
};

static const struct spy__record *next_crumb(void *arg)
{
    size_t *at = arg;
    return *at < 3 ? &crumb_list[(*at)++] : NULL;
}

static void make_crumbs(void)
{
    crumb_list[0] = (struct spy__record){ .kind = SPY__KIND_LOG,
                                          .level = SPY_LEVEL_WARN,
                                          .time_ns = TIME_NS - 3000000,
                                          .event = "template_chosen",
                                          .module = "pipeline",
                                          .fields = of_line,
                                          .field_count = 1 };
    crumb_list[1] = (struct spy__record){ .kind = SPY__KIND_SPAN,
                                          .level = SPY_LEVEL_INFO,
                                          .time_ns = TIME_NS - 2000000,
                                          .duration_ns = 1500000,
                                          .event = "agent",
                                          .fields = of_span,
                                          .field_count = 3 };
    crumb_list[2] = (struct spy__record){ .kind = SPY__KIND_LOG,
                                          .level = SPY_LEVEL_INFO,
                                          .time_ns = TIME_NS - 1000000,
                                          .event = "rendering" };
}

// ---- golden files

static json_t *load(const struct spy__buf *buf)
{
    json_error_t error;
    assert_false(buf->failed);
    json_t *event = json_loadb(buf->bytes, buf->len, JSON_REJECT_DUPLICATES, &error);
    if (!event) {
        fail_msg("%s: %.*s", error.text, (int)buf->len, buf->bytes);
    }
    return event;
}

static void compare(const char *name, const struct spy__sentry_event *event)
{
    struct spy__buf buf;
    spy__buf_init(&buf, 1u << 20);
    spy__encode_sentry_event(&buf, event);
    json_t *ours = load(&buf);
    assert_golden(ours, name);
    spy__buf_done(&buf);
}

static void an_error_of_an_operation(void **state)
{
    struct spy__record record = error_record();
    size_t at = 0;
    (void)state;
    make_crumbs();
    compare("sentry_event_error.json",
            &(struct spy__sentry_event){ .host = &host,
                                         .record = &record,
                                         .fingerprint = { "bad_template", "00c0ffee00c0ffee" },
                                         .next_crumb = next_crumb,
                                         .crumb_arg = &at });
}

static void an_error_of_nothing_else(void **state)
{
    static const struct spy__host unknown;
    static const struct spy__sentry_host nobody = { .machine = &unknown };
    const struct spy__record record = { .kind = SPY__KIND_ERROR,
                                        .level = SPY_LEVEL_ERROR,
                                        .time_ns = TIME_NS,
                                        .correlation_id = "",
                                        .event = "status_5xx",
                                        .event_hi = 1,
                                        .event_lo = 2 };
    (void)state;
    compare("sentry_event_bare.json",
            &(struct spy__sentry_event){ .host = &nobody, .record = &record });
}

static void a_crash(void **state)
{
    struct spy__record record = error_record();
    const struct spy__sentry_open open[] = {
        { .span_id = 0xa1,
          .parent_id = 0xa2,
          .operation = "db",
          .op = "db.sql",
          .detail = "insert memes",
          .known = true,
          .open_ns = 1500000 },
        { .span_id = 0xa2,
          .operation = "http_request",
          .known = true,
          .open_ns = UINT64_C(2000000000) },
        { .span_id = 0xa3, .parent_id = 0xa2, .operation = "agent", .op = "", .detail = "" },
    };
    const struct spy__sentry_thread threads[] = {
        { .id = 4711,
          .name = "worker-1",
          .crashed = true,
          .stack = { frames, 4, true },
          .open = open,
          .open_count = 2 },
        { .id = 4712, .stack = { frames + 1, 2, false }, .open = open + 2, .open_count = 1 },
        { .id = 4713 },
    };
    (void)state;
    record.event = "SIGSEGV";
    record.span_id = 0xa1;
    compare("sentry_event_crash.json", &(struct spy__sentry_event){ .host = &host,
                                                                    .record = &record,
                                                                    .fatal = true,
                                                                    .transaction = "POST /memes",
                                                                    .signal = 11,
                                                                    .signal_code = 1,
                                                                    .signal_name = "SIGSEGV",
                                                                    .threads = threads,
                                                                    .thread_count = 3 });
}

// ---- parts

// Encodes an error with these fields; its request and user are checked.
static void expect_request(struct spy_field *of_request, size_t n, const char *request,
                           const char *user)
{
    struct spy__record record = error_record();
    record.fields = of_request;
    record.field_count = n;
    struct spy__buf buf;
    spy__buf_init(&buf, 1u << 20);
    spy__encode_sentry_event(&buf, &(struct spy__sentry_event){ .host = &host, .record = &record });
    json_t *event = load(&buf);
    const char *const keys[] = { "request", "user" }, *const wanted[] = { request, user };
    for (int i = 0; i < 2; i++) {
        json_t *want = wanted[i] ? json_loads(wanted[i], JSON_REJECT_DUPLICATES, NULL) : NULL;
        assert_true(!wanted[i] == !want);
        assert_true(json_equal(json_object_get(event, keys[i]), want) ||
                    (!want && !json_object_get(event, keys[i])));
        json_decref(want);
    }
    assert_int_equal(json_object_size(json_object_get(event, "extra")), 0);
    json_decref(event);
    spy__buf_done(&buf);
}

static void a_request_and_a_user(void **state)
{
    (void)state;
    struct spy_field whole[] = {
        spy_str("path", "/memes"),
        spy_str("method", "GET"),
        spy_int("user_id", 7),
        spy_str("request.headers", "Host: memes.example:8080\nAccept: a: \"b\"\nX-Empty: \n"),
        spy_str("request.query", "limit=1&token=[redacted]"),
        spy_str("request.client", "203.0.113.7"),
    };
    expect_request(whole, 6,
                   "{\"method\":\"GET\",\"url\":\"http://memes.example:8080/memes\","
                   "\"query_string\":\"limit=1&token=[redacted]\",\"headers\":{"
                   "\"Host\":\"memes.example:8080\",\"Accept\":\"a: \\\"b\\\"\",\"X-Empty\":\"\"}}",
                   "{\"id\":\"7\",\"ip_address\":\"203.0.113.7\"}");
    expect_request(whole, 2, "{\"method\":\"GET\",\"url\":\"http://node-7/memes\"}", NULL);
    // What a mask has left of a line; a host that is none; a name twice.
    whole[3] = spy_str("request.headers", "none\n: x\nHost: a/b\nA:1\nA: 2\nlast: [reda");
    expect_request(whole, 4,
                   "{\"method\":\"GET\",\"url\":\"http://node-7/memes\",\"headers\":{"
                   "\"Host\":\"a/b\",\"A\":\"1\",\"last\":\"[reda\"}}",
                   "{\"id\":\"7\"}");
}

static void debug_ids(void **state)
{
    static const struct {
        const char *build_id, *debug_id;
    } rows[] = {
        { BUILD_ID, "c0bcc3f1-9827-fe65-3058-404b2831d9e6" },
        { "0123456789abcdef0123456789abcdef", "67452301-ab89-efcd-0123-456789abcdef" },
        { "c0ffee", "00eeffc0-0000-0000-0000-000000000000" },
        { "", "00000000-0000-0000-0000-000000000000" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char id[SPY__DEBUG_ID_LEN + 1];
        spy__debug_id_print(id, rows[i].build_id);
        assert_string_equal(id, rows[i].debug_id);
    }
}

static void an_image_stands_once_and_only_so_many_do(void **state)
{
    enum { MANY = SPY__SENTRY_IMAGES_MAX + 10 };
    static struct spy__frame many[2 * MANY];
    struct spy__sentry_stack stacks[2] = { { many, MANY, false }, { many + MANY, MANY, false } };
    struct spy__buf buf;
    struct spy__json j;
    (void)state;
    for (size_t i = 0; i < 2 * MANY; i++) {
        many[i] = (struct spy__frame){ .build_id = "c0ffee",
                                       .package = "/lib/x.so",
                                       .image_addr = 0x1000 * (i % MANY + 1) };
    }
    spy__buf_init(&buf, 1u << 20);
    spy__json_init(&j, &buf);
    spy__json_object(&j);
    spy__sentry_put_debug_meta(&j, stacks, 2);
    spy__json_object_end(&j);
    json_t *event = load(&buf);
    json_t *images = json_object_get(json_object_get(event, "debug_meta"), "images");
    assert_int_equal(json_array_size(images), SPY__SENTRY_IMAGES_MAX);
    json_decref(event);
    spy__buf_done(&buf);
}

static void a_crumb_is_small(void **state)
{
    static char text[SPY__FIELD_STR_MAX + 1];
    struct spy_field many[SPY_FIELDS_MAX];
    char keys[SPY_FIELDS_MAX][8];
    struct spy__buf buf;
    struct spy__json j;
    (void)state;
    memset(text, '\1', sizeof(text) - 1); // each is six bytes of JSON
    for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        many[i] = spy_str(keys[i], text);
    }
    const struct spy__record record = { .kind = SPY__KIND_LOG,
                                        .level = SPY_LEVEL_INFO,
                                        .event = "e",
                                        .fields = many,
                                        .field_count = SPY_FIELDS_MAX };
    spy__buf_init(&buf, 1u << 20);
    spy__json_init(&j, &buf);
    spy__json_array(&j);
    spy__sentry_put_crumb(&j, &record);
    spy__sentry_put_crumb(&j, &record);
    spy__json_array_end(&j);
    json_t *crumbs = load(&buf);
    assert_int_equal(json_array_size(crumbs), 2);
    assert_null(json_object_get(json_array_get(crumbs, 0), "data"));
    json_decref(crumbs);
    spy__buf_done(&buf);
}

static const struct spy__record *same_crumb(void *arg)
{
    return arg;
}

static void the_largest_event_is_one_that_sentry_takes(void **state)
{
    static char text[SPY__FIELD_STR_MAX + 1];
    static struct spy__frame deep[SPY__FRAMES_MAX];
    struct spy_field many[SPY_FIELDS_MAX];
    char keys[SPY_FIELDS_MAX][16];
    struct spy__buf buf;
    (void)state;
    memset(text, '\1', sizeof(text) - 1);
    for (size_t i = 0; i < SPY__FRAMES_MAX; i++) {
        deep[i] = (struct spy__frame){ .function = text,
                                       .file = text,
                                       .package = text,
                                       .build_id = BUILD_ID,
                                       .image_addr = 0x1000 };
    }
    for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        many[i] = spy_str(keys[i], text);
    }
    many[0] = spy_str("message", text);
    many[1] = spy__frames("stack", deep, SPY__FRAMES_MAX);
    const struct spy_field medium = spy_strn("k", text, 250); // in JSON, 1500 bytes
    const struct spy__record crumb = { .kind = SPY__KIND_LOG,
                                       .level = SPY_LEVEL_INFO,
                                       .event = text,
                                       .fields = &medium,
                                       .field_count = 1 };
    const struct spy__record record = { .kind = SPY__KIND_ERROR,
                                        .level = SPY_LEVEL_ERROR,
                                        .correlation_id = "",
                                        .event = "t",
                                        .fields = many,
                                        .field_count = SPY_FIELDS_MAX };
    struct spy__sentry_event event = { .host = &host, .record = &record };
    spy__buf_init(&buf, 4u << 20);
    spy__encode_sentry_event(&buf, &event);
    assert_false(buf.failed);
    assert_in_range(buf.len, 500000, 1000000); // the worst without what led to it
    spy__buf_reset(&buf);
    event.next_crumb = same_crumb;
    event.crumb_arg = (void *)&crumb;
    spy__encode_sentry_event(&buf, &event);
    json_t *json = load(&buf);
    json_t *crumbs = json_object_get(json_object_get(json, "breadcrumbs"), "values");
    assert_int_equal(json_array_size(crumbs), SPY__SENTRY_CRUMBS_MAX);
    json_decref(json);
    spy__buf_done(&buf);
}

static void without_memory_it_fails_whole(void **state)
{
    struct spy__record record = error_record();
    struct spy__buf buf;
    (void)state;
    bool done = false;
    for (long n = 0; !done; n++) {
        spy__buf_init(&buf, 1u << 20);
        alloc_fail_after(n);
        spy__encode_sentry_event(&buf,
                                 &(struct spy__sentry_event){ .host = &host, .record = &record });
        alloc_fail_never();
        done = !buf.failed;
        if (done) {
            json_decref(load(&buf));
        }
        spy__buf_done(&buf);
    }
}

static void os_releases(void **state)
{
    static const struct {
        const char *text, *name, *version;
    } rows[] = {
        { "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n"
          "VERSION_ID=\"12\"\n",
          "Debian GNU/Linux", "12" },
        { "NAME=Fedora\nVERSION_ID=39", "Fedora", "39" },
        { "NAME='it''s'\n", "", "" },
        { "NAME='$5 \\ `x`'\n", "$5 \\ `x`", "" },
        { "NAME=\"a \\\"b\\\" \\$c\"\n", "a \"b\" $c", "" },
        { "NAME=\"$HOME\"\nVERSION_ID=`id`\n", "", "" },
        { "NAME=\"open\nVERSION_ID=\"1\"x\n", "", "" },
        { "NAME=\xff\nVERSION_ID=\"1\t2\"\n", "", "" },
        { "NAME=0123456789012345678901234567890123456789012345678901234567890123456789\n", "", "" },
        { "XNAME=a\n#NAME=b\nNAME=", "", "" },
        { "", "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spy__host found = { .cpus = 0 };
        spy__os_release_parse(&found, rows[i].text, strlen(rows[i].text));
        assert_string_equal(found.os_name, rows[i].name);
        assert_string_equal(found.os_version, rows[i].version);
    }
    struct spy__host here;
    spy__host_read(&here);
    assert_true(here.name[0] && here.os_name[0] && here.kernel[0] && here.arch[0]);
    assert_true(here.cpus > 0 && here.memory_bytes > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_an_operation),
        cmocka_unit_test(an_error_of_nothing_else),
        cmocka_unit_test(a_crash),
        cmocka_unit_test(a_request_and_a_user),
        cmocka_unit_test(debug_ids),
        cmocka_unit_test(an_image_stands_once_and_only_so_many_do),
        cmocka_unit_test(a_crumb_is_small),
        cmocka_unit_test(the_largest_event_is_one_that_sentry_takes),
        cmocka_unit_test(without_memory_it_fails_whole),
        cmocka_unit_test(os_releases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
