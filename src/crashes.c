// The crash of the process before: taken at the start, named and told once lines can be written,
// handed to whoever takes errors on the pump's thread.
//
// What is told goes through the rings as any error does, with the addresses of its stack; the pump's
// thread finds the names here. Should the process die in between, its next start tells the error by
// its addresses, and the crash once more from its file: with the same id, so that it counts once.

#include "crashes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/random.h"
#include "crash/handler.h"
#include "crash/name.h"
#include "crash/read.h"
#include "encode/line.h"
#include "encode/log_stack.h"
#include "encode/sentry_event.h"
#include "health.h"
#include "outbound.h"
#include "record/pump.h"
#include "record/recent/keep.h"
#include "record/rings.h"
#include "signals/context.h"
#include "signals/error.h"
#include "signals/error_report.h"
#include "spyglass/log.h"

// A start does not wait longer for the names of a dead process's functions.
#define NAMES_NS (UINT64_C(3) * 1000000000)
// Frames that the line says, of at most so many bytes each: what more there is, the error has.
#define LINE_FRAMES_MAX 48u
#define LINE_FRAME_BYTES_MAX 512u
#define OPEN_BYTES_MAX 4096u
// Frames of all threads of one event: it stays below half of what an event may have.
#define EVENT_FRAMES_MAX 1500u
// What is said of a crash; the rest of a record's fields are those that its context had bound.
#define FIELDS_MAX 16
#define BOUND_MAX (SPY_FIELDS_MAX - FIELDS_MAX - SPY__ERROR_FIELDS)

static struct {
    bool catching;
    int why; // negative errno of why it is not, though it was asked for; 0 where it is not told

    bool again;     // an earlier start died of telling one
    int unreadable; // negative errno of a file that makes no sense
    char state_dir[4096];
    struct spy__crash crash;

    pthread_mutex_t mu;
    bool taken;                     // guarded by mu, as is all below, and `crash` from then on
    struct spy__crash_names *names; // NULL: it was not told yet
    struct spy_uuid id;             // of the error
} crashes = { .mu = PTHREAD_MUTEX_INITIALIZER };

// ---- in a process that crashes
//
// All of this is async-signal-safe. What a context points to outlives its being the thread's; but a
// process that crashes may have written over anything.

static void read_context(struct spy__crash_ids *ret, const struct spy_context *from)
{
    struct spy_context ctx;
    if (spy__crash_copy(&ctx, (uintptr_t)from, sizeof(ctx)) != sizeof(ctx)) {
        return;
    }
    ret->trace_hi = ctx.ids.trace_hi;
    ret->trace_lo = ctx.ids.trace_lo;
    spy__crash_copy_text(ret->correlation_id, sizeof(ret->correlation_id),
                         (uintptr_t)ctx.ids.correlation_id);
    ret->outer_id = ctx.span_id;
    ret->outer = ctx.operation;
    ret->remote_id = ctx.remote_id;
    ret->request_id = ctx.http.span_id;
    ret->request_start = ctx.http.start;
    ret->request = ctx.http.operation;
    ret->request_op = ctx.http.op;
    ret->method = ctx.http.method;
    ret->route = ctx.http.route;
}

static void read_bound(struct spy__crash_ids *ret, const struct spy__bound *from)
{
    struct spy__bound bound;
    if (spy__crash_copy(&bound, (uintptr_t)from, sizeof(bound)) == sizeof(bound)) {
        ret->bound = bound.wire;
        ret->bound_bytes = bound.wire_bytes;
    }
}

// Of the calling thread.
static void ids_of_thread(struct spy__crash_ids *ret)
{
    ret->span_id = spy__current.span_id;
    ret->operation = spy__current.operation;
    read_context(ret, spy__current.ctx);
    read_bound(ret, spy__current.bound);
}

