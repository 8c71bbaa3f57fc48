// Traces as transactions, against golden files (WRITE_GOLDEN=1 writes them), and what may be in any
// field.
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
#include "encode/line.h"
#include "encode/sentry_transaction.h"
#include "golden.h"

#define TIME_NS UINT64_C(1700000000123456000)

static const struct spy__host machine = { .name = "node-7",
                                          .os_name = "Debian GNU/Linux",
                                          .os_version = "12",
                                          .kernel = "6.1.0-18-amd64",
                                          .arch = "x86_64",
                                          .libc = "2.36",
                                          .cpus = 8,
                                          .memory_bytes = UINT64_C(16) << 30 };
static const struct spy__sentry_host host = { .service = "memegen",
                                              .release = "memegen@1.2.3",
                                              .environment = "production",
                                              .started_ns = TIME_NS - 60000000000,
                                              .machine = &machine };

static struct spy__record span_of(const char *name, uint64_t id, uint64_t parent,
                                  struct spy_field *fields, size_t n)
{
    return (struct spy__record){ .kind = SPY__KIND_SPAN,
                                 .time_ns = TIME_NS + id * 1000,
                                 .duration_ns = 2500000,
                                 .parent_id = parent,
                                 .span_id = id,
                                 .correlation_id = "c-1",
                                 .trace_hi = 0x0af7651916cd43dd,
                                 .trace_lo = 0x8448eb211c80319c,
                                 .event = name,
                                 .fields = fields,
                                 .field_count = n };
}

static struct spy__sentry_transaction transaction_of(const struct spy__record *root)
{
    return (struct spy__sentry_transaction){ .host = &host,
                                             .root = root,
                                             .event_hi = 0x1122334455667788,
                                             .event_lo = 0x99aabbccddeeff00,
                                             .outcome = "slow" };
}

// Valid JSON for any bytes, as a tree.
static json_t *encode(const struct spy__sentry_transaction *t, const struct spy__record *spans,
                      size_t n)
{
    struct spy__buf out;
    struct spy__json j;
    json_error_t error;
    spy__buf_init(&out, 1 << 20);
    spy__json_init(&j, &out);
    spy__sentry_transaction_begin(&j, t);
    for (size_t i = 0; i < n; i++) {
        spy__sentry_transaction_span(&j, &spans[i]);
    }
    spy__sentry_transaction_end(&j);
    assert_false(out.failed);
    json_t *tree = json_loadb(out.bytes, out.len, JSON_REJECT_DUPLICATES, &error);
    if (!tree) {
        fail_msg("%s: %.*s", error.text, (int)out.len, out.bytes);
    }
    spy__buf_done(&out);
    return tree;
}

static void a_request(void **state)
{
    // The context's bound fields, the labels, the op, the failure.
    struct spy_field root_fields[] = {
        spy_str("path", "/api/v1/memes"),
        spy_str("method", "POST"),
        spy_str("user_id", "u1"),
        spy_bool("parent_sampled", true),
        spy_str("sentry_baggage", "sentry-a"),
        spy_str("method", "POST"),
        spy_str("route", "/api/v1/memes"),
        spy_str("status", "503"),
        spy_str("op", "http.server"),
        spy_str("error_type", "timeout"),
        spy_str("request.headers", "Host: memes.example\nUser-Agent: curl/8\n"),
        spy_str("request.query", "async=1"),
        spy_str("request.client", "203.0.113.7"),
    };
    struct spy_field llm[] = {
        spy_str("service_name", "llm"),
        spy_str("operation", "chat_completion"),
        spy_str("error_type", "status_429"),
        spy_str("message", "The LLM answered with status 429."),
        spy_str("op", "gen_ai.chat"),
        spy_str("gen_ai.request.model", "m-1"),
        spy_int("gen_ai.usage.input_tokens", 12),
    };
    struct spy_field cache[] = { spy_str("operation", "get"), spy_str("op", "cache.get"),
                                 spy_bool("cache.hit", false), spy_double("ratio", 0.5),
                                 spy_uint("cache.item_size", 4096) };
    (void)state;
    struct spy__record root = span_of("http", 1, 0xb7ad6b7169203331, root_fields, 13);
    struct spy__record spans[] = { span_of("external_service", 2, 1, llm, 7),
                                   span_of("cache", 3, 1, cache, 5),
                                   span_of("plain", 4, 0, NULL, 0) };
    struct spy__sentry_transaction t = transaction_of(&root);
    t.lost = 2;
    t.flamegraph = "/debug/slow/0af7651916cd43dd8448eb211c80319c";
    assert_golden(encode(&t, spans, 3), "sentry_transaction_request.json");
}

