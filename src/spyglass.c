// spy_start() and spy_stop(): the one file that knows all parts and wires them.
//
// A start goes through its steps in order, and a step that fails takes back those before it. What a
// log call may look at while the library stops (the pump's options, the style of its lines) is a
// `struct wiring`, which is never freed: one of the same content is used again, so that starts and
// stops do not add up.
//
// Threads: start and stop exclude each other by `mu`.

#include "spyglass/options.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stack.h"
#include "base/utf8.h"
#include "encode/log_console.h"
#include "encode/log_json.h"
#include "encode/log_logfmt.h"
#include "encode/log_style.h"
#include "metrics/process.h"
#include "metrics/resource.h"
#include "profile/stacks.h"
#include "record/pump.h"
#include "record/state_dir.h"
#ifdef SPY_WITH_DELIVER
#include "deliver/http.h"
#endif
#ifdef SPY_WITH_SERVE
#include "serve/admin.h"
#endif
#include "signals/log.h"
#include "spyglass/log.h"

#define NAME_BYTES_MAX 128
#define FULL_WAIT_MS_DEFAULT 100u
#define FULL_WAIT_MS_MAX 60000u
#define RESOURCE_PERIOD_S_MAX 3600u

// The options as they are in force: defaults and environment variables filled in.
struct settings {
    const char *service, *environment, *release, *state_dir, *admin, *admin_token, *resource_disk,
        *prometheus_url;
    int log_fd;
    enum spy_log_format log_format; // not SPY_LOG_AUTO
    bool colour;
    enum spy_level log_level;
    unsigned full_wait_ms, resource_period_s;
};

struct wiring {
    struct wiring *next;
    struct spy__pump_options pump;
    struct spy__log_style style;
    void (*encode)(struct spy__buf *out, const struct spy__record *record, const void *style);
    char service[NAME_BYTES_MAX + 1], environment[NAME_BYTES_MAX + 1];
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool started;
    struct spy__state_dir state_dir;
    struct wiring *wirings;
    struct spy__admin *admin;
} all = { .state_dir.lock_fd = -1 }; // guarded by mu
static uint16_t admin_port;          // atomic, for spy_admin_port()
static int is_ready;                 // atomic, what the host said last

static __thread char start_error[512];

const char *spy_start_error(void)
{
    return start_error;
}

// Keeps the sentence and returns err.
SPY_PRINTF(2, 3) static int refuse(int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(start_error, sizeof(start_error), format, args);
    va_end(args);
    return err;
}

// ---- options

static int check_name(const char *option, const char *value)
{
    size_t n = value ? strlen(value) : 0;
    if (n > NAME_BYTES_MAX) {
        return refuse(-EINVAL, "%s is longer than %d bytes", option, NAME_BYTES_MAX);
    }
    return !value || spy__utf8_valid(value, n) ? 0 : refuse(-EINVAL, "%s is not UTF-8", option);
}

// Finds the value of a variable among the names. Returns its index, or 0 where it is not set or
// empty.
static int choose(int *ret, const char *variable, const char *const names[], const char *said)
{
    const char *value = getenv(variable);
    *ret = 0;
    if (!value || !value[0]) {
        return 0;
    }
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *ret = i;
            return 0;
        }
    }
    return refuse(-EINVAL, "%s is \"%.100s\": it must be one of %s", variable, value, said);
}

static int find_log_level(struct settings *s, enum spy_level option)
{
    static const char *const names[] = { "", "debug", "info", "warn", "error", "off", NULL };
    int level = (int)option, err = 0;
    if (option < SPY_LEVEL_DEFAULT || option > SPY_LEVEL_OFF) {
        return refuse(-EINVAL, "log_level is %d: it is no level", level);
    }
    if (option == SPY_LEVEL_DEFAULT) {
        err = choose(&level, "SPY_LOG_LEVEL", names, "debug, info, warn, error, off");
    }
    s->log_level = level == SPY_LEVEL_DEFAULT ? SPY_LEVEL_INFO : (enum spy_level)level;
    return err;
}

static const char *const format_names[] = { "auto", "json", "console", "logfmt", NULL };

static int find_log_format(struct settings *s, enum spy_log_format option)
{
    int format = (int)option, err = 0;
    if (option < SPY_LOG_AUTO || option > SPY_LOG_LOGFMT) {
        return refuse(-EINVAL, "log_format is %d: it is no format", format);
    }
    if (option == SPY_LOG_AUTO) {
        err = choose(&format, "SPY_LOG_FORMAT", format_names, "auto, json, console, logfmt");
    }
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(s->log_fd) == 1;
    s->log_format = format != SPY_LOG_AUTO ? (enum spy_log_format)format
                    : terminal             ? SPY_LOG_CONSOLE
                                           : SPY_LOG_JSON;
    // https://no-color.org: when present and not empty.
    s->colour = terminal && !(no_color && no_color[0]) && !(term && strcmp(term, "dumb") == 0);
    return err;
}

