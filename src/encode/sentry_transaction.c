// Fields of a span are its operation's labels, then what is known by name (op, error_type, message),
// then attributes. The bound fields of a request stand before a root's labels, and become tags.

#include "encode/sentry_transaction.h"

#include <string.h>

#include "base/trace_lists.h"
#include "encode/line.h"
#include "encode/sentry_common.h"
#include "encode/sentry_crumb.h"
#include "encode/sentry_request.h"
#include "encode/value.h"

#define VALUE_BYTES_MAX 1024u // of one field
#define DESCRIPTION_BYTES_MAX 200u
#define FIXED_BYTES_MAX 256u // see put_fixed(): 225

static bool is_text(const struct spy_field *field)
{
    return field->type == SPY_FIELD_STR;
}

static bool is_called(const struct spy_field *field, const char *key)
{
    return strcmp(field->key, key) == 0;
}

// The text where it is one of these words.
static bool is_word(const struct spy_field *field, const char *word)
{
    return field && field->len == strlen(word) && memcmp(field->value.s, word, field->len) == 0;
}

// ---- op and status

static void put_op(struct spy__json *j, const struct spy__record *span)
{
    const struct spy_field *op = spy__record_text(span, SPY__SPAN_OP);
    spy__json_key(j, "op");
    if (op) {
        spy__json_strn(j, op->value.s, op->len);
    } else {
        spy__json_str(j, span->event);
    }
}

static int http_status(const struct spy__record *span)
{
    const struct spy_field *status = spy__record_text(span, "status");
    int n = 0;
    if (!status || status->len != 3) {
        return 0;
    }
    for (size_t i = 0; i < 3; i++) {
        char c = status->value.s[i];
        if (c < '0' || c > '9') {
            return 0;
        }
        n = n * 10 + (c - '0');
    }
    return n;
}

// https://develop.sentry.dev/sdk/telemetry/traces/opentelemetry/#span-status has this table.
static const char *status_of_http(int status)
{
    static const struct {
        int status;
        const char *word;
    } words[] = { { 400, "invalid_argument" },  { 401, "unauthenticated" },
                  { 403, "permission_denied" }, { 404, "not_found" },
                  { 409, "already_exists" },    { 412, "failed_precondition" },
                  { 416, "out_of_range" },      { 429, "resource_exhausted" },
                  { 499, "cancelled" },         { 501, "unimplemented" },
                  { 503, "unavailable" },       { 504, "deadline_exceeded" } };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (words[i].status == status) {
            return words[i].word;
        }
    }
    return status < 400 ? "ok" : status < 500 ? "invalid_argument" : "internal_error";
}

static const char *status_of_error(const struct spy_field *error_type)
{
    static const struct {
        const char *error_type, *word;
    } words[] = { { "timeout", "deadline_exceeded" },
                  { "refused", "unavailable" },
                  { "rejected", "failed_precondition" },
                  { "cancelled", "cancelled" },
                  { "status_429", "resource_exhausted" } };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_word(error_type, words[i].error_type)) {
            return words[i].word;
        }
    }
    return "internal_error";
}

static void put_status(struct spy__json *j, const struct spy__record *span)
{
    const struct spy_field *error_type = spy__record_text(span, "error_type");
    int http = http_status(span);
    spy__json_key(j, "status");
    spy__json_str(j, http ? status_of_http(http) : error_type ? status_of_error(error_type) : "ok");
}

// ---- names

static bool is_request(const struct spy__record *root)
{
    return spy__record_text(root, "method") && spy__record_text(root, "route");
}

void spy__sentry_put_transaction_name(struct spy__buf *out, const struct spy__record *root)
{
    if (!is_request(root)) {
        spy__buf_puts(out, root->event);
        return;
    }
    const struct spy_field *method = spy__record_text(root, "method"),
                           *route = spy__record_text(root, "route");
    spy__buf_put(out, method->value.s, method->len);
    spy__buf_puts(out, " ");
    spy__buf_put(out, route->value.s, route->len);
}

