// The parts of an event, in the order in which they are written.
//
// Fields find their way by their keys: what Sentry has a place of its own for goes there; of the
// rest, tags are what may be searched for (short, one line), all else is extra data.

#include "encode/sentry_event.h"

#include "base/utf8.h"
#include "encode/sentry_common.h"
#include "encode/sentry_crumb.h"
#include "encode/sentry_request.h"
#include "encode/value.h"

// Sentry's limits of a tag (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/).
#define TAG_KEY_MAX 32u
#define TAG_VALUE_MAX 200u
#define EXTRA_MAX_BYTES 1024u
// A type, the name of a module: words of the program's own.
#define WORD_MAX_BYTES 256u

static const struct spy_field *find_text(const struct spy__record *record, const char *key)
{
    const struct spy_field *field = spy__record_field(record, key);
    return field && field->type == SPY_FIELD_STR ? field : NULL;
}

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    if (text && text[0]) {
        spy__json_key(j, key);
        spy__json_strn(j, text, spy__utf8_cut(text, strlen(text), WORD_MAX_BYTES));
    }
}

static void put_field(struct spy__json *j, const char *key, const struct spy_field *field)
{
    if (field) {
        spy__json_key(j, key);
        spy__json_strn(j, field->value.s, field->len);
    }
}

// ---- what it is called

static void put_fingerprint(struct spy__json *j, const struct spy__sentry_event *event)
{
    if (!event->fingerprint[0]) {
        return;
    }
    spy__json_key(j, "fingerprint");
    spy__json_array(j);
    for (size_t i = 0; i < 2 && event->fingerprint[i]; i++) {
        spy__json_str(j, event->fingerprint[i]);
    }
    spy__json_array_end(j);
}

// ---- the exception

static struct spy__sentry_stack stack_of(const struct spy__sentry_event *event)
{
    const struct spy_field *field = spy__record_field(event->record, "stack");
    struct spy__sentry_stack stack = { .has_pc = event->fatal };
    if (field && (int)field->type == SPY__FIELD_FRAMES) {
        stack.frames = spy__field_frames(field);
        stack.count = field->len;
    }
    return stack;
}

static void put_signal(struct spy__json *j, const struct spy__sentry_event *event)
{
    spy__json_key(j, "meta");
    spy__json_object(j);
    spy__json_key(j, "signal");
    spy__json_object(j);
    spy__json_key(j, "number");
    spy__json_i64(j, event->signal);
    spy__json_key(j, "code");
    spy__json_i64(j, event->signal_code);
    put_text(j, "name", event->signal_name);
    spy__json_object_end(j);
    spy__json_object_end(j);
}

static void put_mechanism(struct spy__json *j, const struct spy__sentry_event *event)
{
    const struct spy_field *mechanism = find_text(event->record, "mechanism");
    spy__json_key(j, "mechanism");
    spy__json_object(j);
    spy__json_key(j, "type");
    if (mechanism) {
        spy__json_strn(j, mechanism->value.s, mechanism->len);
    } else {
        spy__json_str(j, "generic");
    }
    spy__json_key(j, "handled");
    spy__json_bool(j, !event->fatal);
    if (event->signal != 0) {
        put_signal(j, event);
    }
    spy__json_object_end(j);
}

static void put_exception(struct spy__json *j, const struct spy__sentry_event *event)
{
    const struct spy__sentry_stack stack = stack_of(event);
    spy__json_key(j, "exception");
    spy__json_object(j);
    spy__json_key(j, "values");
    spy__json_array(j);
    spy__json_object(j);
    put_text(j, "type", event->record->event);
    put_field(j, "value", find_text(event->record, "message"));
    put_mechanism(j, event);
    for (size_t i = 0; i < event->thread_count; i++) {
        if (event->threads[i].crashed) {
            spy__json_key(j, "thread_id");
            spy__json_u64(j, event->threads[i].id);
            break;
        }
    }
    if (stack.count > 0) {
        spy__json_key(j, "stacktrace");
        spy__sentry_put_stack(j, &stack);
    }
    spy__json_object_end(j);
    spy__json_array_end(j);
    spy__json_object_end(j);
}

// ---- threads, images