// What an event has as breadcrumbs.
static size_t records_of(unsigned char *to, size_t cap, size_t *ret_from,
                         const struct spy__crash_ids *ids)
{
    const struct spy__window *window = spy__keep_window();
    const struct spy__window_pick pick = { .kinds = 1u << SPY__KIND_LOG | 1u << SPY__KIND_SPAN,
                                           .correlation_id = ids->correlation_id,
                                           .trace_hi = ids->trace_hi,
                                           .trace_lo = ids->trace_lo,
                                           .read = spy__crash_copy };
    *ret_from = 0;
    return window ? spy__window_pick(window, &pick, to, cap, ret_from) : 0;
}

// ---- what the process before left

// Gives it up; where it was not told it is the next start's.
static void forget(bool told)
{
    if (told) {
        spy__crash_taken(crashes.state_dir);
    } else if (crashes.taken) {
        spy__crash_put_back(crashes.state_dir);
    }
    spy__crash_names_free(crashes.names);
    crashes.names = NULL;
    if (crashes.taken) {
        spy__crash_done(&crashes.crash);
        crashes.taken = false;
    }
}

static void take(const char *state_dir)
{
    int err = spy__crash_take(&crashes.crash, state_dir, &crashes.again);
    crashes.taken = err == 0;
    crashes.unreadable = err == -EBADMSG ? err : 0;
    (void)snprintf(crashes.state_dir, sizeof(crashes.state_dir), "%s", state_dir);
}

// One crash has one id, whoever tells it: of version 4 in its form.
static struct spy_uuid id_of(const struct spy__crash *crash)
{
    const uint64_t words[] = { crash->run, crash->time_ns, crash->pid };
    return (struct spy_uuid){ (spy__hash(words, sizeof(words), 1) & ~UINT64_C(0xf000)) | 4u << 12,
                              UINT64_C(1) << 63 | spy__hash(words, sizeof(words), 2) >> 2 };
}

// "Segmentation fault (SEGV_MAPERR) at 0x10 in thread worker-2".
static void print_message(char *out, size_t size, const struct spy__crash *crash)
{
    const char *what = sigdescr_np(crash->signal),
               *code = spy__crash_code_name(crash->signal, crash->code);
    char where[32] = "";
    if (crash->code > 0) {
        (void)snprintf(where, sizeof(where), " at 0x%llx", (unsigned long long)crash->address);
    }
    (void)snprintf(out, size, "%s (%s)%s in thread %s", what ? what : "Signal",
                   code[0] ? code : "unknown", where, crash->threads[0].name);
}

// What is said of it beside its stack and its ids; some of the strings lie in here.
struct said {
    char address[19], at[SPY__TIME_LEN];
    struct spy_field fields[SPY_FIELDS_MAX];
    size_t count;
};

static void say(struct said *ret, const struct spy__crash *crash)
{
    const struct spy__crash_stack *thread = &crash->threads[0];
    const char *code = spy__crash_code_name(crash->signal, crash->code);
    ret->count = crash->bound_count < BOUND_MAX ? crash->bound_count : BOUND_MAX;
    memcpy(ret->fields, crash->bound, ret->count * sizeof(ret->fields[0]));
    ret->address[spy__address_print(ret->address, (uintptr_t)crash->address)] = '\0';
    spy__time_print(ret->at, crash->time_ns);
    const struct spy_field fields[] = {
        spy_str("signal", spy__crash_signal_name(crash->signal)),
        spy_int("signal_number", crash->signal),
        code[0] ? spy_str("signal_code", code) : spy_int("signal_code", crash->code),
        crash->code > 0 ? spy_str("address", ret->address) : spy_uint("sender_pid", crash->sender),
        spy_strn("crashed_at", ret->at, sizeof(ret->at)),
        spy_uint("crashed_pid", crash->pid),
        spy_uint("thread", thread->tid),
        spy_str("thread_name", thread->name),
        spy_uint("threads", crash->thread_count),
        spy_uint("threads_unanswered", crash->unanswered),
        spy_bool("report_complete", crash->whole),
        spy_str("operation", thread->open_count > 0 ? thread->open[0].operation : NULL),
        spy_str("route", thread->route[0] ? thread->route : NULL),
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].type != SPY_FIELD_NONE) {
            ret->fields[ret->count++] = fields[i];
        }
    }
}

