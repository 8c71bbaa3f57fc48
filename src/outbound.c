#include "outbound.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "backends/clickhouse.h"
#include "deliver/http.h"
#include "spyglass/log.h"

// A batch of ClickHouse's. A server likes them large; these are made within a tenth of a second at
// a hundred thousand events a second, and are a second old at most.
#define CLICKHOUSE_ROWS 20000u
#define CLICKHOUSE_BYTES (4u << 20)
#define CLICKHOUSE_AGE_MS 1000u

#define NEWS (SPY__JOURNAL_CURSOR + 1)

// What the host's options say, copied: they are the host's again once it has started.
enum {
    COPY_STATE_DIR,
    COPY_SERVICE,
    COPY_ENVIRONMENT,
    COPY_CA,
    COPY_CERT,
    COPY_KEY,
    COPIES,
};

static struct {
    pid_t pid;            // whose they all are
    char *copies[COPIES]; // NULL for what is not given
    struct spy__clickhouse *clickhouse;
    struct spy__backend backend;
    const struct spy__backend *backends[1];
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

static bool is_quiet(void)
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
    if (!is_quiet()) {
        spy_warn("delivery_failing", spy_str("backend", backend),
                 spy_str("reason", verdict->reason), spy_str("error", verdict->text));
    }
}

static void say_works(void *arg, const char *backend, uint64_t ns)
{
    (void)arg;
    if (!is_quiet()) {
        spy_info("delivery_works", spy_str("backend", backend),
                 spy_double("failed_for_s", (double)ns / 1e9));
    }
}

static void say_buried(void *arg, const char *backend, const struct spy__verdict *verdict,
                       uint64_t records, int err)
{
    char text[128];
    (void)arg;
    if (!is_quiet()) {
        spy_log_error("delivery_dropped", spy_str("backend", backend),
                      spy_str("reason", verdict->reason), spy_str("error", verdict->text),
                      spy_uint("records", records),
                      spy_str("dead_letters", err == 0 ? "kept" : text_of(err, text)));
    }
}

static void say_forgets(void *arg, const char *backend, int err)
{
    char text[128];
    (void)arg;
    if (!is_quiet()) {
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
    spy__outbound_journal_bytes(state.bytes);
}

// ---- start and stop

const struct spy__journal_options *spy__outbound_journal(struct spy__journal_options *ret,
                                                         const struct spy__settings *settings,
                                                         const char *state_dir)
{
    if (!settings->clickhouse_url) {
        return NULL;
    }
    *ret = (struct spy__journal_options){
        .state_dir = state_dir,
        .bytes_max = settings->journal_max_bytes,
        .lost = spy__outbound_lost,
        .tell = keep_news,
    };
    return ret;
}

static void say_migrated(void *arg, const char *name)
{
    (void)arg;
    if (!is_quiet()) {
        spy_info("clickhouse_migrated", spy_str("migration", name));
    }
}

static void free_copies(void)
{
    for (int i = 0; i < COPIES; i++) {
        free(out.copies[i]);
        out.copies[i] = NULL;
    }
}

static int copy_options(const struct spy__settings *s, const char *state_dir)
{
    const char *const from[COPIES] = {
        [COPY_STATE_DIR] = state_dir,        [COPY_SERVICE] = s->service,
        [COPY_ENVIRONMENT] = s->environment, [COPY_CA] = s->clickhouse_ca,
        [COPY_CERT] = s->clickhouse_cert,    [COPY_KEY] = s->clickhouse_key,
    };
    for (int i = 0; i < COPIES; i++) {
        out.copies[i] = from[i] ? strdup(from[i]) : NULL;
        if (from[i] && !out.copies[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int make_clickhouse(const struct spy__settings *s)
{
    const char *why = "no memory";
    const struct spy__clickhouse_options options = {
        .url = s->clickhouse_url,
        .service = out.copies[COPY_SERVICE],
        .environment = out.copies[COPY_ENVIRONMENT],
        .no_migrate = s->clickhouse_no_migrate,
        .applied = say_migrated,
    };
    int err = spy__clickhouse_new(&out.clickhouse, &options, &why);
    if (err != 0) {
        return spy__settings_refuse(err, "clickhouse_url cannot be used: %s", why);
    }
    out.backend = (struct spy__backend){
        .name = "clickhouse",
        .base = spy__clickhouse_base(out.clickhouse),
        .tls = { out.copies[COPY_CA], out.copies[COPY_CERT], out.copies[COPY_KEY] },
        .self = out.clickhouse,
        .kinds = 1u << SPY__KIND_EVENT,
        .rows_max = CLICKHOUSE_ROWS,
        .bytes_max = CLICKHOUSE_BYTES,
        .age_ms = CLICKHOUSE_AGE_MS,
        .prepare = spy__clickhouse_prepare,
        .prepared = spy__clickhouse_prepared,
        .encode = spy__clickhouse_encode,
        .judge = spy__clickhouse_judge,
        .bury = spy__clickhouse_bury,
    };
    out.backends[0] = &out.backend;
    return 0;
}

// What the parent's threads hold is not here, nor are they.
static void become_child(void)
{
    out.mu = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, become_child);
}

static int open_engine(struct spy__journal *journal)
{
    struct spy__engine *engine;
    int err = spy__http_open(&out.http, 1);
    if (err != 0) {
        return err;
    }
    const struct spy__engine_options options = {
        .journal = journal,
        .state_dir = out.copies[COPY_STATE_DIR],
        .backends = out.backends,
        .count = 1,
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
    int err = copy_options(settings, state_dir);
    if (err != 0) {
        return spy__settings_refuse(err, "there is no memory for delivery");
    }
    err = make_clickhouse(settings);
    if (err != 0) {
        return err;
    }
    err = spy__outbound_register();
    if (err != 0) {
        return spy__settings_refuse(err, "the metrics of delivery cannot be registered");
    }
    spy__outbound_show(out.backend.name);
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

const char *spy__outbound_clickhouse(void)
{
    return out.clickhouse ? spy__clickhouse_base(out.clickhouse) : NULL;
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
    if (out.pid == getpid()) { // a child's copy may be half of something
        spy__http_close(out.http);
        spy__clickhouse_free(out.clickhouse);
        free_copies();
    }
    out.http = NULL;
    out.clickhouse = NULL;
    return lost > 0 ? -ETIMEDOUT : 0;
}