static void put_threads(struct spy__json *j, const struct spy__sentry_event *event)
{
    spy__json_key(j, "threads");
    spy__json_object(j);
    spy__json_key(j, "values");
    spy__json_array(j);
    for (size_t i = 0; i < event->thread_count; i++) {
        const struct spy__sentry_thread *thread = &event->threads[i];
        spy__json_object(j);
        spy__json_key(j, "id");
        spy__json_u64(j, thread->id);
        put_text(j, "name", thread->name);
        spy__json_key(j, "crashed");
        spy__json_bool(j, thread->crashed);
        spy__json_key(j, "current");
        spy__json_bool(j, thread->crashed);
        // That of the crashed one stands with the exception.
        if (!thread->crashed && thread->stack.count > 0) {
            spy__json_key(j, "stacktrace");
            spy__sentry_put_stack(j, &thread->stack);
        }
        spy__json_object_end(j);
    }
    spy__json_array_end(j);
    spy__json_object_end(j);
}

// The crashed thread's stack, and those of the others.
static void put_images(struct spy__json *j, const struct spy__sentry_event *event)
{
    struct spy__sentry_stack stacks[SPY__SENTRY_THREADS_MAX + 1];
    size_t count = 0;
    stacks[count++] = stack_of(event);
    for (size_t i = 0; i < event->thread_count && i < SPY__SENTRY_THREADS_MAX; i++) {
        stacks[count++] = event->threads[i].stack;
    }
    spy__sentry_put_debug_meta(j, stacks, count);
}

// ---- what led to it

static void put_crumbs(struct spy__json *j, const struct spy__sentry_event *event)
{
    const struct spy__record *crumb =
        event->next_crumb ? event->next_crumb(event->crumb_arg) : NULL;
    if (!crumb) {
        return;
    }
    spy__json_key(j, "breadcrumbs");
    spy__json_object(j);
    spy__json_key(j, "values");
    spy__json_array(j);
    for (unsigned n = 0; crumb && n < SPY__SENTRY_CRUMBS_MAX; n++) {
        spy__sentry_put_crumb(j, crumb);
        crumb = event->next_crumb(event->crumb_arg);
    }
    spy__json_array_end(j);
    spy__json_object_end(j);
}

// ---- the fields

// Fields that have a place of their own.
static bool is_placed(const struct spy_field *field)
{
    static const char *const placed[] = { "message", "mechanism", "stack",  "place",
                                          "user_id", "path",      "method", "fingerprint" };
    for (size_t i = 0; i < sizeof(placed) / sizeof(placed[0]); i++) {
        if (strcmp(field->key, placed[i]) == 0) {
            return true;
        }
    }
    return spy__is_request_detail(field);
}

static bool is_tag_key(const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-");
    return key[n] == '\0' && n > 0 && n <= TAG_KEY_MAX;
}

static bool is_tag(const struct spy_field *field)
{
    switch (field->type) {
    case SPY_FIELD_INT:
    case SPY_FIELD_UINT:
    case SPY_FIELD_BOOL:
        return is_tag_key(field->key);
    case SPY_FIELD_STR:
        return field->len > 0 && field->len <= TAG_VALUE_MAX &&
               !memchr(field->value.s, '\n', field->len) && is_tag_key(field->key);
    default:
        return false;
    }
}

static void put_tags(struct spy__json *j, const struct spy__record *record)
{
    spy__json_key(j, "tags");
    spy__json_object(j);
    put_text(j, "correlation_id", record->correlation_id);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        if (!is_placed(field) && is_tag(field) && strcmp(field->key, "correlation_id") != 0) {
            spy__json_key(j, field->key);
            spy__encode_text(j, field, EXTRA_MAX_BYTES);
        }
    }
    spy__json_object_end(j);
}

static void put_extra(struct spy__json *j, const struct spy__record *record)
{
    spy__json_key(j, "extra");
    spy__json_object(j);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        if (!is_placed(field) && !is_tag(field) && field->type < SPY_FIELD_ADDRS) {
            spy__json_key(j, field->key);
            spy__encode_value(j, field, EXTRA_MAX_BYTES);
        }
    }
    spy__json_object_end(j);
}

// ---- contexts

static const char *op_of(const struct spy__sentry_open *open)
{
    return open->op && open->op[0] ? open->op : open->operation;
}

static void put_parent(struct spy__json *j, const struct spy__sentry_open *open)
{
    if (open->parent_id != 0) {
        spy__json_key(j, "parent_span_id");
        spy__sentry_put_span_id(j, open->parent_id);
    }
}

