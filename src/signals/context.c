// A thread's context is three words in thread-local storage: the captured context that it works
// under (who), the bound fields, and the innermost span. The first two point to immutable objects
// counted by reference, so attach and detach only move pointers, and a record reads them with no
// lock. Binding a field makes a new object; capturing makes one where the words have moved away
// from what the context holds.
//
// Memory order: a reference is added relaxed (who adds holds one), and given up with release; the
// last one acquires, so that all reads of the object happen before it is freed.

#include "spyglass/context.h"

#include <string.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/random.h"
#include "base/utf8.h"
#include "metrics/dropped.h"
#include "record/mask.h"
#include "record/record.h"
#include "signals/context.h"

// Bound fields, with their keys and strings behind them in the same allocation. Immutable once
// published.
struct spy__bound {
    unsigned refs; // atomic
    unsigned count;
    struct spy_field fields[];
};

struct spy_context {
    unsigned refs; // atomic; all below is const after new
    bool sampled;
    uint64_t trace_hi, trace_lo;
    uint64_t span_id;
    struct spy__bound *bound; // a reference, or NULL
    char correlation_id[SPY_CORRELATION_MAX + 1];
};

static __thread struct {
    struct spy_context *ctx;  // a reference, or NULL
    struct spy__bound *bound; // a reference, or NULL
    uint64_t span_id;
} current;

static struct spy__bound *bound_ref(struct spy__bound *bound)
{
    if (bound) {
        __atomic_fetch_add(&bound->refs, 1, __ATOMIC_RELAXED);
    }
    return bound;
}