static void put_name(struct spy__json *j, const struct spy__record *root)
{
    char storage[SPY__SENTRY_TRANSACTION_NAME_MAX];
    struct spy__buf name;
    spy__buf_init_fixed(&name, storage, sizeof(storage));
    spy__sentry_put_transaction_name(&name, root);
    spy__json_key(j, "transaction");
    if (name.failed) {
        spy__json_str(j, root->event);
    } else {
        spy__json_strn(j, name.bytes, name.len);
    }
    spy__json_key(j, "transaction_info");
    spy__json_object(j);
    spy__json_key(j, "source");
    spy__json_str(j, is_request(root) ? "route" : "task");
    spy__json_object_end(j);
}

// Known by its key, or an attribute: those have dotted keys.
static bool is_label(const struct spy_field *field)
{
    return !strchr(field->key, '.') && !is_called(field, SPY__SPAN_OP) &&
           !is_called(field, "error_type") && !is_called(field, "message");
}

// "select memes", "llm chat_completion": what the labels say.
static void put_description(struct spy__json *j, const struct spy__record *span)
{
    char text[DESCRIPTION_BYTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < span->field_count; i++) {
        const struct spy_field *field = &span->fields[i];
        if (!is_label(field) || !is_text(field) || field->len == 0 ||
            n + 1 + field->len > sizeof(text)) {
            continue;
        }
        if (n > 0) {
            text[n++] = ' ';
        }
        memcpy(text + n, field->value.s, field->len);
        n += field->len;
    }
    spy__json_key(j, "description");
    if (n > 0) {
        spy__json_strn(j, text, n);
    } else {
        spy__json_str(j, span->event);
    }
}

// ---- data

// Sentry's names for what we call otherwise
// (https://getsentry.github.io/sentry-conventions/attributes/).
static const char *data_key(const struct spy_field *field)
{
    return is_called(field, "error_type") ? "error.type"
           : is_called(field, "message")  ? "error.message"
           : is_called(field, "method")   ? "http.request.method"
           : is_called(field, "route")    ? "http.route"
           : is_called(field, "path")     ? "url.path"
                                          : field->key;
}

// A root has what is bound in its context and the labels: where both are called the same, the last
// one counts.
static bool is_repeated(const struct spy__record *span, size_t i)
{
    for (size_t k = i + 1; k < span->field_count; k++) {
        if (is_called(&span->fields[k], span->fields[i].key)) {
            return true;
        }
    }
    return false;
}

static void put_data(struct spy__json *j, const struct spy__record *span)
{
    int http = http_status(span);
    spy__json_key(j, "data");
    spy__json_object(j);
    for (size_t i = 0; i < span->field_count; i++) {
        const struct spy_field *field = &span->fields[i];
        if (is_repeated(span, i) || is_called(field, SPY__SPAN_OP) ||
            is_called(field, "sentry_baggage") || is_called(field, SPY__SPAN_TASK) ||
            (http && is_called(field, "status")) || field->type == SPY_FIELD_ADDRS ||
            spy__is_request_detail(field)) {
            continue;
        }
        spy__json_key(j, data_key(field));
        spy__encode_value(j, field, VALUE_BYTES_MAX);
    }
    if (http) {
        spy__json_key(j, "http.response.status_code");
        spy__json_i64(j, http);
    }
}

// ---- the transaction

static void put_trace(struct spy__json *j, const struct spy__sentry_transaction *t)
{
    const struct spy__record *root = t->root;
    spy__json_key(j, "trace");
    spy__json_object(j);
    spy__json_key(j, "trace_id");
    spy__sentry_put_id(j, root->trace_hi, root->trace_lo);
    spy__json_key(j, "span_id");
    spy__sentry_put_span_id(j, root->span_id);
    if (root->parent_id) {
        spy__json_key(j, "parent_span_id");
        spy__sentry_put_span_id(j, root->parent_id);
    }
    put_op(j, root);
    put_status(j, root);
    spy__json_key(j, "origin");
    spy__json_str(j, "auto.spyglass");
    put_data(j, root);
    if (t->lost > 0) {
        spy__json_key(j, "spyglass.spans_lost");
        spy__json_u64(j, t->lost);
    }
    if (t->flamegraph) {
        spy__json_key(j, "spyglass.flamegraph");
        spy__json_str(j, t->flamegraph);
    }
    spy__json_object_end(j);
    spy__json_object_end(j);
}

