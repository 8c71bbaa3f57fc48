#include "outbound.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "deliver/http.h"
#include "spyglass/log.h"

#define BACKENDS_MAX 2u
#define NEWS (SPY__JOURNAL_CURSOR + 1)

static struct {
    pid_t pid;       // whose they all are
    char *state_dir; // copied; NULL for none
    struct spy__backend made[BACKENDS_MAX];
    const struct spy__backend *backends[BACKENDS_MAX];
    size_t count; // of them
    struct spy__http *http;
    struct spy__journal *journal;

    pthread_mutex_t mu;         // a leaf: the journal's lock may be held
    struct spy__engine *engine; // guarded by mu
    bool quiet;                 // guarded by mu: no line can be written any more
    struct {
        bool is_new;
        int err;
        char name[SPY__JOURNAL_NAME_MAX + 1];
    } news[NEWS]; // guarded by mu: what the journal told, the last of each kind
} out = { .mu = PTHREAD_MUTEX_INITIALIZER };

// ---- the log

// The journal tells with its lock held, by the pump's thread too: its lines are written later, by
// the engine's.
static void keep_news(void *arg, enum spy__journal_news what, const char *name, int err)
{
    (void)arg;
    pthread_mutex_lock(&out.mu);
    out.news[what].is_new = true;
    out.news[what].err = err;
    (void)snprintf(out.news[what].name, sizeof(out.news[what].name), "%s", name ? name : "");
    if (out.engine) {
        spy__engine_wake(out.engine);
    }
    pthread_mutex_unlock(&out.mu);
}

void spy__outbound_wake(void)
{
    pthread_mutex_lock(&out.mu);
    if (out.engine) {
        spy__engine_wake(out.engine);
    }
    pthread_mutex_unlock(&out.mu);
}

static const char *text_of(int err, char text[128])
{
    return strerror_r(-err, text, 128);
}

static void say_news(enum spy__journal_news what, const char *name, int err)
{
    char text[128];
    switch (what) {
    case SPY__JOURNAL_IN_MEMORY:
        spy_warn("journal_in_memory", spy_str("error", text_of(err, text)));
        break;
    case SPY__JOURNAL_FAILS:
        spy_warn("journal_write_failing", spy_str("error", text_of(err, text)));
        break;
    case SPY__JOURNAL_WORKS:
        spy_info("journal_write_works");
        break;
    case SPY__JOURNAL_ASIDE:
        spy_warn("journal_segment_set_aside", spy_str("segment", name),
                 spy_str("error", err == -EPROTO ? "it has another version" : "it is unreadable"));
        break;
    case SPY__JOURNAL_DAMAGED:
        spy_warn("journal_segment_damaged", spy_str("segment", name));
        break;
    case SPY__JOURNAL_CURSOR:
        spy_warn("journal_cursor_unwritable", spy_str("backend", name),
                 spy_str("error", text_of(err, text)));
        break;
    }
}

bool spy__outbound_is_quiet(void)
{
    pthread_mutex_lock(&out.mu);
    bool quiet = out.quiet;
    pthread_mutex_unlock(&out.mu);
    return quiet;
}

static void say_all_news(void *arg)
{
    (void)arg;
    for (int what = 0; what < NEWS; what++) {
        pthread_mutex_lock(&out.mu);
        bool is_new = out.news[what].is_new && !out.quiet;
        int err = out.news[what].err;
        char name[SPY__JOURNAL_NAME_MAX + 1];
        memcpy(name, out.news[what].name, sizeof(name));
        out.news[what].is_new = false;
        pthread_mutex_unlock(&out.mu);
        if (is_new) {
            say_news((enum spy__journal_news)what, name, err);
        }
    }
}

static void say_fails(void *arg, const char *backend, const struct spy__verdict *verdict)
{
    (void)arg;
    if (!spy__outbound_is_quiet()) {
        spy_warn("delivery_failing", spy_str("backend", backend),
                 spy_str("reason", verdict->reason), spy_str("error", verdict->text));
    }
}

static void say_works(void *arg, const char *backend, uint64_t ns)
{
    (void)arg;
    if (!spy__outbound_is_quiet()) {
        spy_info("delivery_works", spy_str("backend", backend),
                 spy_double("failed_for_s", (double)ns / 1e9));
    }
}

static void say_buried(void *arg, const char *backend, const struct spy__verdict *verdict,
                       uint64_t records, int err)
{
    char text[128];
    (void)arg;
    if (err == 0) {
        spy__outbound_kept_dead(backend, records);
    }
    if (!spy__outbound_is_quiet()) {
        spy_log_error("delivery_dropped", spy_str("backend", backend),
                      spy_str("reason", verdict->reason), spy_str("error", verdict->text),
                      spy_uint("records", records),
                      spy_str("dead_letters", err == 0         ? "kept"
                                              : err == -ENOENT ? "none"
                                                               : text_of(err, text)));
    }
}