// What the thread that crashed was in is the trace's span.
static void put_open_span(struct spy__json *j, const struct spy__sentry_event *event)
{
    for (size_t i = 0; i < event->thread_count; i++) {
        const struct spy__sentry_thread *thread = &event->threads[i];
        if (thread->crashed && thread->open_count > 0 &&
            thread->open[0].span_id == event->record->span_id) {
            put_parent(j, &thread->open[0]);
            put_text(j, "op", op_of(&thread->open[0]));
        }
    }
}

static void put_open(struct spy__json *j, const struct spy__sentry_open *open)
{
    spy__json_object(j);
    put_text(j, "operation", open->operation);
    put_text(j, "op", open->op);
    put_text(j, "description", open->detail);
    spy__json_key(j, "span_id");
    spy__sentry_put_span_id(j, open->span_id);
    put_parent(j, open);
    if (open->known) {
        spy__json_key(j, "open_seconds");
        spy__json_double(j, (double)open->open_ns / 1e9);
    }
    spy__json_object_end(j);
}

// What each thread was in, the one that crashed first.
static void put_open_spans(struct spy__json *j, const struct spy__sentry_event *event)
{
    bool any = false;
    for (size_t i = 0; i < event->thread_count; i++) {
        any = any || event->threads[i].open_count > 0;
    }
    if (!any) {
        return;
    }
    spy__json_key(j, "open_spans");
    spy__json_object(j);
    spy__json_key(j, "threads");
    spy__json_array(j);
    for (size_t i = 0; i < event->thread_count; i++) {
        const struct spy__sentry_thread *thread = &event->threads[i];
        if (thread->open_count > 0) {
            spy__json_object(j);
            spy__json_key(j, "thread_id");
            spy__json_u64(j, thread->id);
            put_text(j, "name", thread->name);
            spy__json_key(j, "crashed");
            spy__json_bool(j, thread->crashed);
            spy__json_key(j, "spans");
            spy__json_array(j);
            for (size_t k = 0; k < thread->open_count; k++) {
                put_open(j, &thread->open[k]);
            }
            spy__json_array_end(j);
            spy__json_object_end(j);
        }
    }
    spy__json_array_end(j);
    spy__json_object_end(j);
}

static void put_trace(struct spy__json *j, const struct spy__sentry_event *event)
{
    const struct spy__record *record = event->record;
    if ((record->trace_hi | record->trace_lo) == 0) {
        return;
    }
    spy__json_key(j, "trace");
    spy__json_object(j);
    put_text(j, "type", "trace");
    spy__json_key(j, "trace_id");
    spy__sentry_put_id(j, record->trace_hi, record->trace_lo);
    spy__json_key(j, "span_id");
    // Outside of all spans, an id made up for this event: Sentry wants one.
    spy__sentry_put_span_id(j, record->span_id ? record->span_id : record->event_lo);
    put_open_span(j, event);
    spy__json_object_end(j);
}

static void put_contexts(struct spy__json *j, const struct spy__sentry_event *event)
{
    spy__json_key(j, "contexts");
    spy__json_object(j);
    spy__sentry_put_host_contexts(j, event->host);
    put_trace(j, event);
    put_open_spans(j, event);
    spy__json_object_end(j);
}

void spy__encode_sentry_event(struct spy__buf *out, const struct spy__sentry_event *event)
{
    const struct spy__record *record = event->record;
    struct spy__json j;
    spy__json_init(&j, out);
    spy__json_object(&j);
    spy__json_key(&j, "event_id");
    spy__sentry_put_id(&j, record->event_hi, record->event_lo);
    spy__json_key(&j, "timestamp");
    spy__sentry_put_time(&j, record->time_ns);
    put_text(&j, "level", event->fatal ? "fatal" : spy__level_name(record->level));
    put_text(&j, "logger", record->module);
    spy__sentry_put_host(&j, event->host);
    if (event->transaction) {
        put_text(&j, "transaction", event->transaction);
    } else {
        put_field(&j, "transaction", find_text(record, "place"));
    }
    put_fingerprint(&j, event);
    put_exception(&j, event);
    if (event->thread_count > 0) {
        put_threads(&j, event);
    }
    put_images(&j, event);
    spy__sentry_put_request(&j, event->host->machine, record);
    spy__sentry_put_user(&j, record);
    put_tags(&j, record);
    put_extra(&j, record);
    put_contexts(&j, event);
    put_crumbs(&j, event);
    spy__json_object_end(&j);
}