static void put_times(struct spy__json *j, const struct spy__record *span)
{
    spy__json_key(j, "start_timestamp");
    spy__sentry_put_time(j, span->time_ns);
    spy__json_key(j, "timestamp");
    spy__sentry_put_time(j, span->time_ns + span->duration_ns);
}

static void put_tags(struct spy__json *j, const struct spy__sentry_transaction *t)
{
    spy__json_key(j, "tags");
    spy__json_object(j);
    if (t->root->correlation_id[0]) {
        spy__json_key(j, "correlation_id");
        spy__json_str(j, t->root->correlation_id);
    }
    spy__json_key(j, "kept_as");
    spy__json_str(j, t->outcome);
    spy__json_object_end(j);
}

void spy__sentry_transaction_begin(struct spy__json *j, const struct spy__sentry_transaction *t)
{
    spy__json_object(j);
    spy__json_key(j, "event_id");
    spy__sentry_put_id(j, t->event_hi, t->event_lo);
    spy__json_key(j, "type");
    spy__json_str(j, "transaction");
    put_name(j, t->root);
    put_times(j, t->root);
    spy__sentry_put_host(j, t->host);
    spy__json_key(j, "contexts");
    spy__json_object(j);
    put_trace(j, t);
    spy__sentry_put_host_contexts(j, t->host);
    spy__json_object_end(j);
    put_tags(j, t);
    spy__sentry_put_request(j, t->host->machine, t->root);
    spy__sentry_put_user(j, t->root);
    spy__json_key(j, "spans");
    spy__json_array(j);
}

// What every span has, at one go: its ids and times are two thirds of its text.
static void put_fixed(struct spy__json *j, const struct spy__record *span)
{
    char *at = spy__json_members(j, FIXED_BYTES_MAX);
    if (!at) {
        return;
    }
    at = spy__line_hex(SPY__LINE_LITERAL(at, "\"span_id\":\""), span->span_id);
    if (span->parent_id) {
        at = SPY__LINE_LITERAL(at, "\",\"parent_span_id\":\"");
        at = spy__line_hex(at, span->parent_id);
    }
    at = spy__line_hex(SPY__LINE_LITERAL(at, "\",\"trace_id\":\""), span->trace_hi);
    at = spy__line_hex(at, span->trace_lo);
    at = SPY__LINE_LITERAL(at, "\",\"start_timestamp\":\"");
    spy__time_print(at, span->time_ns);
    at = SPY__LINE_LITERAL(at + SPY__TIME_LEN, "\",\"timestamp\":\"");
    spy__time_print(at, span->time_ns + span->duration_ns);
    at = SPY__LINE_LITERAL(at + SPY__TIME_LEN, "\",\"origin\":\"auto.spyglass\"");
    spy__json_members_end(j, at);
}

void spy__sentry_transaction_span(struct spy__json *j, const struct spy__record *span)
{
    spy__json_object(j);
    put_fixed(j, span);
    put_op(j, span);
    put_description(j, span);
    put_status(j, span);
    put_data(j, span);
    spy__json_object_end(j);
    spy__json_object_end(j);
}

void spy__sentry_transaction_end(struct spy__json *j)
{
    spy__json_array_end(j);
    spy__json_object_end(j);
}

// ---- the sampling context

void spy__sentry_put_dsc(struct spy__json *j, const char *members, size_t n)
{
    static const char prefix[] = "sentry-";
    const char *end = members + n;
    spy__json_object(j);
    for (const char *at = members; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = comma ? (size_t)(comma - at) : (size_t)(end - at);
        const char *equals = memchr(at, '=', length);
        size_t key_bytes = equals ? (size_t)(equals - at) : 0;
        char key[64], value[256];
        if (key_bytes >= sizeof(prefix) && key_bytes < sizeof(key) &&
            memcmp(at, prefix, sizeof(prefix) - 1) == 0) {
            memcpy(key, at, key_bytes);
            key[key_bytes] = 0;
            if (spy__baggage_find(value, sizeof(value), key, at, length) >= 0) {
                spy__json_key(j, key + sizeof(prefix) - 1);
                spy__json_str(j, value);
            }
        }
        at += length + (comma != NULL);
    }
    spy__json_object_end(j);
}
