// A thread's context is three words in thread-local storage: the captured context that it works
// under (who), the bound fields, and the innermost span. The first two point to objects counted by
// reference, immutable as soon as two have them, so attach and detach only move pointers, and a
// record reads them with no lock. Binding a field makes a new object; capturing makes one where the
// words have moved away from what the context holds. What came with a request to be passed on
// (tracestate, baggage) is a third such object, shared by all contexts of that request.
//
// Memory order: a reference is added relaxed (who adds holds one), and given up with release; the
// last one acquires, so that all reads of the object happen before it is freed.

#include "spyglass/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/trace_lists.h"
#include "base/utf8.h"
#include "metrics/dropped.h"
#include "record/mask/mask.h"
#include "record/record.h"
#include "record/wire_put.h"
#include "signals/context.h"
#include "signals/dsc.h"
#include "signals/http_request.h"
#include "signals/work.h"
#include "spyglass/trace.h"

// The longest header that is looked at: no list that may be passed on is longer.
#define INCOMING_BYTES_MAX (64u << 10)

// The lists of a request, each with a NUL behind it. Immutable.
struct spy__carried {
    unsigned refs; // atomic
    size_t tracestate_len, baggage_len;
    char text[]; // the tracestate, then the baggage
};

__thread struct spy__current spy__current __attribute__((tls_model("initial-exec")));

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

static struct spy__carried *carried_ref(struct spy__carried *carried)
{
    if (carried) {
        __atomic_fetch_add(&carried->refs, 1, __ATOMIC_RELAXED);
    }
    return carried;
}

static void carried_unref(struct spy__carried *carried)
{
    if (carried && __atomic_fetch_sub(&carried->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        free(carried);
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
        carried_unref(ctx->carried);
        spy_trace_release(ctx->trace);
        spy__http_request_release(ctx->request);
        free(ctx);
    }
}

// The thread's context as an object of its own; NULL when there is no memory.
static struct spy_context *copy_current(void)
{
    struct spy_context *copy = malloc(sizeof(*copy));
    if (!copy) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    // All but the count, which others change meanwhile.
    const size_t from = offsetof(struct spy_context, sampled);
    memcpy((char *)copy + from, (const char *)spy__current.ctx + from, sizeof(*copy) - from);
    copy->refs = 1;
    copy->bound = bound_ref(spy__current.bound);
    (void)carried_ref(copy->carried);
    (void)spy_trace_hold(copy->trace);
    (void)spy__http_request_hold(copy->request);
    copy->span_id = spy__current.span_id;
    copy->operation = spy__current.operation;
    return copy;
}

// The old context is given up after the new one is in its place: a signal handler may look.
static void replace_current(struct spy_context *copy)
{
    struct spy_context *old = spy__current.ctx;
    spy__current.ctx = copy;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    spy_context_release(old);
}

struct spy_context *spy__context_own(void)
{
    struct spy_context *ctx = spy__current.ctx;
    if (ctx && __atomic_load_n(&ctx->refs, __ATOMIC_ACQUIRE) != 1) {
        ctx = copy_current();
        if (ctx) {
            replace_current(ctx);
        }
    }
    return ctx;
}

struct spy_context *spy_context_capture(void)
{
    struct spy_context *ctx = spy__current.ctx;
    if (!ctx || (ctx->bound == spy__current.bound && ctx->span_id == spy__current.span_id)) {
        return context_ref(ctx);
    }
    return copy_current();
}

bool spy__context_feed(struct spy_trace *trace)
{
    struct spy_context *ctx = spy__context_own();
    if (!ctx) {
        return false;
    }
    spy_trace_release(ctx->trace);
    ctx->trace = spy_trace_hold(trace);
    return true;
}

// Makes ctx, whose reference is taken, the thread's context, for the host's code at `caller`.
static struct spy_context_scope switch_to(struct spy_context *ctx, void *caller)
{
    spy__thread_enter();
    struct spy_context_scope scope = { spy__current.ctx, spy__current.bound, spy__current.span_id,
                                       spy__current.operation };
    spy__current.ctx = ctx;
    spy__current.bound = ctx ? bound_ref(ctx->bound) : NULL;
    spy__current.span_id = ctx ? ctx->span_id : 0;
    spy__current.operation = ctx ? ctx->operation : NULL;
    spy__tell_enter(caller);
    return scope;
}

struct spy_context_scope spy_context_attach(struct spy_context *ctx)
{
    return switch_to(context_ref(ctx), __builtin_return_address(0));
}

struct spy_context_scope spy_context_attach_task(struct spy_context *ctx)
{
    struct spy_context_scope scope = switch_to(context_ref(ctx), __builtin_return_address(0));
    struct spy_context *copy = ctx ? copy_current() : NULL;
    if (copy) {
        copy->remote_id = copy->span_id;
        copy->task_id = spy__random_id();
        replace_current(copy);
    }
    return scope;
}

void spy_context_detach(struct spy_context_scope scope)
{
    spy__tell_leave(__builtin_return_address(0));
    struct spy_context *ctx = spy__current.ctx;
    struct spy__bound *bound = spy__current.bound;
    spy__current.ctx = scope.previous;
    spy__current.bound = scope.previous_bound;
    spy__current.span_id = scope.previous_span;
    spy__current.operation = scope.previous_operation;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // a signal handler may look
    bound_unref(bound);
    spy_context_release(ctx);
}

// The length of a list that is worth looking at.
static size_t list_bytes(const char *list)
{
    size_t n = list ? strnlen(list, INCOMING_BYTES_MAX + 1) : 0;
    return n <= INCOMING_BYTES_MAX ? n : 0;
}

// NULL: nothing to pass on, or no memory. The tracestate belongs to the traceparent and goes with
// it.
static struct spy__carried *carry(const char *tracestate, const char *baggage)
{
    size_t tracestate_bytes = list_bytes(tracestate), baggage_bytes = list_bytes(baggage);
    if (tracestate_bytes + baggage_bytes == 0) {
        return NULL;
    }
    struct spy__carried *carried = malloc(sizeof(*carried) + tracestate_bytes + baggage_bytes + 2);
    if (!carried) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    carried->refs = 1;
    carried->tracestate_len = spy__tracestate_take(carried->text, tracestate, tracestate_bytes);
    carried->text[carried->tracestate_len] = '\0';
    char *at = carried->text + carried->tracestate_len + 1;
    carried->baggage_len = spy__baggage_take(at, baggage, baggage_bytes);
    at[carried->baggage_len] = '\0';
    return carried;
}

// Reads a header without the white space that may stand around its value (RFC 9110, section 5.5).
static bool read_header(struct spy__traceparent *ret, const char *value,
                        bool (*parse)(struct spy__traceparent *, const char *, size_t))
{
    if (!value) {
        return false;
    }
    value += strspn(value, " \t");
    size_t n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t')) {
        n--;
    }
    return parse(ret, value, n);
}

