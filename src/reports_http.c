// ?profile=: between the middleware, the sampler, the rules of the admin server and the encoders.

#include "reports.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/sampler.h"
#include "signals/http_profile.h"
#ifdef SPY_WITH_SERVE
#include "serve/access.h"
#endif

struct kept {
    char id[SPY_CORRELATION_MAX + 1];
    const char *type; // static
    char *bytes;
    size_t len;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct kept kept[SPY__REPORTS_KEPT_MAX]; // guarded by mu, as all below: a ring
static size_t kept_next, kept_bytes;
static char *token;      // of the admin server; NULL: none
static char address[80]; // "http://HOST:PORT" of it; "" where there is none
// A report has the lines of its request, from the window, which a stop takes away: it waits for those
// that are being written.
static bool may_write;
static unsigned writing;
static pthread_cond_t written = PTHREAD_COND_INITIALIZER;

// ---- who may

#ifdef SPY_WITH_SERVE
static bool may(const struct spy_http_profile_ask *ask)
{
    const struct spy__access_request request = { .peer = ask->peer,
                                                 .host = ask->host,
                                                 .authorization = ask->authorization,
                                                 .forwarded = ask->forwarded != 0 };
    // A token is no matter of where its bearer is.
    const struct spy__access_request bearer = { .authorization = ask->authorization };
    bool granted = false;
    pthread_mutex_lock(&mu);
    if (ask->who == SPY_HTTP_PROFILES_LOOPBACK) {
        granted = spy__access_check(&request, NULL) == SPY__ACCESS_GRANTED;
    } else if (ask->who == SPY_HTTP_PROFILES_TOKEN) {
        granted = spy__access_check(&bearer, token) == SPY__ACCESS_GRANTED;
    }
    pthread_mutex_unlock(&mu);
    return granted;
}
#else
static bool may(const struct spy_http_profile_ask *ask)
{
    (void)ask;
    return false;
}
#endif

// ---- what is kept

// Called under mu.
static void drop(struct kept *report)
{
    kept_bytes -= report->len;
    free(report->bytes);
    *report = (struct kept){ .len = 0 };
}

static void lock_before_fork(void)
{
    pthread_mutex_lock(&mu);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&mu);
}

// Who wrote a report is not in the child.
static void unlock_in_child(void)
{
    static const pthread_cond_t unused = PTHREAD_COND_INITIALIZER;
    writing = 0;
    written = unused;
    pthread_mutex_unlock(&mu);
}

static void watch_forks(void)
{
    (void)pthread_atfork(lock_before_fork, unlock_after_fork, unlock_in_child);
}

// Keeps a copy, and says where it is. Nothing without an admin server or without memory.
static void keep(struct spy_http_report *report, const char *id)
{
    const size_t len = report->body_len;
    char *copy = malloc(len);
    if (!copy) {
        return;
    }
    memcpy(copy, report->body, len);
    pthread_mutex_lock(&mu);
    if (!address[0]) {
        pthread_mutex_unlock(&mu);
        free(copy);
        return;
    }
    for (size_t i = 0;
         i < SPY__REPORTS_KEPT_MAX && (i == 0 || kept_bytes + len > SPY__REPORTS_KEPT_BYTES_MAX);
         i++) {
        drop(&kept[(kept_next + i) % SPY__REPORTS_KEPT_MAX]); // the oldest first
    }
    struct kept *place = &kept[kept_next];
    kept_next = (kept_next + 1) % SPY__REPORTS_KEPT_MAX;
    *place = (struct kept){ .type = report->content_type, .bytes = copy, .len = len };
    (void)snprintf(place->id, sizeof(place->id), "%s", id);
    kept_bytes += len;
    (void)snprintf(report->address, sizeof(report->address), "%s" SPY__REPORTS_PATH "%s", address,
                   id);
    pthread_mutex_unlock(&mu);
}

int spy__reports_find(struct spy__buf *out, const char *id, const char **ret_type)
{
    int rc = -ENOENT;
    pthread_mutex_lock(&mu);
    for (size_t i = 1; i <= SPY__REPORTS_KEPT_MAX && rc == -ENOENT; i++) {
        const struct kept *report =
            &kept[(kept_next + SPY__REPORTS_KEPT_MAX - i) % SPY__REPORTS_KEPT_MAX];
        if (report->bytes && strcmp(report->id, id) == 0) {
            spy__buf_put(out, report->bytes, report->len);
            *ret_type = report->type;
            rc = out->failed ? -ENOMEM : 0;
        }
    }
    pthread_mutex_unlock(&mu);
    return rc;
}

// ---- the middleware's side

static int begin(uint32_t *ret, const struct spy__wish *wish)
{
    return spy__profile_begin(
        ret, &(struct spy__profile_ask){ .kind = wish->cpu ? SPY__PROFILE_CPU : SPY__PROFILE_WALL,
                                         .rate_hz = wish->rate_hz });
}

static bool begin_writing(void)
{
    pthread_mutex_lock(&mu);
    const bool is_open = may_write;
    writing += is_open;
    pthread_mutex_unlock(&mu);
    return is_open;
}

static void end_writing(void)
{
    pthread_mutex_lock(&mu);
    if (--writing == 0) {
        pthread_cond_broadcast(&written);
    }
    pthread_mutex_unlock(&mu);
}

static int end(struct spy_http_report *ret, uint32_t session, const struct spy__wish *wish,
               const char *title, int status, const char *correlation_id)
{
    struct spy_http_report report = { .body = NULL };
    struct spy__buf body;
    struct spy__profile *profile = spy__profile_end(session);
    if (!profile) {
        return -ENOMEM;
    }
    if (!begin_writing()) { // stopped meanwhile
        spy__profile_free(profile);
        return -ENOMEM;
    }
    spy__buf_init(&body, SPY__REPORT_BYTES_MAX);
    int rc = spy__report_write(&body, profile, wish, title, status, &report.content_type);
    end_writing();
    spy__profile_free(profile);
    if (rc != 0) {
        spy__buf_done(&body);
        return rc;
    }
    report.body = body.bytes;
    report.body_len = body.len;
    keep(&report, correlation_id);
    *ret = report;
    return 0;
}

static const struct spy__http_profiler profiler = {
    .may = may, .begin = begin, .end = end, .cancel = spy__profile_cancel
};

void spy__reports_start(const struct spy__settings *settings, uint16_t port)
{
    const char *admin = port != 0 && settings->admin ? settings->admin : "";
    const char *colon = strrchr(admin, ':');
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&mu);
    token =
        settings->admin_token && settings->admin_token[0] ? strdup(settings->admin_token) : NULL;
    address[0] = '\0';
    if (colon) {
        (void)snprintf(address, sizeof(address), "http://%.*s:%u", (int)(colon - admin), admin,
                       port);
    }
    may_write = true;
    pthread_mutex_unlock(&mu);
    spy__http_profiler_set(&profiler);
}

void spy__reports_stop(void)
{
    spy__http_profiler_set(NULL);
    pthread_mutex_lock(&mu);
    may_write = false;
    while (writing > 0) {
        pthread_cond_wait(&written, &mu);
    }
    for (size_t i = 0; i < SPY__REPORTS_KEPT_MAX; i++) {
        drop(&kept[i]);
    }
    if (token) {
        explicit_bzero(token, strlen(token));
        free(token);
        token = NULL;
    }
    address[0] = '\0';
    pthread_mutex_unlock(&mu);
}