static void print_operation(struct spy__buf *out, const struct spy__crash_operation *open)
{
    spy__buf_puts(out, open->operation);
    if (open->detail[0]) {
        spy__buf_puts(out, " ");
        spy__buf_puts(out, open->detail);
    }
}

// "[agent router (0.012 s) http_request (0.502 s)]": what it was in, the innermost first.
static void print_open(struct spy__buf *out, const struct spy__crash_stack *thread)
{
    char seconds[48];
    for (size_t i = 0; i < thread->open_count; i++) {
        spy__buf_puts(out, i > 0 ? " " : "[");
        print_operation(out, &thread->open[i]);
        (void)snprintf(seconds, sizeof(seconds), " (%.6f s)",
                       (double)thread->open[i].open_ns / 1e9);
        spy__buf_puts(out, thread->open[i].known ? seconds : "");
    }
    spy__buf_puts(out, thread->open_count > 0 ? "]" : "");
}

// ---- the line

// It belongs to the request that died.
static struct spy_context_scope begin_context(const struct spy__crash_stack *thread)
{
    char parent[SPY__TRACEPARENT_LEN + 1];
    const struct spy__traceparent trace = { .trace_hi = thread->trace_hi,
                                            .trace_lo = thread->trace_lo,
                                            .parent_id = thread->span_id,
                                            .sampled = true };
    if (!thread->correlation_id[0]) {
        return spy_context_attach(NULL);
    }
    spy__traceparent_print(parent, &trace); // without ids it is none
    return spy_context_begin(thread->correlation_id, parent);
}

// As text: whoever shows this line later knows no modules but those of its own process.
static void log_crash(const struct spy__crash *crash)
{
    const struct spy__crash_stack *thread = &crash->threads[0];
    const size_t frames =
        thread->frame_count < LINE_FRAMES_MAX ? thread->frame_count : LINE_FRAMES_MAX;
    const struct spy_field field = spy__frames("stack", thread->frames, frames);
    struct spy__buf stack, open;
    struct said said;
    say(&said, crash);
    spy__buf_init(&open, OPEN_BYTES_MAX);
    print_open(&open, thread);
    if (open.len > 0 && !open.failed) {
        said.fields[said.count++] = spy_strn("open_spans", open.bytes, open.len);
    }
    spy__buf_init(&stack, LINE_FRAMES_MAX * LINE_FRAME_BYTES_MAX);
    spy__encode_stack_text(&stack, &field);
    said.fields[said.count++] = spy_strn("stack", stack.bytes, stack.failed ? 0 : stack.len);
    struct spy_context_scope scope = begin_context(thread);
    if (spy_log_enabled(SPY_LEVEL_ERROR)) {
        spy__log(NULL, SPY_LEVEL_ERROR, NULL, "crash_recovered", said.fields, said.count);
    }
    spy_context_detach(scope);
    spy__buf_done(&stack);
    spy__buf_done(&open);
}

// ---- the error