// Its fixed part is as long as it can be, and as short.
static void ids_and_times(void **state)
{
    (void)state;
    struct spy__record root = span_of("job", 1, 0, NULL, 0);
    struct spy__record spans[] = { span_of("with", UINT64_MAX, UINT64_MAX, NULL, 0),
                                   span_of("without", 2, 0, NULL, 0) };
    spans[0].time_ns = TIME_NS;
    struct spy__sentry_transaction t = transaction_of(&root);
    json_t *tree = encode(&t, spans, 2), *all = json_object_get(tree, "spans");
    json_t *with = json_array_get(all, 0), *without = json_array_get(all, 1);
    assert_string_equal(json_string_value(json_object_get(with, "span_id")), "ffffffffffffffff");
    assert_string_equal(json_string_value(json_object_get(with, "parent_span_id")),
                        "ffffffffffffffff");
    assert_string_equal(json_string_value(json_object_get(with, "trace_id")),
                        "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(json_string_value(json_object_get(with, "origin")), "auto.spyglass");
    char begin[SPY__TIME_LEN + 1] = { 0 }, end[SPY__TIME_LEN + 1] = { 0 };
    spy__time_print(begin, TIME_NS);
    spy__time_print(end, TIME_NS + 2500000);
    assert_string_equal(json_string_value(json_object_get(with, "start_timestamp")), begin);
    assert_string_equal(json_string_value(json_object_get(with, "timestamp")), end);
    assert_string_equal(json_string_value(json_object_get(with, "op")), "with");
    assert_string_equal(json_string_value(json_object_get(without, "span_id")), "0000000000000002");
    assert_null(json_object_get(without, "parent_span_id"));
    assert_int_equal(json_object_size(with), json_object_size(without) + 1);
    json_decref(tree);
}

static void a_task(void **state)
{
    (void)state;
    struct spy__record root = span_of("nightly", 1, 0, NULL, 0);
    root.correlation_id = "";
    struct spy__sentry_transaction t = transaction_of(&root);
    assert_golden(encode(&t, NULL, 0), "sentry_transaction_task.json");
}

static const char *status_of(struct spy_field *fields, size_t n)
{
    static char ret[64];
    struct spy__record root = span_of("x", 1, 0, fields, n);
    struct spy__sentry_transaction t = transaction_of(&root);
    json_t *tree = encode(&t, NULL, 0);
    json_t *trace = json_object_get(json_object_get(tree, "contexts"), "trace");
    (void)snprintf(ret, sizeof(ret), "%s", json_string_value(json_object_get(trace, "status")));
    json_decref(tree);
    return ret;
}

static void statuses(void **state)
{
    static const char *const rows[][3] = {
        { "status", "200", "ok" },
        { "status", "304", "ok" },
        { "status", "400", "invalid_argument" },
        { "status", "401", "unauthenticated" },
        { "status", "403", "permission_denied" },
        { "status", "404", "not_found" },
        { "status", "409", "already_exists" },
        { "status", "422", "invalid_argument" },
        { "status", "429", "resource_exhausted" },
        { "status", "499", "cancelled" },
        { "status", "500", "internal_error" },
        { "status", "501", "unimplemented" },
        { "status", "502", "internal_error" },
        { "status", "503", "unavailable" },
        { "status", "504", "deadline_exceeded" },
        { "status", "success", "ok" }, // a label of the host's own
        { "error_type", "timeout", "deadline_exceeded" },
        { "error_type", "refused", "unavailable" },
        { "error_type", "rejected", "failed_precondition" },
        { "error_type", "status_429", "resource_exhausted" },
        { "error_type", "whatever", "internal_error" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spy_field field = spy_str(rows[i][0], rows[i][1]);
        assert_string_equal(status_of(&field, 1), rows[i][2]);
    }
}

static void any_bytes(void **state)
{
    static const char odd[] = "\xff\"\\\n\x01 caf\xc3\xa9";
    static char longest[8192];
    (void)state;
    memset(longest, 'x', sizeof(longest));
    struct spy_field fields[] = { spy_str("method", odd), spy_strn("route", longest, 8192),
                                  spy_str("op", odd), spy_str(odd, odd),
                                  spy_strn("data.long", longest, 8192) };
    struct spy__record root = span_of(odd, 1, 0, fields, 5);
    root.correlation_id = odd;
    struct spy__sentry_transaction t = transaction_of(&root);
    json_t *tree = encode(&t, &root, 1);
    json_t *span = json_array_get(json_object_get(tree, "spans"), 0);
    json_t *data = json_object_get(span, "data");
    assert_int_equal(json_string_length(json_object_get(data, "data.long")), 1024);
    json_decref(tree);
}

static void without_memory(void **state)
{
    bool done = false;
    (void)state;
    for (long n = 0; !done; n++) {
        struct spy__buf out;
        struct spy__json j;
        struct spy__record root = span_of("nightly", 1, 0, NULL, 0);
        struct spy__sentry_transaction t = transaction_of(&root);
        spy__buf_init(&out, 1 << 20);
        spy__json_init(&j, &out);
        alloc_fail_after(n);
        spy__sentry_transaction_begin(&j, &t);
        spy__sentry_transaction_span(&j, &root);
        spy__sentry_transaction_end(&j);
        alloc_fail_never();
        done = !out.failed;
        assert_true(done || n < 20);
        spy__buf_done(&out);
    }
}

static void sampling_context(void **state)
{
    static const struct {
        const char *members, *json;
    } rows[] = {
        { "", "{}" },
        { "sentry-trace_id=1,sentry-release=a%40b%20c,other=2,sentry-sampled=true",
          "{\"trace_id\":\"1\",\"release\":\"a@b c\",\"sampled\":\"true\"}" },
        { "sentry-=1,sentry-x,sentry-y=%ff;p=1", "{\"y\":\"\\ufffd\"}" },
        { ",,sentry-a=1,", "{\"a\":\"1\"}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spy__buf out;
        struct spy__json j;
        spy__buf_init(&out, 4096);
        spy__json_init(&j, &out);
        spy__sentry_put_dsc(&j, rows[i].members, strlen(rows[i].members));
        json_t *a = json_loadb(out.bytes, out.len, 0, NULL), *b = json_loads(rows[i].json, 0, NULL);
        assert_non_null(a);
        assert_true(json_equal(a, b));
        json_decref(a);
        json_decref(b);
        spy__buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request),        cmocka_unit_test(ids_and_times),
        cmocka_unit_test(a_task),           cmocka_unit_test(statuses),
        cmocka_unit_test(any_bytes),        cmocka_unit_test(without_memory),
        cmocka_unit_test(sampling_context),
    };
    return cmocka_run_group_tests_name("sentry_transaction", tests, NULL, NULL);
}
