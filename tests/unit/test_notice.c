// notice: each service's form is taken, what it would refuse is refused, and a line is plain text.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/notice.h"

static bool read_text(enum notice_kind kind, const char *text, char line[NOTICE_LINE_BYTES])
{
    json_t *body = json_loads(text, JSON_DECODE_ANY, NULL);
    memset(line, '?', NOTICE_LINE_BYTES);
    bool ok = notice_read(kind, body, line);
    assert_non_null(memchr(line, '\0', NOTICE_LINE_BYTES));
    json_decref(body);
    return ok;
}

static void assert_line(enum notice_kind kind, const char *text, bool ok, const char *line)
{
    char got[NOTICE_LINE_BYTES];
    assert_int_equal(read_text(kind, text, got), ok);
    assert_string_equal(got, line);
}

#define PAGE(action, rest) "{\"routing_key\":\"secret\",\"event_action\":\"" action "\"," rest "}"
#define PAYLOAD(summary, source, severity)                                                         \
    "\"payload\":{\"summary\":\"" summary "\",\"source\":\"" source "\",\"severity\":\"" severity  \
    "\"}"

static void test_slack(void **state)
{
    (void)state;
    assert_line(
        NOTICE_SLACK,
        "{\"channel\":\"#team\",\"attachments\":[{\"title\":\"[FIRING] A\",\"text\":\"why\\n\"}]}",
        true, "Slack #team [FIRING] A why");
    assert_line(NOTICE_SLACK, "{\"text\":\"hello\"}", true, "Slack (the webhook's channel) hello");
    assert_line(NOTICE_SLACK, "{\"attachments\":[]}", false,
                "no_text: neither a text nor an attachment with one");
    assert_line(NOTICE_SLACK, "[]", false, "the body is not a JSON object");
    assert_line(NOTICE_SLACK, "{", false, "the body is not a JSON object");
}

static void test_pagerduty(void **state)
{
    (void)state;
    assert_line(NOTICE_PAGERDUTY, PAGE("trigger", PAYLOAD("A: broken", "memegen", "critical")),
                true, "PagerDuty trigger critical A: broken");
    assert_line(NOTICE_PAGERDUTY, PAGE("resolve", "\"dedup_key\":\"k\""), true,
                "PagerDuty resolve");
    assert_line(NOTICE_PAGERDUTY, "{\"event_action\":\"trigger\"}", false,
                "'routing_key' is missing or blank");
    assert_line(NOTICE_PAGERDUTY, PAGE("shout", PAYLOAD("A", "b", "info")), false,
                "'event_action' must be trigger, acknowledge or resolve");
    assert_line(NOTICE_PAGERDUTY, PAGE("resolve", "\"payload\":{}"), false,
                "'dedup_key' is missing or blank");
    assert_line(NOTICE_PAGERDUTY, PAGE("trigger", PAYLOAD("", "b", "info")), false,
                "'payload.summary' is missing or blank");
    assert_line(NOTICE_PAGERDUTY, PAGE("trigger", PAYLOAD("A", "", "info")), false,
                "'payload.source' is missing or blank");
    assert_line(NOTICE_PAGERDUTY, PAGE("trigger", PAYLOAD("A", "b", "loud")), false,
                "'payload.severity' must be critical, error, warning or info");
}

// A summary of so many characters is right, one more is not, however many bytes they have.
static void test_pagerduty_counts_characters(void **state)
{
    (void)state;
    for (size_t wide = 0; wide < 2; wide++) {
        for (size_t chars = 1024; chars <= 1025; chars++) {
            const char *one = wide ? "\xe2\x82\xac" : "x";
            char summary[4096] = "", text[4096 + 256], line[NOTICE_LINE_BYTES];
            for (size_t i = 0; i < chars; i++) {
                memcpy(summary + i * strlen(one), one, strlen(one) + 1);
            }
            snprintf(text, sizeof(text), PAGE("trigger", PAYLOAD("%s", "b", "info")), summary);
            assert_int_equal(read_text(NOTICE_PAGERDUTY, text, line), chars == 1024);
            if (chars > 1024) {
                assert_string_equal(line, "'payload.summary' is too long");
            }
        }
    }
}

static void test_webhook(void **state)
{
    (void)state;
    assert_line(NOTICE_WEBHOOK,
                "{\"version\":\"4\",\"status\":\"firing\",\"receiver\":\"Watchdog\",\"alerts\":[{"
                "\"labels\":{\"alertname\":\"W\"},\"annotations\":{\"summary\":\"all is well\"}}]}",
                true, "webhook of Watchdog: firing W all is well");
    assert_line(NOTICE_WEBHOOK, "{\"version\":4}", false, "\"version\" must be \"4\"");
    assert_line(NOTICE_WEBHOOK, "{\"version\":\"4\",\"status\":\"maybe\"}", false,
                "\"status\" must be firing or resolved");
    assert_line(NOTICE_WEBHOOK, "{\"version\":\"4\",\"status\":\"firing\"}", false,
                "\"receiver\" is missing");
    assert_line(NOTICE_WEBHOOK,
                "{\"version\":\"4\",\"status\":\"firing\",\"receiver\":\"r\",\"alerts\":{}}", false,
                "\"alerts\" has none with an alertname");
}

static void test_a_line_cannot_steer_a_terminal(void **state)
{
    (void)state;
    assert_line(NOTICE_SLACK, "{\"text\":\"a\\u001b[31mb\\u009bc\\u007f\\r\\n  d\\u00e9\"}", true,
                "Slack (the webhook's channel) a [31mb c d\xc3\xa9");
}

static void test_a_long_line_is_cut_between_characters(void **state)
{
    (void)state;
    // Each of these lengths cuts a three-byte character elsewhere.
    for (size_t before = 0; before < 3; before++) {
        char text[2048] = "{\"text\":\"", line[NOTICE_LINE_BYTES];
        size_t n = strlen(text);
        memset(text + n, 'x', before);
        n += before;
        for (size_t i = 0; i < 300; i++, n += 3) {
            memcpy(text + n, "\xe2\x82\xac", 3);
        }
        memcpy(text + n, "\"}", 3);
        assert_true(read_text(NOTICE_SLACK, text, line));
        assert_true(strlen(line) > NOTICE_LINE_BYTES - 8);
        json_t *whole = json_string(line); // NULL unless it is UTF-8
        assert_non_null(whole);
        json_decref(whole);
    }
}

static void test_no_secret_is_shown(void **state)
{
    (void)state;
    char line[NOTICE_LINE_BYTES];
    assert_true(read_text(NOTICE_PAGERDUTY, PAGE("trigger", PAYLOAD("A", "b", "critical")), line));
    assert_null(strstr(line, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slack),
        cmocka_unit_test(test_pagerduty),
        cmocka_unit_test(test_pagerduty_counts_characters),
        cmocka_unit_test(test_webhook),
        cmocka_unit_test(test_a_line_cannot_steer_a_terminal),
        cmocka_unit_test(test_a_long_line_is_cut_between_characters),
        cmocka_unit_test(test_no_secret_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