// Publishes it by its addresses. False where it could not be.
static bool publish(const struct spy__crash *crash)
{
    const struct spy__crash_stack *thread = &crash->threads[0];
    uintptr_t addresses[SPY__ERROR_FRAMES_MAX];
    char message[256];
    size_t depth = 0;
    struct said said;
    for (size_t i = 0; i < thread->frame_count && depth < SPY__ERROR_FRAMES_MAX; i++) {
        if (!thread->frames[i].inlined) {
            addresses[depth++] = thread->frames[i].address;
        }
    }
    say(&said, crash);
    print_message(message, sizeof(message), crash);
    said.fields[said.count++] = spy_str(SPY__ERROR_MECHANISM, "signalhandler");
    said.fields[said.count++] = spy_str(SPY__ERROR_MESSAGE, message);
    said.fields[said.count++] = spy_addrs(SPY__ERROR_STACK, addresses, depth);
    return spy__rings_push(&(struct spy__record){ .kind = SPY__KIND_ERROR,
                                                  .level = SPY_LEVEL_ERROR,
                                                  .time_ns = crash->time_ns,
                                                  .correlation_id = thread->correlation_id,
                                                  .trace_hi = thread->trace_hi,
                                                  .trace_lo = thread->trace_lo,
                                                  .span_id = thread->span_id,
                                                  .event = spy__crash_signal_name(crash->signal),
                                                  .fields = said.fields,
                                                  .field_count = said.count,
                                                  .event_hi = crashes.id.hi,
                                                  .event_lo = crashes.id.lo }) == SPY__PUSH_OK;
}

// What a thread was in.
static size_t list_open(struct spy__sentry_open *out, const struct spy__crash_stack *thread)
{
    for (size_t i = 0; i < thread->open_count; i++) {
        const struct spy__crash_operation *from = &thread->open[i];
        out[i] = (struct spy__sentry_open){ .span_id = from->span_id,
                                            .parent_id = from->parent_id,
                                            .operation = from->operation,
                                            .op = from->op,
                                            .detail = from->detail,
                                            .known = from->known,
                                            .open_ns = from->open_ns };
    }
    return thread->open_count;
}

// The threads of the event; the others' outer frames give way first.
static size_t list_threads(struct spy__sentry_thread *out, const struct spy__crash *crash)
{
    static struct spy__sentry_open open[SPY__CRASH_THREADS_MAX]
                                       [SPY__CRASH_OPEN_MAX]; // guarded by mu
    const size_t others = crash->thread_count - 1;
    const size_t left = EVENT_FRAMES_MAX - crash->threads[0].frame_count;
    const size_t each = others > 0 ? left / others : 0;
    for (size_t i = 0; i < crash->thread_count; i++) {
        const struct spy__crash_stack *thread = &crash->threads[i];
        size_t count = i > 0 && thread->frame_count > each ? each : thread->frame_count;
        out[i] = (struct spy__sentry_thread){
            .id = thread->tid,
            .name = thread->name[0] ? thread->name : NULL,
            .crashed = i == 0,
            .stack = { .frames = thread->frames, .count = count, .has_pc = true },
            .open = open[i],
            .open_count = list_open(open[i], thread),
        };
    }
    return crash->thread_count;
}

// What it was at, as transactions are called: the request, else the operation.
static void print_transaction(char *out, size_t size, const struct spy__crash_stack *thread)
{
    const struct spy__crash_operation *open = thread->open; // NULL for none
    out[0] = '\0';
    if (thread->route[0]) {
        (void)snprintf(out, size, "%s %s", thread->method, thread->route);
    } else if (thread->open_count > 0) {
        (void)snprintf(out, size, "%s%s%s", open->operation, open->detail[0] ? " " : "",
                       open->detail);
    }
}

// Gives the record's stack its names, and the rest of what an event says.
static void take_named(const struct spy__record *record)
{
    static struct spy__sentry_thread threads[SPY__CRASH_THREADS_MAX]; // guarded by mu
    const struct spy__crash *crash = &crashes.crash;
    const struct spy__crash_stack *thread = &crash->threads[0];
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__record named = *record;
    struct spy__sentry_host host;
    char transaction[256];
    print_transaction(transaction, sizeof(transaction), thread);
    memcpy(fields, record->fields, record->field_count * sizeof(fields[0]));
    named.fields = fields;
    for (size_t i = 0; i < record->field_count; i++) {
        if (fields[i].type == SPY_FIELD_ADDRS && strcmp(fields[i].key, SPY__ERROR_STACK) == 0) {
            fields[i] = spy__frames(fields[i].key, thread->frames, thread->frame_count);
        }
    }
    const struct spy__sentry_event event = {
        .host = spy__health_host(&host, crash->run),
        .fatal = true,
        .transaction = transaction,
        .signal = crash->signal,
        .signal_code = crash->code,
        .signal_name = spy__crash_signal_name(crash->signal),
        .threads = threads,
        .thread_count = list_threads(threads, crash),
    };
    spy__error_take(&named, &event);
}