struct spy_context_scope spy_context_continue(const struct spy_incoming *incoming)
{
    struct spy_context *ctx = malloc(sizeof(*ctx));
    if (!ctx) {
        spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        return switch_to(NULL, __builtin_return_address(0));
    }
    ctx->refs = 1;
    ctx->bound = NULL;
    ctx->trace = NULL;
    ctx->request = NULL;
    ctx->operation = NULL;
    ctx->profile = 0;
    ctx->task_id = 0;
    ctx->http = (struct spy__http_root){ 0 };
    const char *correlation_id = incoming->correlation_id;
    if (correlation_id && spy__correlation_valid(correlation_id)) {
        memcpy(ctx->ids.correlation_id, correlation_id, strlen(correlation_id) + 1);
    } else {
        spy__uuid_v4(ctx->ids.correlation_id);
    }
    struct spy__traceparent parent, sentry;
    bool w3c = read_header(&parent, incoming->traceparent, spy__traceparent_parse);
    bool from_sentry = read_header(&sentry, incoming->sentry_trace, spy__sentry_trace_parse);
    if (!w3c && from_sentry) {
        parent = sentry;
    } else if (!w3c) {
        // Spans are recorded, and whether their trace is kept is decided at its end: sampled, which
        // means "may have been recorded", and for Sentry's services nothing decided.
        parent = (struct spy__traceparent){ .trace_hi = spy__random_u64(),
                                            .trace_lo = spy__random_id(),
                                            .sampled = true,
                                            .random = true,
                                            .deferred = true };
    }
    ctx->ids.trace_hi = parent.trace_hi;
    ctx->ids.trace_lo = parent.trace_lo;
    ctx->ids_bytes =
        (uint32_t)(offsetof(struct spy__ids, correlation_id) + strlen(ctx->ids.correlation_id) + 1);
    ctx->ids_sum = spy__wire_sum_of(&ctx->ids, ctx->ids_bytes);
    ctx->span_id = ctx->remote_id = parent.parent_id;
    ctx->sampled = parent.sampled;
    ctx->random = parent.random;
    ctx->deferred = parent.deferred;
    ctx->carried = carry(w3c ? incoming->tracestate : NULL, incoming->baggage);
    ctx->sentry_head =
        !from_sentry &&
        !(ctx->carried && spy__baggage_pick(NULL, 0, SPY__DSC_PREFIX,
                                            ctx->carried->text + ctx->carried->tracestate_len + 1,
                                            ctx->carried->baggage_len));
    return switch_to(ctx, __builtin_return_address(0));
}

