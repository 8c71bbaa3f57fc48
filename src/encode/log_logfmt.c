#include "encode/log_logfmt.h"

#include <string.h>

#include "base/number.h"
#include "base/utf8.h"
#include "encode/log_stack.h"

// Bytes of the character at s that may stand in a key, and in a value without quotes; 0 where it may
// not. go-logfmt's reader takes no quote of either kind there; U+FFFD is its mark of an error.
static size_t plain_char(const char *s, size_t n)
{
    unsigned char c = (unsigned char)s[0];
    if (c < 0x80) {
        return c > ' ' && c < 0x7f && c != '=' && c != '"' && c != '\'';
    }
    size_t len = spy__utf8_char((const unsigned char *)s, n);
    return len == 3 && memcmp(s, "\xef\xbf\xbd", 3) == 0 ? 0 : len;
}

static bool is_plain(const char *s, size_t n)
{
    if (n == 0 || (n == 4 && memcmp(s, "null", 4) == 0)) {
        return false;
    }
    if (spy__is_plain_ascii(s, n)) {
        return true;
    }
    for (size_t i = 0, len; i < n; i += len) {
        len = plain_char(s + i, n - i);
        if (len == 0) {
            return false;
        }
    }
    return true;
}

char *spy__logfmt_value(struct spy__line *l, char *at, const char *s, size_t n)
{
    if (is_plain(s, n)) {
        return spy__line_put(l, at, s, n);
    }
    at = SPY__LINE_LITERAL(at, "\"");
    at = spy__line_escape(l, at, s, n);
    return SPY__LINE_LITERAL(at, "\"");
}

static char *end_key(char *at, const char *key)
{
    return spy__key_is_reserved(key) ? SPY__LINE_LITERAL(at, "_=") : SPY__LINE_LITERAL(at, "=");
}

static char *put_key(struct spy__line *l, char *at, const char *key)
{
    size_t n = strlen(key);
    *at++ = ' ';
    at = spy__line_room(l, at, n);
    if (spy__is_plain_ascii(key, n) && !l->out->failed) {
        memcpy(at, key, n);
        return end_key(at + n, key);
    }
    for (size_t i = 0; i < n && !l->out->failed;) {
        size_t len = plain_char(key + i, n - i);
        if (len <= 1) {
            *at++ = len ? key[i] : '_';
            i++;
            continue;
        }
        memcpy(at, key + i, len);
        at += len;
        i += len;
    }
    return end_key(at, key);
}

// In quotes; the few characters that would need an escape there are none of a name's own.
static char *put_stack(struct spy__line *l, char *at, const struct spy_field *field)
{
    struct spy__buf *out = spy__line_lend(l, SPY__LINE_LITERAL(at, "\""));
    size_t from = out->len;
    spy__encode_stack_text(out, field);
    for (size_t i = from; !out->failed && i < out->len; i++) {
        char c = out->bytes[i];
        out->bytes[i] = c == '"' ? '\'' : c == '\\' ? '/' : c;
    }
    at = spy__line_take(l);
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
        return spy__logfmt_value(l, at, field->value.s, field->len);
    case SPY_FIELD_ADDRS:
    case SPY__FIELD_FRAMES:
        return put_stack(l, at, field);
    case SPY_FIELD_NONE:
        break;
    }
    return SPY__LINE_LITERAL(at, "null");
}

static char *put_ids(struct spy__line *l, char *at, const struct spy__record *record)
{
    if (record->correlation_id[0]) {
        at = SPY__LINE_LITERAL(at, " correlation_id=");
        at = spy__logfmt_value(l, at, record->correlation_id, strlen(record->correlation_id));
    }
    at = spy__line_room(l, at, 96);
    if (record->trace_hi | record->trace_lo) {
        at = SPY__LINE_LITERAL(at, " trace_id=");
        at = spy__line_hex(spy__line_hex(at, record->trace_hi), record->trace_lo);
    }
    if (record->span_id) {
        at = SPY__LINE_LITERAL(at, " span_id=");
        at = spy__line_hex(at, record->span_id);
    }
    return at;
}

static char *put_record_id(char *at, const struct spy__record *record)
{
    if (record->id.run != 0) {
        at = spy__line_id(SPY__LINE_LITERAL(at, " record_id="), &record->id);
    }
    return record->recovered ? SPY__LINE_LITERAL(at, " recovered=true") : at;
}

void spy__encode_log_logfmt(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    const struct spy__log_style *style = arg;
    struct spy__line l;
    char *at = SPY__LINE_LITERAL(spy__line_begin(&l, out), "timestamp=");
    spy__time_print(at, record->time_ns);
    at = SPY__LINE_LITERAL(at + SPY__TIME_LEN, " level=");
    at = spy__line_puts(&l, at, spy__level_name(record->level));
    at = SPY__LINE_LITERAL(at, " event=");
    at = spy__logfmt_value(&l, at, record->event, strlen(record->event));
    if (record->module && record->module[0]) {
        at = SPY__LINE_LITERAL(at, " logger=");
        at = spy__logfmt_value(&l, at, record->module, strlen(record->module));
    }
    at = spy__line_put(&l, at, style->logfmt, style->logfmt_len);
    at = put_ids(&l, at, record);
    for (size_t i = 0; i < record->field_count; i++) {
        at = put_key(&l, at, record->fields[i].key);
        at = put_value(&l, at, &record->fields[i]);
    }
    at = put_record_id(spy__line_room(&l, at, 0), record);
    spy__line_end(&l, at);
}