static void say_forgets(void *arg, const char *backend, int err)
{
    char text[128];
    (void)arg;
    if (!spy__outbound_is_quiet()) {
        spy_warn("delivery_state_unwritable", spy_str("backend", backend),
                 spy_str("error", text_of(err, text)));
    }
}

static void look(void *arg, const char *backend, uint64_t queued, uint64_t records, uint64_t bytes,
                 bool failing)
{
    struct spy__journal_state state;
    spy__outbound_waits(arg, backend, queued, records, bytes, failing);
    spy__journal_look(out.journal, &state);
    spy__outbound_journal_is(&state);
}

// ---- start and stop

const struct spy__journal_options *spy__outbound_journal(struct spy__journal_options *ret,
                                                         const struct spy__settings *settings,
                                                         const char *state_dir)
{
    if (!settings->clickhouse_url && !settings->sentry_dsn) {
        return NULL;
    }
    *ret = (struct spy__journal_options){
        .state_dir = state_dir,
        .bytes_max = settings->journal_max_bytes,
        .lost = spy__outbound_lost,
        .tell = keep_news,
        .found = settings->sentry_dsn ? spy__outbound_sentry_found : NULL,
    };
    return ret;
}

// The backends that are configured, in the order of the engine's slots.
static int make_backends(const struct spy__settings *s, const char *state_dir)
{
    int err = 0;
    out.count = 0;
    if (s->clickhouse_url) {
        err = spy__outbound_clickhouse_make(&out.made[out.count++], s);
    }
    if (err == 0 && s->sentry_dsn) {
        err = spy__outbound_sentry_make(&out.made[out.count++], s, state_dir);
    }
    for (size_t i = 0; i < out.count; i++) {
        out.backends[i] = &out.made[i];
    }
    return err;
}

// What the parent's threads hold is not here, nor are they.
static void become_child(void)
{
    out.mu = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    spy__outbound_sentry_forget();
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, become_child);
}

static int open_engine(struct spy__journal *journal)
{
    struct spy__engine *engine;
    int err = spy__http_open(&out.http, (unsigned)out.count);
    if (err != 0) {
        return err;
    }
    const struct spy__engine_options options = {
        .journal = journal,
        .state_dir = out.state_dir,
        .backends = out.backends,
        .count = out.count,
        .transport = spy__http_transport(out.http),
        .hooks = { .count = spy__outbound_count,
                   .dropped = spy__outbound_dropped,
                   .took = spy__outbound_took,
                   .fails = say_fails,
                   .works = say_works,
                   .buried = say_buried,
                   .forgets = say_forgets },
        .waits = look,
        .woken = say_all_news,
    };
    out.journal = journal;
    err = spy__engine_open(&engine, &options);
    if (err == 0) {
        pthread_mutex_lock(&out.mu);
        out.engine = engine;
        pthread_mutex_unlock(&out.mu);
    }
    return err;
}

int spy__outbound_open(const struct spy__settings *settings, const char *state_dir,
                       struct spy__journal *journal)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!journal) {
        return 0;
    }
    pthread_once(&once, watch_forks);
    out.pid = getpid();
    out.state_dir = state_dir ? strdup(state_dir) : NULL;
    if (state_dir && !out.state_dir) {
        return spy__settings_refuse(-ENOMEM, "there is no memory for delivery");
    }
    int err = make_backends(settings, state_dir);
    if (err != 0) {
        return err;
    }
    err = spy__outbound_register();
    if (err != 0) {
        return spy__settings_refuse(err, "the metrics of delivery cannot be registered");
    }
    for (size_t i = 0; i < out.count; i++) {
        spy__outbound_show(out.made[i].name);
    }
    err = open_engine(journal);
    errno = -err; // for %m
    return err ? spy__settings_refuse(err, "delivery cannot be started: %m") : 0;
}

int spy__outbound_start(void)
{
    out.quiet = false; // no thread of ours runs yet
    int err = out.engine ? spy__engine_start(out.engine) : 0;
    errno = -err; // for %m
    return err ? spy__settings_refuse(err, "the delivery thread cannot be started: %m") : 0;
}

int spy__outbound_stop(unsigned timeout_ms)
{
    pthread_mutex_lock(&out.mu);
    struct spy__engine *engine = out.engine;
    out.engine = NULL;
    out.quiet = true;
    memset(out.news, 0, sizeof(out.news));
    pthread_mutex_unlock(&out.mu);
    uint64_t lost = spy__engine_stop(engine, timeout_ms);
    bool child = out.pid != getpid();
    spy__outbound_clickhouse_free(child);
    spy__outbound_sentry_free(child);
    if (!child) { // a child's copy may be half of something
        spy__http_close(out.http);
        free(out.state_dir);
    }
    out.http = NULL;
    out.state_dir = NULL;
    return lost > 0 ? -ETIMEDOUT : 0;
}