static int find_full_wait(struct settings *s, unsigned option)
{
    const char *value = getenv("SPY_FULL_WAIT_MS");
    s->full_wait_ms = option ? option : FULL_WAIT_MS_DEFAULT;
    if (option == 0 && value && value[0]) {
        char *end;
        unsigned long ms = strtoul(value, &end, 10);
        if (*end || value[0] < '0' || value[0] > '9' || ms == 0 || ms > FULL_WAIT_MS_MAX) {
            return refuse(-EINVAL, "SPY_FULL_WAIT_MS is \"%.100s\": it must be 1 to %u", value,
                          FULL_WAIT_MS_MAX);
        }
        s->full_wait_ms = (unsigned)ms;
    }
    return option <= FULL_WAIT_MS_MAX ? 0
                                      : refuse(-EINVAL, "full_wait_ms is %u: it must be 1 to %u",
                                               option, FULL_WAIT_MS_MAX);
}

static int check_log_fd(int fd)
{
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags < 0) {
        return refuse(-EBADF, "log_fd %d is not open", fd);
    }
    return (flags & O_ACCMODE) != O_RDONLY
               ? 0
               : refuse(-EBADF, "log_fd %d is not open for writing", fd);
}

static const char *or_null(const char *s)
{
    return s && s[0] ? s : NULL;
}

static int find_settings(struct settings *s, const struct spy_options *o)
{
    *s = (struct settings){
        .service = or_null(o->service) ? o->service : program_invocation_short_name,
        .environment = or_null(o->environment),
        .release = or_null(o->release),
        .state_dir = or_null(o->state_dir),
        .admin = or_null(o->admin),
        .admin_token = or_null(o->admin_token),
        .resource_disk = or_null(o->resource_disk) ? o->resource_disk : "/",
        .log_fd = o->log_fd ? o->log_fd : STDOUT_FILENO,
        .resource_period_s = o->resource_period_s,
        .prometheus_url =
            or_null(o->prometheus_url) ? o->prometheus_url : or_null(getenv("SPY_PROMETHEUS_URL")),
    };
    int err = check_name("service", o->service);
    err = err ? err : check_name("environment", s->environment);
    err = err ? err : check_name("release", s->release);
    err = err ? err : check_log_fd(s->log_fd);
    err = err ? err : find_log_format(s, o->log_format);
    err = err ? err : find_log_level(s, o->log_level);
    err = err ? err : find_full_wait(s, o->full_wait_ms);
    if (err == 0 && o->resource_period_s > RESOURCE_PERIOD_S_MAX) {
        err = refuse(-EINVAL, "resource_period_s is %u: it must be 1 to %u", o->resource_period_s,
                     RESOURCE_PERIOD_S_MAX);
    }
    return err;
}

// ---- the steps of a start

// A host that has a metric of one of these names keeps it.
static int register_metrics(void)
{
    int err = spy__log_register();
    if (err == 0) {
        err = spy__process_register();
    }
    return err && err != -EEXIST ? refuse(err, "the library's own metrics cannot be registered")
                                 : 0;
}

static int open_state_dir(const struct settings *s)
{
    if (!s->state_dir) {
        return 0;
    }
    int err = spy__state_dir_open(&all.state_dir, s->state_dir);
    if (err == -EBUSY && all.state_dir.held_by > 0) {
        return refuse(err, "state_dir %.200s is in use by process %d", s->state_dir,
                      (int)all.state_dir.held_by);
    }
    if (err == -EBUSY) {
        return refuse(err, "state_dir %.200s is in use by another process", s->state_dir);
    }
    errno = -err; // for %m
    return err ? refuse(err, "state_dir %.200s cannot be used: %m", s->state_dir) : 0;
}

static void copy_name(char out[NAME_BYTES_MAX + 1], const char *name)
{
    size_t n = name ? spy__utf8_cut(name, strlen(name), NAME_BYTES_MAX) : 0;
    memcpy(out, name ? name : "", n);
    out[n] = '\0';
}

static bool same_wiring(const struct wiring *a, const struct wiring *b)
{
    return a->pump.fd == b->pump.fd && a->pump.full_wait_ms == b->pump.full_wait_ms &&
           a->encode == b->encode && a->style.colour == b->style.colour &&
           strcmp(a->service, b->service) == 0 && strcmp(a->environment, b->environment) == 0;
}

static void (*const encoders[])(struct spy__buf *out, const struct spy__record *record,
                                const void *style) = {
    [SPY_LOG_JSON] = spy__encode_log_json,
    [SPY_LOG_CONSOLE] = spy__encode_log_console,
    [SPY_LOG_LOGFMT] = spy__encode_log_logfmt,
};

