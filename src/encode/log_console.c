// The console form of log lines: aligned, coloured on request, safe to print.

#include "encode/log_console.h"

#include <string.h>

#include "base/number.h"
#include "encode/line.h"
#include "encode/log_stack.h"

// SGR codes of ECMA-48: the sixteen colours that every terminal has.
#define RESET "\x1b[0m"
#define DIM "\x1b[2m"
#define BOLD "\x1b[1m"

static const char *level_colour(enum spy_level level)
{
    switch (level) {
    case SPY_LEVEL_DEBUG:
        return "\x1b[2m";
    case SPY_LEVEL_WARN:
        return "\x1b[33m";
    case SPY_LEVEL_ERROR:
        return "\x1b[31m";
    default:
        return "\x1b[32m";
    }
}

// A colour's code, or a level's name: short, and from the slack.
static char *put_short(char *at, const char *s)
{
    size_t n = strlen(s);
    memcpy(at, s, n);
    return at + n;
}

static char *colour(char *at, const struct spy__log_style *style, const char *code)
{
    return style->colour ? put_short(at, code) : at;
}

// JSON's escapes, and those of the control characters that JSON lets pass: DEL, and C1 (U+0080 to
// U+009F, which is C2 80 to C2 9F in UTF-8).
static char *put_safe(struct spy__line *l, char *at, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i], next = i + 1 < n ? (unsigned char)s[i + 1] : 0;
        bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (c != 0x7f && !c1) {
            continue;
        }
        at = spy__line_escape(l, at, s + from, i - from);
        i += c1;
        c = (unsigned char)s[i];
        at = SPY__LINE_LITERAL(at, "\\u00");
        *at++ = "0123456789abcdef"[c >> 4];
        *at++ = "0123456789abcdef"[c & 15];
        from = i + 1;
    }
    return spy__line_escape(l, at, s + from, n - from);
}

// Whether the text reads well without quotes.
static bool is_plain(const char *s, size_t n)
{
    for (size_t i = spy__is_plain_ascii(s, n) ? n : 0; i < n; i++) {
        char c = s[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return n > 0;
}

static char *put_text(struct spy__line *l, char *at, const char *s, size_t n)
{
    if (is_plain(s, n)) {
        return spy__line_put(l, at, s, n);
    }
    at = SPY__LINE_LITERAL(at, "\"");
    at = put_safe(l, at, s, n);
    return SPY__LINE_LITERAL(at, "\"");
}

static char *put_value(struct spy__line *l, char *at, const struct spy_field *field)
{
    at = spy__line_room(l, at, SPY__NUMBER_MAX);
    switch ((int)field->type) {
    case SPY_FIELD_INT:
        return at + spy__i64_print(at, field->value.i);
    case SPY_FIELD_UINT:
        return at + spy__u64_print(at, field->value.u);
    case SPY_FIELD_DOUBLE:
        return at + spy__double_print(at, field->value.d);
    case SPY_FIELD_BOOL:
        return field->value.b ? SPY__LINE_LITERAL(at, "true") : SPY__LINE_LITERAL(at, "false");
    case SPY_FIELD_STR:
        return put_text(l, at, field->value.s, field->len);
    case SPY_FIELD_ADDRS:
    case SPY__FIELD_FRAMES:
        spy__encode_stack_text(spy__line_lend(l, at), field);
        return spy__line_take(l);
    case SPY_FIELD_NONE:
        break;
    }
    return at;
}

static char *put_pair(struct spy__line *l, char *at, const struct spy__log_style *style,
                      const struct spy_field *field)
{
    at = SPY__LINE_LITERAL(at, " ");
    at = colour(at, style, DIM);
    at = put_text(l, at, field->key, strlen(field->key));
    at = SPY__LINE_LITERAL(at, "=");
    at = colour(at, style, RESET);
    return put_value(l, at, field);
}

static char *put_head(struct spy__line *l, char *at, const struct spy__log_style *style,
                      const struct spy__record *record)
{
    const char *level = spy__level_name(record->level);
    char time[SPY__TIME_LEN];
    spy__time_print(time, record->time_ns);
    at = colour(at, style, DIM);
    memcpy(at, time + 11, 15); // HH:MM:SS.ffffff
    at = colour(at + 15, style, RESET);
    *at++ = ' ';
    at = put_short(colour(at, style, level_colour(record->level)), level);
    at = put_short(at, strlen(level) < 5 ? "  " : " "); // levels have four or five letters
    at = colour(at, style, RESET);
    at = colour(at, style, BOLD);
    at = put_text(l, at, record->event, strlen(record->event));
    return colour(at, style, RESET);
}

static char *put_hex_id(struct spy__line *l, char *at, const struct spy__log_style *style,
                        const char *key, uint64_t hi, uint64_t lo, size_t n)
{
    char hex[32];
    spy__line_hex(spy__line_hex(hex, hi), lo);
    struct spy_field id = spy_strn(key, hex + 32 - n, n);
    return put_pair(l, at, style, &id);
}

static char *put_ids(struct spy__line *l, char *at, const struct spy__log_style *style,
                     const struct spy__record *record)
{
    if (record->correlation_id[0]) {
        struct spy_field id = spy_str("correlation_id", record->correlation_id);
        at = put_pair(l, at, style, &id);
    }
    if (record->trace_hi | record->trace_lo) {
        at = put_hex_id(l, at, style, "trace_id", record->trace_hi, record->trace_lo, 32);
    }
    if (record->span_id) {
        at = put_hex_id(l, at, style, "span_id", 0, record->span_id, 16);
    }
    return at;
}

void spy__encode_log_console(struct spy__buf *out, const struct spy__record *record,
                             const void *arg)
{
    const struct spy__log_style *style = arg;
    struct spy__line l;
    char *at = put_head(&l, spy__line_begin(&l, out), style, record);
    if (record->module || record->field_count > 0 || record->correlation_id[0] ||
        (record->trace_hi | record->trace_lo | record->span_id)) {
        *at++ = ' ';
    }
    if (record->module) {
        struct spy_field logger = spy_str("logger", record->module);
        at = put_pair(&l, at, style, &logger);
    }
    for (size_t i = 0; i < record->field_count; i++) {
        at = put_pair(&l, at, style, &record->fields[i]);
    }
    at = put_ids(&l, at, style, record);
    if (record->recovered) {
        at = SPY__LINE_LITERAL(spy__line_room(&l, at, 0), " recovered=true");
    }
    spy__line_end(&l, at);
}
