// Errors as their callers make them: the line of the log, and the record that somebody wants.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SPY_MODULE "kitchen"
#include "base/clock.h"
#include "lines.h"
#include "metrics/dropped.h"
#include "record/record.h"
#include "signals/error.h"
#include "spyglass/spyglass.h"

static struct spy_operation agent = { .name = "agent", .labels = SPY_LABELS("agent_name") };

// The last record of an error, and its fields as text.
static struct spy__record pushed;
static char fields[8192], event[64], correlation_id[64], module[64];
static uintptr_t stack[SPY__ERROR_FRAMES_MAX];
static size_t depth;
static unsigned pushes;

static void print_field(const struct spy_field *f)
{
    size_t len = strlen(fields), left = sizeof(fields) - len;
    switch (f->type) {
    case SPY_FIELD_STR:
        (void)snprintf(fields + len, left, "%s=%.*s ", f->key, (int)f->len, f->value.s);
        break;
    case SPY_FIELD_INT:
        (void)snprintf(fields + len, left, "%s=%d ", f->key, (int)f->value.i);
        break;
    case SPY_FIELD_ADDRS:
        (void)snprintf(fields + len, left, "%s ", f->key);
        depth = f->len;
        memcpy(stack, f->value.addrs, depth * sizeof(stack[0]));
        break;
    default:
        (void)snprintf(fields + len, left, "%s=? ", f->key);
    }
}

void __real_spy__push(const struct spy__record *record);
void __wrap_spy__push(const struct spy__record *record);
void __wrap_spy__push(const struct spy__record *record)
{
    if (record->kind != SPY__KIND_ERROR) {
        __real_spy__push(record);
        return;
    }
    pushed = *record;
    pushes++;
    (void)snprintf(event, sizeof(event), "%s", record->event);
    (void)snprintf(correlation_id, sizeof(correlation_id), "%s", record->correlation_id);
    (void)snprintf(module, sizeof(module), "%s", record->module ? record->module : "(none)");
    fields[0] = '\0';
    depth = 0;
    for (size_t i = 0; i < record->field_count; i++) {
        print_field(&record->fields[i]);
    }
}

static int set_up(void **state)
{
    (void)state;
    pushes = 0;
    spy__errors_want(true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__errors_want(false);
    return 0;
}

// Whether the innermost frame lies in the function that begins there, which is a short one.
static int begins_in(void (*function)(void **))
{
    uintptr_t from = (uintptr_t)function;
    return depth > 0 && stack[0] > from && stack[0] < from + 4096;
}

static void an_error_is_a_record(void **state)
{
    char id[SPY_ERROR_ID_LEN + 1], expected[40];
    struct spy_context_scope scope = spy_context_begin("c-1", NULL);
    (void)state;
    spy_bind(spy_str("user_id", "u1"));
    spy_error_with_id(id, "bad_template", "no caption", spy_str("template_id", "two_panel"),
                      spy_int("panel", 2), spy_str("left_out", NULL));
    assert_int_equal(pushes, 1);
    assert_int_equal(pushed.level, SPY_LEVEL_ERROR);
    assert_string_equal(event, "bad_template");
    assert_string_equal(correlation_id, "c-1");
    assert_string_equal(module, "kitchen");
    assert_string_equal(fields, "user_id=u1 template_id=two_panel panel=2 mechanism=spy_error "
                                "message=no caption stack ");
    assert_true(begins_in(an_error_is_a_record));
    (void)snprintf(expected, sizeof(expected), "%016llx%016llx",
                   (unsigned long long)pushed.event_hi, (unsigned long long)pushed.event_lo);
    assert_string_equal(id, expected);
    assert_int_equal(id[12], '4'); // a UUID of version 4
    assert_non_null(strchr("89ab", id[16]));
    spy_context_detach(scope);
}

static void what_is_missing_is_left_out(void **state)
{
    (void)state;
    spy_error(NULL, NULL);
    assert_string_equal(event, "unknown");
    assert_string_equal(correlation_id, "");
    assert_string_equal(fields, "mechanism=spy_error stack ");
    spy_error("", "said");
    assert_string_equal(event, "unknown");
}

static void our_keys_are_ours(void **state)
{
    (void)state;
    spy_error("t", "ours", spy_str("message", "theirs"), spy_str("stack", "a"),
              spy_str("mechanism", "b"));
    assert_string_equal(
        fields, "message_=theirs stack_=a mechanism_=b mechanism=spy_error message=ours stack ");
}

static void fields_past_the_most_are_counted(void **state)
{
    struct spy_field many[SPY_FIELDS_MAX + 3];
    const uint64_t before = spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_FIELDS);
    (void)state;
    for (size_t i = 0; i < SPY_FIELDS_MAX + 3; i++) {
        many[i] = spy_int("k", 0);
    }
    many[0].key = NULL;
    spy__error(NULL, NULL, "t", "m", many, SPY_FIELDS_MAX + 3);
    assert_int_equal(pushed.field_count, SPY_FIELDS_MAX - 1); // it has no place
    assert_non_null(strstr(fields, "message=m stack "));
    // One without a key, and those past the room that ours leave.
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_FIELDS) - before,
                     1 + 3 + SPY__ERROR_FIELDS - 1);
}