bool spy__crashes_took(const struct spy__record *record)
{
    bool ours = false;
    pthread_mutex_lock(&crashes.mu);
    if (crashes.names && !record->recovered && record->event_hi == crashes.id.hi &&
        record->event_lo == crashes.id.lo) {
        take_named(record);
        forget(true);
        ours = true;
    }
    pthread_mutex_unlock(&crashes.mu);
    return ours;
}

static void tell_crash(void)
{
    bool published = false;
    pthread_mutex_lock(&crashes.mu);
    if (crashes.taken) {
        crashes.names =
            spy__crash_name(&crashes.crash, crashes.again, spy__monotonic_ns() + NAMES_NS);
        crashes.id = id_of(&crashes.crash);
        // First, so that the line is no breadcrumb of it.
        published = crashes.names && __atomic_load_n(&spy__errors_wanted, __ATOMIC_RELAXED) &&
                    publish(&crashes.crash);
        log_crash(&crashes.crash);
        if (!published) {
            forget(true); // the line is all that is told
        }
    }
    pthread_mutex_unlock(&crashes.mu);
    if (published) {
        spy__pump_flush();
    }
}

void spy__crashes_tell(void)
{
    if (crashes.why != 0) {
        char text[128];
        spy_warn("crash_handler_off",
                 spy_str("error", strerror_r(-crashes.why, text, sizeof(text))));
    }
    if (crashes.unreadable != 0) {
        spy_warn("crash_unreadable", spy_str("state_dir", crashes.state_dir));
    }
    spy__health_tell();
    tell_crash();
    crashes.why = crashes.unreadable = 0;
}

// ---- this one

static int catch_crashes(const char *state_dir, uint64_t run)
{
    const struct spy__crash_options options = {
        .state_dir = state_dir, .run = run, .ids = ids_of_thread, .records = records_of
    };
    int err = spy__crash_start(&options);
    crashes.catching = err == 0;
    if (err == -ENOTSUP) {
        return spy__settings_refuse(
            err, "crash_handler is set, and this machine's registers are not known");
    }
    crashes.why = err;
    return 0;
}

int spy__crashes_start(const struct spy__settings *settings, const char *state_dir)
{
    const uint64_t run = spy__random_id();
    crashes.why = crashes.unreadable = 0;
    if (settings->crash_handler && !settings->state_dir) {
        return spy__settings_refuse(
            -EINVAL, "crash_handler is set, and there is no state_dir to write a crash into");
    }
    if (state_dir) {
        take(state_dir);
    }
    spy__health_start(settings, state_dir, run, crashes.taken ? crashes.crash.run : 0,
                      crashes.crash.time_ns);
    if (crashes.taken && spy__health_ended_well(crashes.crash.run)) {
        forget(true); // a handler of the host's saved it
    }
    if (crashes.taken) { // what led to it
        spy__keep_recall(crashes.crash.records, crashes.crash.record_bytes);
    }
    return settings->crash_handler && state_dir ? catch_crashes(state_dir, run) : 0;
}

void spy__crashes_stop(void)
{
    pthread_mutex_lock(&crashes.mu);
    forget(false);
    pthread_mutex_unlock(&crashes.mu);
    spy__health_stop();
    if (crashes.catching) {
        spy__crash_stop();
        crashes.catching = false;
    }
}
