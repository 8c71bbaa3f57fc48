// Forms: https://api.slack.com/reference/messaging/payload,
// https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config (version 4).

#include "tools/notice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// PagerDuty's own limit of a summary, in characters.
#define SUMMARY_CHARS_MAX 1024

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_one_of(const char *text, const char *const values[])
{
    for (; *values; values++) {
        if (strcmp(text, *values) == 0) {
            return true;
        }
    }
    return false;
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

// C0 and C1 of Unicode: bytes of the control character at c, or 0.
static size_t control_bytes(const char *c)
{
    const unsigned char *u = (const unsigned char *)c;
    if (u[0] < ' ' || u[0] == 0x7f) {
        return 1;
    }
    return u[0] == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0 ? 2 : 0;
}

// Where the last character begins without being whole, its bytes do not count.
static size_t whole_characters(const char *line, size_t n)
{
    size_t start = n;
    while (start > 0 && ((unsigned char)line[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    unsigned char first = start > 0 ? (unsigned char)line[start - 1] : 0;
    size_t following = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    return n - start < following ? start - 1 : n;
}

// A terminal shows the line: what would steer it becomes a space, and runs of spaces one.
static void make_plain(char *line)
{
    size_t n = 0;
    for (const char *c = line; *c;) {
        size_t control = control_bytes(c);
        char kept = control > 0 ? ' ' : *c;
        if (kept != ' ' || (n > 0 && line[n - 1] != ' ')) {
            line[n++] = kept;
        }
        c += control > 0 ? control : 1;
    }
    n = whole_characters(line, n);
    while (n > 0 && line[n - 1] == ' ') {
        n--;
    }
    line[n] = '\0';
}

__attribute__((format(printf, 2, 3))) static void say(char *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(line, NOTICE_LINE_BYTES, format, args);
    va_end(args);
    make_plain(line);
}

// Slack refuses a message that shows nothing.
static bool read_slack(const json_t *body, char *line)
{
    const json_t *attachment = json_array_get(json_object_get(body, "attachments"), 0);
    const char *title = text_of(attachment, "title"), *channel = text_of(body, "channel");
    const char *text = *text_of(body, "text") ? text_of(body, "text") : text_of(attachment, "text");
    if (!*title && !*text && !*text_of(attachment, "fallback")) {
        say(line, "no_text: neither a text nor an attachment with one");
        return false;
    }
    say(line, "Slack %s %s %s", *channel ? channel : "(the webhook's channel)", title, text);
    return true;
}

static bool read_pagerduty(const json_t *body, char *line)
{
    static const char *const actions[] = { "trigger", "acknowledge", "resolve", NULL };
    static const char *const severities[] = { "critical", "error", "warning", "info", NULL };
    const json_t *payload = json_object_get(body, "payload");
    const char *action = text_of(body, "event_action"), *summary = text_of(payload, "summary");
    bool triggers = strcmp(action, "trigger") == 0;
    const char *problem = NULL;

    if (!*text_of(body, "routing_key")) {
        problem = "'routing_key' is missing or blank";
    } else if (!is_one_of(action, actions)) {
        problem = "'event_action' must be trigger, acknowledge or resolve";
    } else if (!triggers && !*text_of(body, "dedup_key")) {
        problem = "'dedup_key' is missing or blank";
    } else if (triggers && !*summary) {
        problem = "'payload.summary' is missing or blank";
    } else if (triggers && characters(summary) > SUMMARY_CHARS_MAX) {
        problem = "'payload.summary' is too long";
    } else if (triggers && !*text_of(payload, "source")) {
        problem = "'payload.source' is missing or blank";
    } else if (triggers && !is_one_of(text_of(payload, "severity"), severities)) {
        problem = "'payload.severity' must be critical, error, warning or info";
    }
    if (problem) {
        say(line, "%s", problem);
    } else {
        say(line, "PagerDuty %s %s %s", action, text_of(payload, "severity"), summary);
    }
    return !problem;
}

static bool read_webhook(const json_t *body, char *line)
{
    static const char *const statuses[] = { "firing", "resolved", NULL };
    const json_t *alerts = json_object_get(body, "alerts");
    const json_t *first = json_array_get(alerts, 0);
    const char *name = text_of(json_object_get(first, "labels"), "alertname");
    const char *problem = NULL;

    if (strcmp(text_of(body, "version"), "4") != 0) {
        problem = "\"version\" must be \"4\"";
    } else if (!is_one_of(text_of(body, "status"), statuses)) {
        problem = "\"status\" must be firing or resolved";
    } else if (!*text_of(body, "receiver")) {
        problem = "\"receiver\" is missing";
    } else if (!*name) {
        problem = "\"alerts\" has none with an alertname";
    }
    if (problem) {
        say(line, "%s", problem);
    } else {
        say(line, "webhook of %s: %s %s %s", text_of(body, "receiver"), text_of(body, "status"),
            name, text_of(json_object_get(first, "annotations"), "summary"));
    }
    return !problem;
}

bool notice_read(enum notice_kind kind, const json_t *body, char line[NOTICE_LINE_BYTES])
{
    if (!json_is_object(body)) {
        say(line, "the body is not a JSON object");
        return false;
    }
    switch (kind) {
    case NOTICE_SLACK:
        return read_slack(body, line);
    case NOTICE_PAGERDUTY:
        return read_pagerduty(body, line);
    default:
        return read_webhook(body, line);
    }
}
