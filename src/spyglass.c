// spy_start() and spy_stop(): the one file that knows all parts and wires them.
//
// A start goes through its steps in order, and a step that fails takes back those before it. The
// options are read in settings.c.
//
// Threads: start and stop exclude each other by `mu`.

#include "spyglass/options.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/stack.h"
#include "encode/log_console.h"
#include "encode/log_json.h"
#include "encode/log_logfmt.h"
#include "encode/log_style.h"
#include "metrics/process.h"
#include "metrics/resource.h"
#include "profile/stacks.h"
#include "record/recent/keep.h"
#include "record/pump.h"
#include "record/state_dir.h"
#ifdef SPY_WITH_DELIVER
#include "backends/clickhouse_ask.h"
#include "deliver/http.h"
#endif
#ifdef SPY_WITH_SERVE
#include "serve/admin.h"
#endif
#include "crashes.h"
#include "errors.h"
#include "health.h"
#include "outbound.h"
#include "profiling.h"
#include "reports.h"
#include "settings.h"
#include "signals/tail.h"
#include "signals/error.h"
#include "signals/event.h"
#include "signals/log.h"
#include "signals/log_level.h"
#include "signals/span.h"
#include "signals/trace.h"
#include "spyglass/log.h"

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool started;
    bool half_done; // in a child: another thread was starting or stopping at the fork
    struct spy__state_dir state_dir;
    int state_dir_why;           // negative errno of why what must outlive us is not in it
    struct spy__log_style style; // of the lines
    void (*encode)(struct spy__buf *out, const struct spy__record *record, const void *style);
    struct spy__pseudonyms *pseudonyms; // of events, or NULL
    struct spy__admin *admin;
} all = { .state_dir.lock_fd = -1 }; // guarded by mu; style and encode are const while a pump runs
static uint16_t admin_port;          // atomic, for spy_admin_port()
static int is_ready;                 // atomic, what the host said last

// ---- the steps of a start

// A host that has a metric of one of these names keeps it.
static int register_metrics(void)
{
    int err = spy__log_register();
    if (err == 0) {
        err = spy__tail_register();
    }
    if (err == 0) {
        err = spy__event_register();
    }
    if (err == 0) {
        err = spy__error_register();
    }
    if (err == 0) {
        err = spy__process_register();
    }
    if (err == 0) {
        err = spy__profiling_register();
    }
    return err && err != -EEXIST
               ? spy__settings_refuse(err, "the library's own metrics cannot be registered")
               : 0;
}

// A disk that is full, or a folder that must not be written, may mend itself: the host starts
// without it. A name that can be no folder of ours is a mistake.
static bool is_trouble(int err)
{
    return err == -ENOSPC || err == -EDQUOT || err == -EROFS || err == -EACCES || err == -EPERM ||
           err == -EIO;
}

static int open_state_dir(const struct spy__settings *s)
{
    all.state_dir_why = 0;
    if (!s->state_dir) {
        return 0;
    }
    int err = spy__state_dir_open(&all.state_dir, s->state_dir);
    if (is_trouble(err)) {
        all.state_dir_why = err;
        return 0;
    }
    if (err == -EBUSY && all.state_dir.held_by > 0) {
        return spy__settings_refuse(err, "state_dir %.200s is in use by process %d", s->state_dir,
                                    (int)all.state_dir.held_by);
    }
    if (err == -EBUSY) {
        return spy__settings_refuse(err, "state_dir %.200s is in use by another process",
                                    s->state_dir);
    }
    errno = -err; // for %m
    return err ? spy__settings_refuse(err, "state_dir %.200s cannot be used: %m", s->state_dir) : 0;
}

static void (*const encoders[])(struct spy__buf *out, const struct spy__record *record,
                                const void *style) = {
    [SPY_LOG_JSON] = spy__encode_log_json,
    [SPY_LOG_CONSOLE] = spy__encode_log_console,
    [SPY_LOG_LOGFMT] = spy__encode_log_logfmt,
};

