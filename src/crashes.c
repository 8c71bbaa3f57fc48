#include "crashes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "crash/handler.h"
#include "crash/name.h"
#include "crash/read.h"
#include "encode/log_stack.h"
#include "signals/context.h"
#include "spyglass/log.h"

// A start does not wait longer for the names of a dead process's functions.
#define NAMES_NS (UINT64_C(3) * 1000000000)
// Frames that the line says: what more there is, the error event has.
#define LINE_FRAMES_MAX 48u
#define FRAME_BYTES_MAX 512u

static struct {
    bool catching;
    int why; // negative errno of why it is not, though it was asked for; 0 where it is not told

    bool taken, again;
    int unreadable; // negative errno of a file that makes no sense
    char state_dir[4096];
    struct spy__crash crash;
} crashes;

// Called in a thread that is stopped by a signal: its context is whole, a thread changes it by
// stores of pointers alone.
static void ids_of_thread(struct spy__crash_ids *ret)
{
    const struct spy_context *ctx = spy__current.ctx;
    ret->span_id = spy__current.span_id;
    if (ctx) {
        ret->trace_hi = ctx->ids.trace_hi;
        ret->trace_lo = ctx->ids.trace_lo;
        memcpy(ret->correlation_id, ctx->ids.correlation_id, sizeof(ret->correlation_id));
    }
}

// ---- what an earlier process left

static void take(const char *state_dir)
{
    int err = spy__crash_take(&crashes.crash, state_dir, &crashes.again);
    crashes.taken = err == 0;
    crashes.unreadable = err == -EBADMSG ? err : 0;
    (void)snprintf(crashes.state_dir, sizeof(crashes.state_dir), "%s", state_dir);
}

// As RFC 3339, in UTC.
static void print_time(char out[32], uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000u);
    struct tm tm;
    out[0] = '\0';
    if (gmtime_r(&seconds, &tm) && tm.tm_year < 8100) {
        size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(out + n, 32 - n, ".%06uZ", (unsigned)(ns % 1000000000u / 1000u));
    }
}

// The line belongs to the request that died.
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

static void log_crash(const struct spy__crash *crash)
{
    struct spy__buf stack;
    const struct spy__crash_stack *thread = &crash->threads[0];
    const size_t frames =
        thread->frame_count < LINE_FRAMES_MAX ? thread->frame_count : LINE_FRAMES_MAX;
    const struct spy_field field = spy__frames("stack", thread->frames, frames);
    char address[19] = "", at[32];
    const char *code = spy__crash_code_name(crash->signal, crash->code);
    address[spy__address_print(address, (uintptr_t)crash->address)] = '\0';
    print_time(at, crash->time_ns);
    spy__buf_init(&stack, LINE_FRAMES_MAX * FRAME_BYTES_MAX);
    spy__encode_stack_text(&stack, &field);
    struct spy_context_scope scope = begin_context(thread);
    spy_log_error(
        "crash_recovered", spy_str("signal", spy__crash_signal_name(crash->signal)),
        spy_int("signal_number", crash->signal),
        code[0] ? spy_str("signal_code", code) : spy_int("signal_code", crash->code),
        crash->code > 0 ? spy_str("address", address) : spy_uint("sender_pid", crash->sender),
        spy_str("crashed_at", at), spy_uint("crashed_pid", crash->pid),
        spy_uint("thread", thread->tid), spy_str("thread_name", thread->name),
        spy_uint("threads", crash->thread_count), spy_uint("threads_unanswered", crash->unanswered),
        spy_bool("report_complete", crash->whole), spy_strn("stack", stack.bytes, stack.len));
    spy_context_detach(scope);
    spy__buf_done(&stack);
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
    if (crashes.taken) {
        struct spy__crash_names *names =
            spy__crash_name(&crashes.crash, crashes.again, spy__monotonic_ns() + NAMES_NS);
        log_crash(&crashes.crash);
        spy__crash_taken(crashes.state_dir);
        spy__crash_names_free(names);
        spy__crash_done(&crashes.crash);
        crashes.taken = false;
    }
    crashes.why = crashes.unreadable = 0;
}

// ---- this one

static int catch_crashes(const char *state_dir)
{
    const struct spy__crash_options options = { .state_dir = state_dir,
                                                .run = spy__random_id(),
                                                .ids = ids_of_thread };
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
    crashes.why = crashes.unreadable = 0;
    if (settings->crash_handler && !settings->state_dir) {
        return spy__settings_refuse(
            -EINVAL, "crash_handler is set, and there is no state_dir to write a crash into");
    }
    if (state_dir) {
        take(state_dir);
    }
    return settings->crash_handler && state_dir ? catch_crashes(state_dir) : 0;
}

void spy__crashes_stop(void)
{
    if (crashes.taken) {
        spy__crash_done(&crashes.crash); // it was not told: the next start finds it again
        crashes.taken = false;
    }
    if (crashes.catching) {
        spy__crash_stop();
        crashes.catching = false;
    }
}
