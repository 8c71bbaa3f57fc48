// The console form of log lines: aligned, coloured on request, safe to print.

#include "encode/log_console.h"

#include <string.h>

#include "base/ids.h"
#include "base/json.h"
#include "base/number.h"
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

static void colour(struct spy__buf *out, const struct spy__log_style *style, const char *code)
{
    if (style->colour) {
        spy__buf_puts(out, code);
    }
}

// JSON's escapes, and those of the control characters that JSON lets pass: DEL, and C1 (U+0080 to
// U+009F, which is C2 80 to C2 9F in UTF-8).
static void put_safe(struct spy__buf *out, const char *s, size_t n)
{
    static const char hex[16] = "0123456789abcdef";
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i], next = i + 1 < n ? (unsigned char)s[i + 1] : 0;
        bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (c != 0x7f && !c1) {
            continue;
        }
        spy__json_escape(out, s + from, i - from);
        i += c1;
        c = (unsigned char)s[i];
        const char code[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        spy__buf_put(out, code, sizeof(code));
        from = i + 1;
    }
    spy__json_escape(out, s + from, n - from);
}

// Whether the text reads well without quotes.
static bool is_plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return n > 0;
}

static void put_text(struct spy__buf *out, const char *s, size_t n)
{
    if (is_plain(s, n)) {
        spy__buf_put(out, s, n);
        return;
    }
    spy__buf_putc(out, '"');
    put_safe(out, s, n);
    spy__buf_putc(out, '"');
}

static void put_value(struct spy__buf *out, const struct spy_field *field)
{
    char number[SPY__NUMBER_MAX];
    switch ((int)field->type) {
    case SPY_FIELD_INT:
        spy__buf_put(out, number, spy__i64_print(number, field->value.i));
        break;
    case SPY_FIELD_UINT:
        spy__buf_put(out, number, spy__u64_print(number, field->value.u));
        break;
    case SPY_FIELD_DOUBLE:
        spy__buf_put(out, number, spy__double_print(number, field->value.d));
        break;
    case SPY_FIELD_BOOL:
        spy__buf_puts(out, field->value.b ? "true" : "false");
        break;
    case SPY_FIELD_STR:
        put_text(out, field->value.s, field->len);
        break;
    case SPY_FIELD_ADDRS:
    case SPY__FIELD_FRAMES:
        spy__encode_stack_text(out, field);
        break;
    case SPY_FIELD_NONE:
        break;
    }
}

static void put_pair(struct spy__buf *out, const struct spy__log_style *style,
                     const struct spy_field *field)
{
    spy__buf_putc(out, ' ');
    colour(out, style, DIM);
    put_text(out, field->key, strlen(field->key));
    spy__buf_putc(out, '=');
    colour(out, style, RESET);
    put_value(out, field);
}

void spy__encode_log_console(struct spy__buf *out, const struct spy__record *record,
                             const void *arg)
{
    const struct spy__log_style *style = arg;
    char stamp[32];
    struct spy__buf text;
    spy__buf_init_fixed(&text, stamp, sizeof(stamp));
    spy__encode_time(&text, record->time_ns);
    const char *level = spy__level_name(record->level);

    colour(out, style, DIM);
    spy__buf_put(out, stamp + 11, 15); // HH:MM:SS.ffffff
    colour(out, style, RESET);
    spy__buf_putc(out, ' ');
    colour(out, style, level_colour(record->level));
    spy__buf_puts(out, level);
    spy__buf_put(out, "  ", 6 - strlen(level)); // levels have four or five letters
    colour(out, style, RESET);
    colour(out, style, BOLD);
    put_text(out, record->event, strlen(record->event));
    colour(out, style, RESET);
    if (record->module || record->field_count > 0 || record->correlation_id[0]) {
        spy__buf_putc(out, ' ');
    }
    if (record->module) {
        struct spy_field logger = spy_str("logger", record->module);
        put_pair(out, style, &logger);
    }
    for (size_t i = 0; i < record->field_count; i++) {
        put_pair(out, style, &record->fields[i]);
    }
    if (record->correlation_id[0]) {
        struct spy_field id = spy_str("correlation_id", record->correlation_id);
        put_pair(out, style, &id);
    }
    spy__buf_putc(out, '\n');
}