static void a_failed_operation_is_an_error(void **state)
{
    (void)state;
    struct spy_span span = spy_begin(&agent, "router");
    spy_end(&span, SPY_SUCCESS);
    assert_int_equal(pushes, 0);
    span = spy_begin(&agent, "router");
    uint64_t span_id = span.span_id;
    spy_end(&span, spy_failure("timeout", "no answer in 10 s"));
    assert_int_equal(pushes, 1);
    assert_string_equal(event, "timeout");
    assert_string_equal(fields,
                        "operation=agent agent_name=router duration_seconds=? "
                        "mechanism=spy_end place=agent router message=no answer in 10 s stack ");
    assert_true(pushed.span_id == span_id);
    assert_true(begins_in(a_failed_operation_is_an_error));
    assert_int_not_equal(pushed.event_hi | pushed.event_lo, 0);
}

static struct spy_http *begin_request(void)
{
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){
        .method = "GET", .path = "/memes/7?token=s3cret", .correlation_id = "c-2" });
    spy_http_route(http, "/memes/{id}");
    return http;
}

static void a_failed_request_is_one_error(void **state)
{
    (void)state;
    struct spy_http *http = begin_request();
    spy_http_fail(http, "bad_answer", "the model said nothing");
    spy_http_fail(http, "second", "what came after it");
    spy_http_answered(http, 502, 0);
    assert_int_equal(pushes, 0);
    spy_http_end(http);
    assert_int_equal(pushes, 1);
    assert_string_equal(event, "bad_answer");
    assert_string_equal(correlation_id, "c-2");
    assert_string_equal(module, "http");
    assert_string_equal(fields, "path=/memes/7 method=GET route=/memes/{id} status_code=502 "
                                "duration_seconds=? mechanism=spy_http_fail "
                                "place=GET /memes/{id} message=the model said nothing stack ");
    assert_true(begins_in(a_failed_request_is_one_error));
}

static void an_answer_5xx_is_an_error(void **state)
{
    static const struct {
        int status;
        unsigned pushes;
    } rows[] = { { 200, 0 }, { 404, 0 }, { 499, 0 }, { 500, 1 }, { 503, 1 } };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pushes = 0;
        struct spy_http *http = begin_request();
        spy_http_answered(http, rows[i].status, 0);
        spy_http_end(http);
        assert_int_equal(pushes, rows[i].pushes);
    }
    assert_string_equal(event, "status_5xx");
    assert_string_equal(fields, "path=/memes/7 method=GET route=/memes/{id} status_code=503 "
                                "duration_seconds=? mechanism=" SPY__ERROR_UNEXPLAINED
                                " place=GET /memes/{id} ");
}

static void nothing_is_published_that_nobody_wants(void **state)
{
    (void)state;
    spy__errors_want(false);
    const uint64_t before = spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_STOPPED);
    struct spy_span span = spy_begin(&agent, "router");
    spy_end(&span, spy_failure("timeout", "no answer"));
    spy_error("t", "m");
    struct spy_http *http = begin_request();
    spy_http_fail(http, "t", "m");
    spy_http_end(http);
    assert_int_equal(pushes, 0);
    assert_true(spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_STOPPED) == before);
}

static void an_error_is_a_line(void **state)
{
    char id[SPY_ERROR_ID_LEN + 1];
    int fd = lines_open();
    (void)state;
    spy__errors_want(false); // as it is in a host without an admin server
    lines_start(fd);
    struct spy_context_scope scope = spy_context_begin("c-3", NULL);
    spy_bind(spy_str("user_id", "u1"));
    spy_error_with_id(id, "bad_template", "no caption at password=hunter2",
                      spy_str("template_id", "two_panel"), spy_str("error_type", "theirs"),
                      spy_str("api_key", "sk-123"));
    spy_context_detach(scope);
    json_t *lines = lines_read(fd), *line = lines_last(lines, "error");
    assert_non_null(line);
    assert_string_equal(lines_str(line, "level"), "error");
    assert_string_equal(lines_str(line, "logger"), "kitchen");
    assert_string_equal(lines_str(line, "correlation_id"), "c-3");
    assert_string_equal(lines_str(line, "user_id"), "u1");
    assert_string_equal(lines_str(line, "error_type"), "bad_template");
    assert_string_equal(lines_str(line, "error_message"), "no caption at password=[redacted]");
    assert_string_equal(lines_str(line, "error_id"), id);
    assert_string_equal(lines_str(line, "template_id"), "two_panel");
    assert_string_equal(lines_str(line, "error_type_"), "theirs");
    assert_string_equal(lines_str(line, "api_key"), "[redacted]");
    assert_true(json_array_size(json_object_get(line, "traceback")) > 1);
    json_decref(lines);

    // A line keeps to the levels, and has its traceback whatever its fields.
    spy_log_set_level(SPY_LEVEL_OFF);
    spy_error("quiet", "m");
    spy_log_set_level(SPY_LEVEL_OFF);
    assert_int_equal(spy_log_set_module_level("kitchen", SPY_LEVEL_DEBUG), 0);
    struct spy_field many[SPY_FIELDS_MAX];
    char keys[SPY_FIELDS_MAX][8];
    for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        many[i] = spy_int(keys[i], 0);
    }
    spy__error(NULL, SPY_MODULE, "many", NULL, many, SPY_FIELDS_MAX);
    assert_int_equal(spy_log_set_module_level("kitchen", SPY_LEVEL_DEFAULT), 0);
    lines = lines_read(fd);
    line = lines_last(lines, "error");
    assert_string_equal(lines_str(line, "error_type"), "many");
    assert_null(json_object_get(line, "error_message"));
    assert_non_null(json_object_get(line, "traceback"));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        assert_string_not_equal(lines_str(json_array_get(lines, i), "error_type"), "quiet");
    }
    json_decref(lines);
    assert_int_equal(spy_stop(20000), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_error_is_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_missing_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(our_keys_are_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_past_the_most_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_operation_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_request_is_one_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_5xx_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_published_that_nobody_wants, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_is_a_line, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