static void bound_unref(struct spy__bound *bound)
{
    if (bound && __atomic_fetch_sub(&bound->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        free(bound);
    }
}

static struct spy_context *context_ref(struct spy_context *ctx)
{
    if (ctx) {
        __atomic_fetch_add(&ctx->refs, 1, __ATOMIC_RELAXED);
    }
    return ctx;
}

void spy_context_release(struct spy_context *ctx)
{
    if (ctx && __atomic_fetch_sub(&ctx->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        bound_unref(ctx->bound);
        free(ctx);
    }
}

struct spy_context *spy_context_capture(void)
{
    struct spy_context *ctx = current.ctx;
    if (!ctx || (ctx->bound == current.bound && ctx->span_id == current.span_id)) {
        return context_ref(ctx);
    }
    struct spy_context *copy = malloc(sizeof(*copy));
    if (!copy) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    memcpy(copy, ctx, sizeof(*copy));
    copy->refs = 1;
    copy->bound = bound_ref(current.bound);
    copy->span_id = current.span_id;
    return copy;
}

// Makes ctx, whose reference is taken, the thread's context.
static struct spy_context_scope switch_to(struct spy_context *ctx)
{
    struct spy_context_scope scope = { current.ctx, current.bound, current.span_id };
    current.ctx = ctx;
    current.bound = ctx ? bound_ref(ctx->bound) : NULL;
    current.span_id = ctx ? ctx->span_id : 0;
    return scope;
}

struct spy_context_scope spy_context_attach(struct spy_context *ctx)
{
    return switch_to(context_ref(ctx));
}

void spy_context_detach(struct spy_context_scope scope)
{
    struct spy_context *ctx = current.ctx;
    struct spy__bound *bound = current.bound;
    current.ctx = scope.previous;
    current.bound = scope.previous_bound;
    current.span_id = scope.previous_span;
    bound_unref(bound);
    spy_context_release(ctx);
}

struct spy_context_scope spy_context_begin(const char *correlation_id, const char *traceparent)
{
    struct spy_context *ctx = malloc(sizeof(*ctx));
    if (!ctx) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        return switch_to(NULL);
    }
    ctx->refs = 1;
    ctx->bound = NULL;
    if (correlation_id && spy__correlation_valid(correlation_id)) {
        memcpy(ctx->correlation_id, correlation_id, strlen(correlation_id) + 1);
    } else {
        spy__uuid_v4(ctx->correlation_id);
    }
    struct spy__traceparent parent;
    if (traceparent && spy__traceparent_parse(&parent, traceparent, strlen(traceparent))) {
        ctx->trace_hi = parent.trace_hi;
        ctx->trace_lo = parent.trace_lo;
        ctx->span_id = parent.parent_id;
        ctx->sampled = parent.sampled;
    } else {
        ctx->trace_hi = spy__random_u64();
        ctx->trace_lo = spy__random_id();
        ctx->span_id = 0;
        ctx->sampled = true;
    }
    return switch_to(ctx);
}

struct spy__context_view spy__context_view(void)
{
    const struct spy_context *ctx = current.ctx;
    struct spy__context_view view = { .correlation_id = "", .span_id = current.span_id };
    if (ctx) {
        view.correlation_id = ctx->correlation_id;
        view.trace_hi = ctx->trace_hi;
        view.trace_lo = ctx->trace_lo;
    }
    if (current.bound) {
        view.bound = current.bound->fields;
        view.bound_count = current.bound->count;
    }
    return view;
}

uint64_t spy__context_span(void)
{
    return current.span_id;
}

void spy__context_set_span(uint64_t span_id)
{
    current.span_id = span_id;
}

const char *spy_correlation_id(void)
{
    return current.ctx ? current.ctx->correlation_id : "";
}

void spy_trace_id(char ret[SPY_TRACE_ID_LEN + 1])
{
    ret[0] = '\0';
    if (current.ctx) {
        spy__hex_u64(ret, current.ctx->trace_hi);
        spy__hex_u64(ret + 16, current.ctx->trace_lo);
        ret[SPY_TRACE_ID_LEN] = '\0';
    }
}

void spy_span_id(char ret[SPY_SPAN_ID_LEN + 1])
{
    ret[0] = '\0';
    if (current.span_id != 0) {
        spy__hex_u64(ret, current.span_id);
        ret[SPY_SPAN_ID_LEN] = '\0';
    }
}

void spy_traceparent(char ret[SPY_TRACEPARENT_LEN + 1])
{
    const struct spy_context *ctx = current.ctx;
    ret[0] = '\0';
    if (ctx) {
        uint64_t parent = current.span_id ? current.span_id : spy__random_id();
        spy__traceparent_print(
            ret, &(struct spy__traceparent){ ctx->trace_hi, ctx->trace_lo, parent, ctx->sampled });
    }
}

// ---- bound fields

static size_t string_bytes(const struct spy_field *field)
{
    return field->type == SPY_FIELD_STR ? field->len : 0;
}

// Copies the field and its text to *text, which it moves on.
static void place(struct spy__bound *bound, const struct spy_field *field, char **text)
{
    struct spy_field *to = &bound->fields[bound->count++];
    size_t key_bytes = strlen(field->key) + 1;
    *to = *field;
    to->key = memcpy(*text, field->key, key_bytes);
    *text += key_bytes;
    if (field->type == SPY_FIELD_STR) {
        to->value.s = memcpy(*text, field->value.s, field->len);
        *text += field->len;
    }
}

// The thread's bound fields without `key`, and with `added` at the end where it is not NULL. NULL:
// nothing left, or no memory.
static struct spy__bound *bound_copy(const char *key, const struct spy_field *added)
{
    const struct spy__bound *old = current.bound;
    size_t count = added ? 1 : 0, bytes = added ? strlen(added->key) + 1 + string_bytes(added) : 0;
    for (size_t i = 0; old && i < old->count; i++) {
        if (strcmp(old->fields[i].key, key) != 0) {
            count++;
            bytes += strlen(old->fields[i].key) + 1 + string_bytes(&old->fields[i]);
        }
    }
    if (count == 0) {
        return NULL;
    }
    if (count > SPY_BOUND_MAX) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_FIELDS, 1);
        return NULL;
    }
    struct spy__bound *bound = malloc(sizeof(*bound) + count * sizeof(bound->fields[0]) + bytes);
    if (!bound) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    bound->refs = 1;
    bound->count = 0;
    char *text = (char *)&bound->fields[count];
    for (size_t i = 0; old && i < old->count; i++) {
        if (strcmp(old->fields[i].key, key) != 0) {
            place(bound, &old->fields[i], &text);
        }
    }
    if (added) {
        place(bound, added, &text);
    }
    return bound;
}

static bool can_bind(const struct spy_field *field)
{
    return field->key && field->key[0] && strlen(field->key) <= SPY__KEY_MAX &&
           field->type > SPY_FIELD_NONE && field->type <= SPY_FIELD_STR;
}

void spy_bind(struct spy_field field)
{
    if (!current.ctx || field.type == SPY_FIELD_NONE) {
        return;
    }
    if (!can_bind(&field)) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_FIELDS, 1);
        return;
    }
    if (spy__is_secret(&field)) {
        field = spy_str(field.key, SPY__REDACTED);
    } else if (field.type == SPY_FIELD_STR) {
        field.len = spy__utf8_cut(field.value.s, field.len, SPY_BOUND_STR_MAX);
    }
    struct spy__bound *bound = bound_copy(field.key, &field);
    if (bound) {
        bound_unref(current.bound);
        current.bound = bound;
    }
}

void spy_unbind(const char *key)
{
    const struct spy__bound *old = current.bound;
    for (size_t i = 0; key && old && i < old->count; i++) {
        if (strcmp(old->fields[i].key, key) != 0) {
            continue;
        }
        struct spy__bound *bound = bound_copy(key, NULL);
        if (bound || old->count == 1) {
            bound_unref(current.bound);
            current.bound = bound;
        }
        return;
    }
}