__attribute__((noinline)) // what it needs of the stack, few lines do
static void
encode_with_stacks(struct spy__buf *out, const struct spy__record *record)
{
    struct spy__stacks_room room;
    struct spy__record named = *record;
    spy__stacks_of_record(&named, &room);
    all.encode(out, &named, &all.style);
}

static void encode_line(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    (void)arg;
    if (spy__has_stack(record)) {
        encode_with_stacks(out, record);
    } else {
        all.encode(out, record, &all.style);
    }
}

// Where the destination cannot be opened, the sentence says which.
static int refuse_log(const struct spy__settings *s, int err)
{
    errno = -err; // for %m
    if (s->sink.kind == SPY__SINK_FILE && err != -ENOMEM && err != -EAGAIN) {
        return spy__settings_refuse(err, "log_file %.200s cannot be opened: %m", s->sink.file.path);
    }
    return spy__settings_refuse(err, "the log cannot be started: %m");
}

// Whether records are kept beside the log: what the page's rooms show where there is a page, what
// led to an error where there is Sentry.
static bool wants_recent(const struct spy__settings *s)
{
    return s->admin || s->sentry_dsn;
}

// The pump's, as a trace is decided.
static void take_trace(const struct spy__trace *trace)
{
    spy__profiling_decided(trace);
    spy__outbound_trace(trace);
}

static int start_keep(const struct spy__settings *s)
{
    const char *state_dir = all.state_dir.lock_fd >= 0 ? s->state_dir : NULL;
    struct spy__journal_options journal;
    const struct spy__keep_options options = {
        .journal = spy__outbound_journal(&journal, s, state_dir),
        .recent = wants_recent(s),
        .slow_ns = (uint64_t)s->trace_slow_ms * 1000000u,
        .sampling = s->sampling,
        .decided = take_trace,
        .span_lost = spy__tail_span_lost,
    };
    spy__profiling_slow(options.slow_ns);
    int err = spy__keep_open(&options);
    return err ? spy__settings_refuse(err, "there is no memory for recent records")
               : spy__outbound_open(s, state_dir, spy__keep_journal());
}

// The pump's way to what is kept: an event is put right first.
static void keep_record(const struct spy__record *record)
{
    static struct spy__event_room room; // the pump's alone
    if (record->kind == SPY__KIND_EVENT) {
        struct spy__record event = *record;
        spy__event_check(&event, &room);
        spy__keep_give(&event);
        return;
    }
    if (record->kind == SPY__KIND_ERROR && !spy__crashes_took(record)) {
        spy__errors_take(record);
    }
    spy__keep_give(record);
}

static void lose(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    spy__log_lost(why, kind, n);
    if (kind == SPY__KIND_ERROR) {
        spy__outbound_errors_lost(n);
    }
}

static int start_pump(const struct spy__settings *s)
{
    spy__log_style_init(&all.style, s->service, s->environment, s->colour);
    all.encode = encoders[s->log_format];
    const struct spy__pump_options options = {
        .sink = s->sink,
        .state_dir = all.state_dir.lock_fd >= 0 ? s->state_dir : NULL,
        .full_wait_ms = s->full_wait_ms,
        .slots = s->ring_slots,
        .ring_bytes = s->ring_bytes,
        .overflowed = spy__log_overflowed,
        .encode = encode_line,
        .keep = keep_record,
        .kept = spy__keep_flush,
        .tend = spy__health_tend,
        .written = spy__log_written,
        .lost = lose,
        .redact = s->redact,
        .repeats_max = s->log_repeats_max,
        .repeated = spy__log_repeated,
    };
    int why, err = spy__pump_start(&options, &why);
    all.state_dir_why = all.state_dir_why ? all.state_dir_why : why;
    spy__spans_want(err == 0 && wants_recent(s));
    spy__errors_want(err == 0 && wants_recent(s));
    return err ? refuse_log(s, err) : 0;
}

