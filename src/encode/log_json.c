// The JSON form of log lines; keys in the order of the header.

#include "encode/log_json.h"

#include <string.h>

#include "base/number.h"
#include "encode/line.h"
#include "encode/log_stack.h"

// What stands between a line's time and its event.
static const struct level {
    char text[32];
    unsigned char len;
} levels[] = {
#define LEVEL(name)                                                                                \
    {                                                                                              \
        "\",\"level\":\"" name "\",\"event\":\"",                                                  \
            sizeof("\",\"level\":\"" name "\",\"event\":\"") - 1                                   \
    }
    [SPY_LEVEL_DEFAULT] = LEVEL("default"), [SPY_LEVEL_DEBUG] = LEVEL("debug"),
    [SPY_LEVEL_INFO] = LEVEL("info"),       [SPY_LEVEL_WARN] = LEVEL("warn"),
    [SPY_LEVEL_ERROR] = LEVEL("error"),     [SPY_LEVEL_OFF] = LEVEL("off"),
#undef LEVEL
};

static char *put_head(char *at, const struct spy__record *record)
{
    const struct level *level = &levels[record->level <= SPY_LEVEL_OFF ? record->level : 0];
    at = SPY__LINE_LITERAL(at, "{\"timestamp\":\"");
    spy__time_print(at, record->time_ns);
    memcpy(at + SPY__TIME_LEN, level->text, sizeof(level->text));
    return at + SPY__TIME_LEN + level->len;
}

// Writes what stands before a field's value, and keeps it with the key.
static __attribute__((noinline)) char *make_key(struct spy__line *l, char *at, const char *text,
                                                struct spy__key *key)
{
    const size_t before = l->out->failed ? 0 : (size_t)(at - l->out->bytes);
    at = SPY__LINE_LITERAL(at, ",\"");
    at = spy__line_escape(l, at, text, strlen(text));
    at = spy__key_is_reserved(text) ? SPY__LINE_LITERAL(at, "_\":") : SPY__LINE_LITERAL(at, "\":");
    if (key && !l->out->failed) {
        size_t n = (size_t)(at - l->out->bytes) - before;
        if (n <= sizeof(key->json)) {
            memcpy(key->json, l->out->bytes + before, n);
            key->json_bytes = (uint8_t)n;
        }
    }
    return at;
}

static inline char *put_key(struct spy__line *l, char *at, const struct spy__record *record,
                            size_t i)
{
    struct spy__key *key = record->keys ? record->keys[i] : NULL;
    if (key && key->json_bytes > 0) {
        memcpy(at, key->json, sizeof(key->json));
        return at + key->json_bytes;
    }
    return make_key(l, at, record->fields[i].key, key);
}

// The number and the bool take their room from the slack: they are shorter.
static char *put_value(struct spy__line *l, char *at, const struct spy_field *field)
{
    at = spy__line_room(l, at, SPY__NUMBER_MAX);
    switch ((int)field->type) {
    case SPY_FIELD_INT:
        return at + spy__i64_print(at, field->value.i);
    case SPY_FIELD_UINT:
        return at + spy__u64_print(at, field->value.u);
    case SPY_FIELD_DOUBLE:
        return at + spy__double_print_json(at, field->value.d);
    case SPY_FIELD_BOOL:
        return field->value.b ? SPY__LINE_LITERAL(at, "true") : SPY__LINE_LITERAL(at, "false");
    case SPY_FIELD_STR:
        at = SPY__LINE_LITERAL(at, "\"");
        at = spy__line_escape(l, at, field->value.s, field->len);
        return SPY__LINE_LITERAL(at, "\"");
    case SPY_FIELD_ADDRS:
    case SPY__FIELD_FRAMES:
        spy__encode_stack_json(spy__line_lend(l, at), field);
        return spy__line_take(l);
    case SPY_FIELD_NONE:
        break;
    }
    return SPY__LINE_LITERAL(at, "null");
}

static char *put_ids(struct spy__line *l, char *at, const struct spy__record *record)
{
    if (record->correlation_id[0]) {
        at = SPY__LINE_LITERAL(at, ",\"correlation_id\":\"");
        at = spy__line_escape(l, at, record->correlation_id, strlen(record->correlation_id));
        at = SPY__LINE_LITERAL(at, "\"");
    }
    at = spy__line_room(l, at, 96);
    if (record->trace_hi | record->trace_lo) {
        at = SPY__LINE_LITERAL(at, ",\"trace_id\":\"");
        at = spy__line_hex(spy__line_hex(at, record->trace_hi), record->trace_lo);
        at = SPY__LINE_LITERAL(at, "\"");
    }
    if (record->span_id) {
        at = SPY__LINE_LITERAL(at, ",\"span_id\":\"");
        at = spy__line_hex(at, record->span_id);
        at = SPY__LINE_LITERAL(at, "\"");
    }
    return at;
}

// Which record it is, where it may come again; and that it has.
static char *put_record_id(char *at, const struct spy__record *record)
{
    if (record->id.run != 0) {
        at = SPY__LINE_LITERAL(at, ",\"record_id\":\"");
        at = SPY__LINE_LITERAL(spy__line_id(at, &record->id), "\"");
    }
    return record->recovered ? SPY__LINE_LITERAL(at, ",\"recovered\":true") : at;
}

void spy__encode_log_json(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    const struct spy__log_style *style = arg;
    struct spy__line l;
    char *at = put_head(spy__line_begin(&l, out), record);
    at = spy__line_escape(&l, at, record->event, strlen(record->event));
    if (record->module && record->module[0]) {
        at = SPY__LINE_LITERAL(at, "\",\"logger\":\"");
        at = spy__line_escape(&l, at, record->module, strlen(record->module));
    }
    at = SPY__LINE_LITERAL(at, "\"");
    at = spy__line_put(&l, at, style->json, style->json_len);
    at = put_ids(&l, at, record);
    for (size_t i = 0; i < record->field_count; i++) {
        at = put_key(&l, at, record, i);
        at = put_value(&l, at, &record->fields[i]);
    }
    at = put_record_id(spy__line_room(&l, at, 0), record);
    at = SPY__LINE_LITERAL(at, "}");
    spy__line_end(&l, at);
}