__attribute__((noinline)) // what it needs of the caller's stack, few lines do
static void
encode_with_stacks(struct spy__buf *out, const struct spy__record *record, const struct wiring *w)
{
    struct spy__stacks_room room;
    struct spy__record named = *record;
    spy__stacks_of_record(&named, &room);
    w->encode(out, &named, &w->style);
}

static void encode_line(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    const struct wiring *w = arg;
    if (spy__has_stack(record)) {
        encode_with_stacks(out, record, w);
    } else {
        w->encode(out, record, &w->style);
    }
}

// The wiring of these settings, from an earlier start or new. NULL without memory.
static const struct wiring *find_wiring(const struct settings *s)
{
    struct wiring *w = calloc(1, sizeof(*w));
    if (!w) {
        return NULL;
    }
    copy_name(w->service, s->service);
    copy_name(w->environment, s->environment);
    spy__log_style_init(&w->style, w->service, w->environment, s->colour);
    w->encode = encoders[s->log_format];
    w->pump = (struct spy__pump_options){
        .fd = s->log_fd,
        .full_wait_ms = s->full_wait_ms,
        .encode = encode_line,
        .encode_arg = w,
        .written = spy__log_written,
        .lost = spy__log_lost,
    };
    for (struct wiring *old = all.wirings; old; old = old->next) {
        if (same_wiring(old, w)) {
            free(w);
            return old;
        }
    }
    w->next = all.wirings;
    all.wirings = w;
    return w;
}

static int start_pump(const struct settings *s)
{
    const struct wiring *wiring = find_wiring(s);
    int err = wiring ? spy__pump_start(&wiring->pump) : -ENOMEM;
    errno = -err; // for %m
    return err ? refuse(err, "the log cannot be started: %m") : 0;
}

#ifdef SPY_WITH_SERVE
// A host is ready for its scraper once resource_usage has its first values.
static bool admin_ready(void)
{
    return __atomic_load_n(&is_ready, __ATOMIC_RELAXED) != 0 && spy__resource_settled();
}

static int start_admin(const struct settings *s)
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
#ifdef SPY_WITH_DELIVER
        .fetch = spy__http_get,
#endif
    };
    int err = spy__admin_start(&all.admin, &options, error);
    if (err != 0) {
        return refuse(err, "%s", error);
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
static int start_admin(const struct settings *s)
{
    return s->admin ? refuse(-ENOTSUP, "admin is set, and this build has no admin server") : 0;
}

static void stop_admin(void)
{
}
#endif

static int start_sampler(const struct settings *s)
{
    if (s->resource_period_s == 0) {
        return 0;
    }
    int err = spy__resource_start(s->resource_period_s, s->resource_disk);
    errno = -err; // for %m
    return err ? refuse(err, "the sampler of resource_usage cannot be started: %m") : 0;
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
    stop_admin();
    spy__resource_stop();
    int err = spy__pump_stop(left_ms(deadline_ns));
    spy__state_dir_close(&all.state_dir);
    all.started = false;
    return err;
}

static void log_started(const struct settings *s)
{
    spy_info("spyglass_started", spy_str("version", SPYGLASS_VERSION),
             spy_str("release", s->release), spy_str("state_dir", s->state_dir),
             spy_str("admin", s->admin), spy_str("admin_token", s->admin_token),
             spy_int("log_fd", s->log_fd), spy_str("log_format", format_names[s->log_format]),
             spy_str("log_level", spy__level_name(s->log_level)),
             spy_uint("full_wait_ms", s->full_wait_ms),
             spy_uint("resource_period_s", s->resource_period_s),
             spy_str("resource_disk", s->resource_period_s ? s->resource_disk : NULL));
}

static int start_all(const struct spy_options *opts)
{
    struct settings s;
    int err = find_settings(&s, opts);
    if (err != 0) {
        return err;
    }
    spy__stack_warm_up();
    spy__stacks_hold_over_fork(); // before the pump's handlers: its lock is the outer one
    err = register_metrics();
    err = err ? err : open_state_dir(&s);
    err = err ? err : start_pump(&s);
    err = err ? err : start_sampler(&s);
    err = err ? err : start_admin(&s);
    if (err != 0) {
        (void)stop_all(0);
        return err;
    }
    all.started = true;
    spy_log_set_level(s.log_level);
    log_started(&s);
    return 0;
}

int spy__start(const struct spy_options *opts, unsigned abi)
{
    static const struct spy_options defaults;
    start_error[0] = '\0';
    if (abi != SPY_ABI) {
        return refuse(-EINVAL,
                      "the program was compiled against headers of ABI %u, the library has ABI %u",
                      abi, SPY_ABI);
    }
    pthread_mutex_lock(&mu);
    int err = all.started ? refuse(-EALREADY, "Spyglass is started already")
                          : start_all(opts ? opts : &defaults);
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