#ifdef SPY_WITH_SERVE
// A host is ready for its scraper once resource_usage has its first values.
static bool admin_ready(void)
{
    return __atomic_load_n(&is_ready, __ATOMIC_RELAXED) != 0 && spy__resource_settled();
}

static int start_admin(const struct spy__settings *s)
{
    char error[SPY__ADMIN_ERROR_MAX];
    if (!s->admin) {
        return 0;
    }
    const struct spy__admin_options options = {
        .address = s->admin,
        .token = s->admin_token,
        .ready = admin_ready,
        .prometheus_url = s->prometheus_url,
        .write_profile = spy__report_write,
        .find_report = spy__reports_find,
#ifdef SPY_WITH_DELIVER
        .fetch = spy__http_get,
        .ask = spy__outbound_asker() ? spy__clickhouse_ask : NULL,
        .asker = spy__outbound_asker(),
#endif
    };
    int err = spy__admin_start(&all.admin, &options, error);
    if (err != 0) {
        return spy__settings_refuse(err, "%s", error);
    }
    __atomic_store_n(&admin_port, spy__admin_port(all.admin), __ATOMIC_RELAXED);
    return 0;
}

static void stop_admin(void)
{
    spy__admin_stop(all.admin);
    all.admin = NULL;
}
#else
static int start_admin(const struct spy__settings *s)
{
    return s->admin
               ? spy__settings_refuse(-ENOTSUP, "admin is set, and this build has no admin server")
               : 0;
}

static void stop_admin(void)
{
}
#endif

static int start_sampler(const struct spy__settings *s)
{
    if (s->resource_period_s == 0) {
        return 0;
    }
    int err = spy__resource_start(s->resource_period_s, s->resource_disk);
    errno = -err; // for %m
    return err ? spy__settings_refuse(err, "the sampler of resource_usage cannot be started: %m")
               : 0;
}

static unsigned left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = spy__monotonic_ns();
    return now_ns < deadline_ns ? (unsigned)((deadline_ns - now_ns) / 1000000u) : 0;
}

// Takes back whatever was started. In a forked child there are no threads to end: only what is its
// own is given up.
static int stop_all(unsigned timeout_ms)
{
    const uint64_t deadline_ns = spy__monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
    __atomic_store_n(&is_ready, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&admin_port, 0, __ATOMIC_RELAXED);
    spy__spans_want(false);
    spy__errors_want(false);
    spy__reports_stop();
    stop_admin();
    spy__profiling_stop();
    spy__resource_stop(left_ms(deadline_ns));
    int err = spy__pump_stop(left_ms(deadline_ns));
    int unsent = spy__outbound_stop(left_ms(deadline_ns));
    spy__errors_stop();
    spy__keep_close();
    spy__event_set_pseudonyms(NULL);
    spy__pseudonyms_free(all.pseudonyms);
    all.pseudonyms = NULL;
    spy__crashes_stop();
    spy__state_dir_close(&all.state_dir);
    all.started = false;
    return err ? err : unsent;
}

static void log_started(const struct spy__settings *s)
{
    spy_info(
        "spyglass_started", spy_str("version", SPYGLASS_VERSION), spy_str("release", s->release),
        spy_str("state_dir", s->state_dir), spy_str("admin", s->admin),
        spy_str("admin_token", s->admin_token), spy_str("log_output", spy__settings_output(s)),
        s->sink.kind == SPY__SINK_FD ? spy_int("log_fd", s->sink.fd)
                                     : spy_str("log_file", s->sink.file.path),
        spy_str("log_format", spy__settings_format(s)),
        spy_str("log_level", spy__level_name(s->log_level)), spy_str("log_levels", s->log_levels),
        spy_str("redact", s->redact), spy_uint("log_repeats_max", s->log_repeats_max),
        spy_uint("full_wait_ms", s->full_wait_ms),
        spy_uint("resource_period_s", s->resource_period_s),
        spy_str("resource_disk", s->resource_period_s ? s->resource_disk : NULL),
        spy_uint("profiling_hz", s->continuous_hz), spy_bool("crash_handler", s->crash_handler),
        spy_str("clickhouse", spy__outbound_clickhouse()),
        spy_str("sentry", spy__outbound_sentry()));
    if (s->sentry_dsn) {
        spy_info("sentry_sampling", spy_double("transactions", s->sampling.rate),
                 spy_double("profiles", s->continuous_hz ? s->profiles_rate : 0),
                 spy_str("failed_and_slow", "always"), spy_uint("slow_ms", s->trace_slow_ms));
    }
}