bool spy__context_is_sentry_head(void)
{
    return spy__current.ctx && spy__current.ctx->sentry_head;
}

struct spy_context_scope spy_context_begin(const char *correlation_id, const char *traceparent)
{
    return spy_context_continue(
        &(struct spy_incoming){ .correlation_id = correlation_id, .traceparent = traceparent });
}

struct spy__context_view spy__context_view(void)
{
    const struct spy_context *ctx = spy__current.ctx;
    struct spy__context_view view = { .correlation_id = "", .span_id = spy__current.span_id };
    if (ctx) {
        view.correlation_id = ctx->ids.correlation_id;
        view.trace_hi = ctx->ids.trace_hi;
        view.trace_lo = ctx->ids.trace_lo;
        view.remote_id = ctx->remote_id;
        view.remote_decided = ctx->remote_id != 0 && !ctx->deferred;
        view.sampled = ctx->sampled;
    }
    if (spy__current.bound) {
        view.bound = spy__current.bound->fields;
        view.bound_count = spy__current.bound->count;
    }
    return view;
}

const char *spy_correlation_id(void)
{
    return spy__current.ctx ? spy__current.ctx->ids.correlation_id : "";
}

void spy_trace_id(char ret[SPY_TRACE_ID_LEN + 1])
{
    ret[0] = '\0';
    if (spy__current.ctx) {
        spy__hex_u64(ret, spy__current.ctx->ids.trace_hi);
        spy__hex_u64(ret + 16, spy__current.ctx->ids.trace_lo);
        ret[SPY_TRACE_ID_LEN] = '\0';
    }
}

void spy_span_id(char ret[SPY_SPAN_ID_LEN + 1])
{
    ret[0] = '\0';
    if (spy__current.span_id != 0) {
        spy__hex_u64(ret, spy__current.span_id);
        ret[SPY_SPAN_ID_LEN] = '\0';
    }
}

bool spy__context_trace(struct spy__traceparent *ret)
{
    const struct spy_context *ctx = spy__current.ctx;
    if (!ctx) {
        return false;
    }
    *ret = (struct spy__traceparent){
        .trace_hi = ctx->ids.trace_hi,
        .trace_lo = ctx->ids.trace_lo,
        .parent_id = spy__current.span_id ? spy__current.span_id : spy__random_id(),
        .sampled = ctx->sampled,
        .random = ctx->random,
        .deferred = ctx->deferred,
    };
    return true;
}

const char *spy_tracestate(void)
{
    return spy__current.ctx && spy__current.ctx->carried ? spy__current.ctx->carried->text : "";
}

const char *spy_baggage(void)
{
    const struct spy__carried *carried = spy__current.ctx ? spy__current.ctx->carried : NULL;
    return carried ? carried->text + carried->tracestate_len + 1 : "";
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

// Makes the wire form, in max bytes and slack.
static void encode(struct spy__bound *bound, unsigned char *wire, size_t max)
{
    struct spy__wire_put put = { .start = wire, .at = wire, .end = wire + max };
    for (unsigned i = 0; i < bound->count; i++) {
        spy__wire_put_field(&put, &bound->fields[i]);
    }
    bound->wire = wire;
    bound->wire_bytes = (uint32_t)(put.at - wire);
    bound->wire_sum = spy__wire_sum_of(wire, bound->wire_bytes);
}

// The thread's bound fields without `key`, and with `added` at the end where it is not NULL. NULL:
// nothing left, or no memory.
static struct spy__bound *bound_copy(const char *key, const struct spy_field *added)
{
    const struct spy__bound *old = spy__current.bound;
    struct spy__bound *bound;
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
    const size_t fields_bytes = count * sizeof(bound->fields[0]), wire_max = count * 16 + bytes;
    bound = malloc(sizeof(*bound) + fields_bytes + bytes + wire_max + SPY__WIRE_SLACK);
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
    encode(bound, (unsigned char *)text, wire_max);
    return bound;
}

static bool can_bind(const struct spy_field *field)
{
    return field->key && field->key[0] && strlen(field->key) <= SPY__KEY_MAX &&
           field->type > SPY_FIELD_NONE && field->type <= SPY_FIELD_STR;
}

void spy_bind(struct spy_field field)
{
    if (!spy__current.ctx || field.type == SPY_FIELD_NONE) {
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
        bound_unref(spy__current.bound);
        spy__current.bound = bound;
    }
}

void spy_unbind(const char *key)
{
    const struct spy__bound *old = spy__current.bound;
    for (size_t i = 0; key && old && i < old->count; i++) {
        if (strcmp(old->fields[i].key, key) != 0) {
            continue;
        }
        struct spy__bound *bound = bound_copy(key, NULL);
        if (bound || old->count == 1) {
            bound_unref(spy__current.bound);
            spy__current.bound = bound;
        }
        return;
    }
}
