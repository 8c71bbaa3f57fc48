// Errors: a call becomes a line of the log and, where somebody wants them, a record of its own. The
// two are apart, so that what the log's level and its limits do to lines does nothing to errors.

#include "signals/error.h"

#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/uuid.h"
#include "metrics/dropped.h"
#include "record/record.h"
#include "signals/context.h"
#include "signals/push.h"
#include "signals/http_request.h"

bool spy__errors_wanted; // atomic

void spy__errors_want(bool wanted)
{
    __atomic_store_n(&spy__errors_wanted, wanted, __ATOMIC_RELAXED);
}

// ---- the record

struct gathered {
    size_t count, dropped, max;
    struct spy_field fields[SPY_FIELDS_MAX];
};

// Adds a field of the host's own, out of the way of ours, which are called as `taken` says.
static void add(struct gathered *all, struct spy_field field, const char *const taken[][2])
{
    if (field.type == SPY_FIELD_NONE) {
        return; // left out on purpose
    }
    if (!field.key || all->count >= all->max) {
        all->dropped++;
        return;
    }
    for (size_t i = 0; taken[i][0]; i++) {
        if (strcmp(field.key, taken[i][0]) == 0) {
            field.key = taken[i][1];
        }
    }
    all->fields[all->count++] = field;
}

static void add_own(struct gathered *all, const struct spy__error *error)
{
    all->fields[all->count++] = spy_str(SPY__ERROR_MECHANISM, error->mechanism);
    if (error->place) {
        all->fields[all->count++] = spy_str(SPY__ERROR_PLACE, error->place);
    }
    if (error->message) {
        all->fields[all->count++] = spy_str(SPY__ERROR_MESSAGE, error->message);
    }
    if (error->depth > 0) {
        all->fields[all->count++] = spy_addrs(SPY__ERROR_STACK, error->stack, error->depth);
    }
}

void spy__error_record(struct spy_uuid id, const struct spy__error *error)
{
    static const char *const taken[][2] = { { SPY__ERROR_MESSAGE, SPY__ERROR_MESSAGE "_" },
                                            { SPY__ERROR_STACK, SPY__ERROR_STACK "_" },
                                            { SPY__ERROR_MECHANISM, SPY__ERROR_MECHANISM "_" },
                                            { SPY__ERROR_PLACE, SPY__ERROR_PLACE "_" },
                                            { SPY__REQUEST_HEADERS, SPY__REQUEST_HEADERS "_" },
                                            { SPY__REQUEST_QUERY, SPY__REQUEST_QUERY "_" },
                                            { SPY__REQUEST_CLIENT, SPY__REQUEST_CLIENT "_" },
                                            { NULL, NULL } };
    struct spy__http_request *request = spy__context_http_request();
    struct spy__http_request_told *told = spy__http_request_ask(request);
    struct spy__context_view context = spy__context_view();
    struct gathered all; // its fields past `count` stay unset
    all.count = all.dropped = 0;
    all.max = SPY_FIELDS_MAX - SPY__ERROR_FIELDS - (told ? told->count : 0);
    for (size_t i = 0; i < context.bound_count; i++) {
        add(&all, context.bound[i], taken);
    }
    for (size_t i = 0; i < error->field_count; i++) {
        add(&all, error->fields[i], taken);
    }
    add_own(&all, error);
    for (size_t i = 0; told && i < told->count; i++) {
        all.fields[all.count++] = told->fields[i];
    }
    if (all.dropped > 0) {
        spy__dropped(SPY__SIGNAL_ERROR, SPY__DROP_FIELDS, all.dropped);
    }
    const struct spy__record record = {
        .kind = SPY__KIND_ERROR,
        .level = SPY_LEVEL_ERROR,
        .correlation_id = context.correlation_id,
        .trace_hi = context.trace_hi,
        .trace_lo = context.trace_lo,
        .span_id = context.span_id,
        .event = error->type,
        .module = error->module,
        .fields = all.fields,
        .field_count = all.count,
        .event_hi = id.hi,
        .event_lo = id.lo,
    };
    spy__push(&record);
    spy__http_request_failed(request);
    free(told);
}

// ---- the line

static bool line_wanted(const char *module)
{
    return SPY_LEVEL_ERROR >= __atomic_load_n(&spy__log_level, __ATOMIC_RELAXED) &&
           (__atomic_load_n(&spy__log_modules, __ATOMIC_RELAXED) == 0 ||
            spy__log_module_enabled(SPY_LEVEL_ERROR, module));
}

static void write_line(const struct spy__error *error, const char *id)
{
    static const char *const taken[][2] = { { "error_type", "error_type_" },
                                            { "error_message", "error_message_" },
                                            { "error_id", "error_id_" },
                                            { "traceback", "traceback_" },
                                            { NULL, NULL } };
    struct gathered all;
    all.count = all.dropped = 0;
    all.fields[all.count++] = spy_str("error_type", error->type);
    all.fields[all.count++] = spy_str("error_message", error->message);
    all.fields[all.count++] = spy_str("error_id", id);
    all.max = SPY_FIELDS_MAX - 1 - spy__context_view().bound_count; // the traceback ends it
    for (size_t i = 0; i < error->field_count; i++) {
        add(&all, error->fields[i], taken);
    }
    all.fields[all.count++] = spy_addrs("traceback", error->stack, error->depth);
    if (all.dropped > 0) {
        spy__dropped(SPY__SIGNAL_LOG, SPY__DROP_FIELDS, all.dropped);
    }
    spy__log(NULL, SPY_LEVEL_ERROR, error->module, "error", all.fields, all.count);
}

// ---- the call

void spy__error(char ret_id[SPY_ERROR_ID_LEN + 1], const char *module, const char *type,
                const char *message, const struct spy_field *fields, size_t n)
{
    uintptr_t stack[SPY__ERROR_FRAMES_MAX];
    char text[SPY_ERROR_ID_LEN + 1] = "";
    struct spy_uuid id = spy__uuid_random();
    spy__hex_u64(text, id.hi);
    spy__hex_u64(text + 16, id.lo);
    struct spy__error error = {
        .type = type && type[0] ? type : "unknown",
        .message = message,
        .module = module,
        .mechanism = "spy_error",
        .fields = fields,
        .field_count = n,
        .stack = stack,
        .depth = spy__stack_capture(stack, SPY__ERROR_FRAMES_MAX, 1),
    };
    if (__atomic_load_n(&spy__errors_wanted, __ATOMIC_RELAXED)) {
        spy__error_record(id, &error);
    }
    if (line_wanted(module)) {
        write_line(&error, text);
    }
    if (ret_id) {
        memcpy(ret_id, text, sizeof(text));
    }
}