static int start_all(const struct spy_options *opts)
{
    struct spy__settings s;
    int err = spy__settings_find(&s, opts);
    if (err != 0) {
        return err;
    }
    all.pseudonyms = s.pseudonyms;
    spy__event_set_pseudonyms(all.pseudonyms);
    spy__trace_redact(s.redact);
    spy__stack_warm_up();
    spy__stacks_hold_over_fork(); // before the pump's handlers: its lock is the outer one
    err = register_metrics();
    err = err ? err : open_state_dir(&s);
    err = err ? err : start_keep(&s);
    err = err || !wants_recent(&s) ? err : spy__errors_start(&s);
    err = err ? err : spy__crashes_start(&s, all.state_dir.lock_fd >= 0 ? s.state_dir : NULL);
    err = err ? err : start_pump(&s);
    err = err ? err : spy__outbound_start();
    err = err ? err : start_sampler(&s);
    err = err ? err : spy__profiling_start(&s);
    err = err ? err : start_admin(&s);
    if (err == 0) {
        spy__reports_start(&s, __atomic_load_n(&admin_port, __ATOMIC_RELAXED));
    }
    if (err != 0) {
        (void)stop_all(0);
        return err;
    }
    all.started = true;
    spy__log_levels_set(s.log_level, &s.modules);
    log_started(&s);
    spy__profiling_say();
    if (all.state_dir_why != 0) {
        char text[128];
        spy_warn("spyglass_state_dir_unusable", spy_str("state_dir", s.state_dir),
                 spy_str("error", strerror_r(-all.state_dir_why, text, sizeof(text))));
    }
    spy__crashes_tell();
    return 0;
}

// A fork does not wait for a start or a stop, which may take seconds: a child that finds one half done
// leaves it alone.
static void look_in_child(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    if (pthread_mutex_trylock(&mu) == 0) {
        pthread_mutex_unlock(&mu);
    } else {
        mu = unlocked;
        all.half_done = true;
        all.started = false;
    }
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, look_in_child);
}

static int start_here(const struct spy_options *opts)
{
    if (all.half_done) {
        return spy__settings_refuse(
            -EAGAIN, "this process was forked while Spyglass was being started or stopped");
    }
    return all.started ? spy__settings_refuse(-EALREADY, "Spyglass is started already")
                       : start_all(opts);
}

int spy__start(const struct spy_options *opts, unsigned abi)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const struct spy_options defaults;
    (void)spy__settings_refuse(0, "%s", "");
    if (abi != SPY_ABI) {
        return spy__settings_refuse(
            -EINVAL, "the program was compiled against headers of ABI %u, the library has ABI %u",
            abi, SPY_ABI);
    }
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&mu);
    int err = start_here(opts ? opts : &defaults);
    pthread_mutex_unlock(&mu);
    return err;
}

int spy_stop(unsigned timeout_ms)
{
    pthread_mutex_lock(&mu);
    int err = all.started ? stop_all(timeout_ms) : 0;
    pthread_mutex_unlock(&mu);
    return err;
}

uint16_t spy_admin_port(void)
{
    return __atomic_load_n(&admin_port, __ATOMIC_RELAXED);
}

void spy_ready(int ready)
{
    __atomic_store_n(&is_ready, ready != 0, __ATOMIC_RELAXED);
}

void spy_log_reopen(void)
{
    int error = errno;
    spy__pump_reopen();
    errno = error;
}
