// The page's list of errors, as JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "serve/errors.h"
#include "signals/error_report.h"
#include "spyglass/spyglass.h"

#define NOW UINT64_C(1700000000000000000)

static const struct spy__frame frames[] = {
    { .function = "render_text",
      .file = "render/text.c",
      .line = 88,
      .address = 0x5010,
      .module = "memegen",
      .in_app = true },
    { .address = 0x7f00, .module = "libc.so.6" },
    { .address = 1 },
};

static void take(const char *type, const char *message, uint64_t time_ns)
{
    const struct spy_field fields[] = { spy_str("message", message),
                                        spy_str("place", "agent router"),
                                        spy__frames("stack", frames, 3) };
    const struct spy__record record = { .kind = SPY__KIND_ERROR,
                                        .level = SPY_LEVEL_ERROR,
                                        .time_ns = time_ns,
                                        .correlation_id = "c-1",
                                        .event = type,
                                        .event_hi = 1,
                                        .event_lo = 2,
                                        .fields = fields,
                                        .field_count = 3 };
    spy__error_take(&record, NULL);
}

static int open_report(void **state)
{
    (void)state;
    return spy__error_report_open(
        &(struct spy__error_report_options){ .release = "1.2.3", .environment = "test" });
}

static int close_report(void **state)
{
    (void)state;
    spy__error_report_close();
    return 0;
}

static json_t *list(void)
{
    struct spy__buf out;
    spy__buf_init(&out, 4u << 20);
    assert_int_equal(spy__errors_list(&out), 0);
    json_t *json = json_loadb(out.bytes, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    spy__buf_done(&out);
    return json;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "(none)";
}

static void groups_are_listed_the_last_seen_first(void **state)
{
    (void)state;
    take("old", "<script>", NOW);
    take("new", "\xff\"", NOW + 1000000000);
    take("old", "again", NOW + 500000000);
    json_t *answer = list(), *groups = json_object_get(answer, "groups");
    assert_string_equal(text(answer, "release"), "1.2.3");
    assert_string_equal(text(answer, "environment"), "test");
    assert_int_equal(json_array_size(groups), 2);
    assert_string_equal(text(json_array_get(groups, 0), "type"), "new");
    assert_string_equal(text(json_array_get(groups, 0), "message"), "\xef\xbf\xbd\"");
    json_t *old = json_array_get(groups, 1);
    assert_string_equal(text(old, "type"), "old");
    assert_string_equal(text(old, "message"), "again");
    assert_string_equal(text(old, "place"), "agent router");
    assert_int_equal(json_integer_value(json_object_get(old, "count")), 2);
    assert_string_equal(text(old, "first_seen"), "2023-11-14T22:13:20.000000Z");
    assert_string_equal(text(old, "last_seen"), "2023-11-14T22:13:20.500000Z");
    assert_string_equal(text(old, "correlation_id"), "c-1");
    assert_string_equal(text(old, "trace_id"), "(none)");
    assert_string_equal(text(old, "event_id"), "00000000000000010000000000000002");
    json_t *stack = json_object_get(old, "stack"), *frame = json_array_get(stack, 0);
    assert_int_equal(json_array_size(stack), 3);
    assert_string_equal(text(frame, "function"), "render_text");
    assert_string_equal(text(frame, "file"), "render/text.c");
    assert_int_equal(json_integer_value(json_object_get(frame, "line")), 88);
    assert_true(json_is_true(json_object_get(frame, "in_app")));
    frame = json_array_get(stack, 1);
    assert_string_equal(text(frame, "address"), "0x7f00");
    assert_string_equal(text(frame, "module"), "libc.so.6");
    assert_true(json_is_false(json_object_get(frame, "in_app")));
    json_decref(answer);
}

static void without_errors_and_without_memory(void **state)
{
    struct spy__buf out;
    (void)state;
    json_t *answer = list();
    assert_int_equal(json_array_size(json_object_get(answer, "groups")), 0);
    json_decref(answer);
    take("t", "m", NOW);
    spy__buf_init(&out, 4u << 20);
    alloc_fail_after(0);
    int err = spy__errors_list(&out);
    alloc_fail_never();
    assert_int_equal(err, -ENOMEM);
    spy__buf_done(&out);
    spy__error_report_close();
    spy__buf_init(&out, 4u << 20);
    assert_int_equal(spy__errors_list(&out), -ENOENT);
    spy__buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_are_listed_the_last_seen_first, open_report,
                                        close_report),
        cmocka_unit_test_setup_teardown(without_errors_and_without_memory, open_report,
                                        close_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
