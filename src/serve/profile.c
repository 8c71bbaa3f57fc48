#include "serve/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/heap.h"
#include "profile/sampler.h"
#include "serve/params.h"
#include "serve/slow.h"

#define KEPT "/debug/profiles/"
#define NS_PER_S UINT64_C(1000000000)
#define TEXT "text/plain; charset=utf-8"
// Longest answer.
#define BYTES_MAX (32u << 20)
// Digits of a second since 1970 that fit as nanoseconds.
#define SECONDS_DIGITS_MAX 10u

void spy__profile_views_init(struct spy__profile_views *views, spy__profile_write *write,
                             spy__profile_find *find)
{
    spy__slots_init(&views->slots, SPY__PROFILE_VIEWS_MAX);
    spy__slots_init(&views->pause, 0);
    views->write = write;
    views->find = find;
}

void spy__profile_views_close(struct spy__profile_views *views)
{
    spy__slots_close(&views->slots);
    spy__slots_close(&views->pause);
}

void spy__profile_views_done(struct spy__profile_views *views)
{
    spy__slots_done(&views->slots);
    spy__slots_done(&views->pause);
}

// ---- the question

bool spy__profile_view_has(const char *path, struct spy__profile_ask_view *ret)
{
    static const struct {
        const char *path;
        struct spy__wish wish;
        bool heap;
    } views[] = {
        { "/debug/pprof/profile", { .form = SPY__WISH_PPROF, .cpu = true } },
        { "/debug/pprof/heap", { .form = SPY__WISH_PPROF }, .heap = true },
        { "/debug/pprof/wall", { .form = SPY__WISH_PPROF } },
        { "/debug/pprof/folded", { .form = SPY__WISH_FOLDED } },
        { "/debug/flamegraph", { .form = SPY__WISH_HTML } },
    };
    if (strncmp(path, KEPT, sizeof(KEPT) - 1) == 0) {
        *ret = (struct spy__profile_ask_view){ .kept = true };
        return true;
    }
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        if (strcmp(path, views[i].path) == 0) {
            *ret = (struct spy__profile_ask_view){ .wish = views[i].wish,
                                                   .heap = views[i].heap,
                                                   .seconds = SPY__PROFILE_VIEW_SECONDS };
            return true;
        }
    }
    const char *id = path + strlen(SPY__SLOW_PATH);
    if (strncmp(path, SPY__SLOW_PATH, strlen(SPY__SLOW_PATH)) != 0 || !id[0] ||
        strlen(id) > SPY__PROFILE_VIEW_ID_MAX) {
        return false;
    }
    *ret = (struct spy__profile_ask_view){ .wish = { .form = SPY__WISH_HTML } };
    (void)snprintf(ret->id, sizeof(ret->id), "%s", id);
    return true;
}

static bool read_number(uint64_t *ret, const char *value)
{
    size_t n = strspn(value, "0123456789");
    if (n == 0 || n > SECONDS_DIGITS_MAX || value[n]) {
        return false;
    }
    *ret = strtoull(value, NULL, 10);
    return true;
}

int spy__profile_view_param(struct spy__profile_ask_view *ask, const char *name, const char *value,
                            const char **ret_why)
{
    uint64_t number = 0;
    bool ok = true;
    if (!value || !value[0]) {
        return 0;
    }
    if (strcmp(name, "seconds") == 0) {
        *ret_why = "seconds is 1 to 60.";
        ok = read_number(&number, value) && number >= 1 && number <= SPY__PROFILE_VIEW_SECONDS_MAX;
        ask->seconds = ok ? (unsigned)number : ask->seconds;
    } else if (strcmp(name, "from") == 0) {
        *ret_why = "from is in seconds since 1970.";
        ok = ask->time.has_from = read_number(&ask->time.from_s, value);
    } else if (strcmp(name, "to") == 0) {
        *ret_why = "to is in seconds since 1970.";
        ok = ask->time.has_to = read_number(&ask->time.to_s, value);
    } else if (strcmp(name, "against_from") == 0) {
        *ret_why = "against_from is in seconds since 1970.";
        ok = ask->against.has_from = read_number(&ask->against.from_s, value);
    } else if (strcmp(name, "against_to") == 0) {
        *ret_why = "against_to is in seconds since 1970.";
        ok = ask->against.has_to = read_number(&ask->against.to_s, value);
    } else if (strcmp(name, "view") == 0) {
        *ret_why = "view is cpu or wall.";
        ok = strcmp(value, "cpu") == 0 || strcmp(value, "wall") == 0;
        // /debug/pprof/profile and /debug/pprof/wall have said it
        ask->wish.cpu = ask->wish.form == SPY__WISH_PPROF ? ask->wish.cpu : value[0] == 'c';
    } else if (strcmp(name, "kind") == 0) {
        *ret_why = "kind is heap, or left out.";
        ok = ask->heap = strcmp(value, "heap") == 0;
    } else if (strcmp(name, "profile") == 0) {
        (void)spy__wish_read(&ask->wish, value, strlen(value), NULL);
    } else if (strcmp(name, "id") == 0) {
        *ret_why = "id is a correlation id or a trace id.";
        ok = strlen(value) <= SPY__PROFILE_VIEW_ID_MAX;
        (void)snprintf(ask->id, sizeof(ask->id), "%s", ok ? value : "");
    }
    return ok ? 0 : -EINVAL;
}

static bool is_said(const struct spy__profile_time *time)
{
    return time->has_from || time->has_to;
}

bool spy__profile_view_agrees(const struct spy__profile_ask_view *ask, const char **ret_why)
{
    const bool form = ask->wish.form == SPY__WISH_HTML || ask->wish.form == SPY__WISH_FOLDED;
    if (is_said(&ask->against) && (!form || ask->heap || ask->id[0])) {
        *ret_why = "Two times of the process are compared, as a page or as folded text.";
        return false;
    }
    return true;
}

static int take_param(void *arg, const char *name, const char *value, const char **ret_why)
{
    return spy__profile_view_param(arg, name, value, ret_why);
}

// ---- the profile

// Of the process, from now on. Returns 0 or a negative errno.
static int sample(struct spy__profile_views *views, const struct spy__profile_ask_view *ask,
                  struct spy__profile **ret)
{
    uint32_t session;
    int err = spy__profile_begin(
        &session,
        &(struct spy__profile_ask){ .kind = ask->wish.cpu ? SPY__PROFILE_CPU : SPY__PROFILE_WALL,
                                    .rate_hz = ask->wish.rate_hz,
                                    .whole_process = true });
    if (err != 0) {
        return err;
    }
    (void)spy__slots_take(&views->pause, ask->seconds * NS_PER_S);
    *ret = spy__profile_end(session);
    return *ret ? 0 : -ENOMEM;
}

static int window(const struct spy__profile_time *time, struct spy__profile **ret)
{
    uint64_t from_ns, to_ns;
    if (!spy__profile_covered(&from_ns, &to_ns)) {
        return -ENODATA;
    }
    *ret = spy__profile_window(time->has_from ? time->from_s * NS_PER_S : from_ns,
                               time->has_to ? time->to_s * NS_PER_S : to_ns);
    return *ret ? 0 : -ENOMEM;
}

static int history(const struct spy__profile_ask_view *ask, struct spy__profile **ret)
{
    struct spy__profile *profile = NULL;
    int err = window(&ask->time, &profile);
    if (err == 0 && is_said(&ask->against)) {
        err = window(&ask->against, &profile->against);
    }
    if (err != 0) {
        spy__profile_free(profile);
        return err;
    }
    *ret = profile;
    return 0;
}

static int find(struct spy__profile_views *views, const struct spy__profile_ask_view *ask,
                struct spy__profile **ret)
{
    if (ask->heap) {
        return spy__profile_heap(ret, spy__heap_source());
    }
    if (ask->id[0]) {
        *ret = spy__profile_of_slow(ask->id);
        return *ret ? 0 : -ENOENT;
    }
    return is_said(&ask->time) || is_said(&ask->against) ? history(ask, ret)
                                                         : sample(views, ask, ret);
}

// ---- the answer

static struct MHD_Response *say(unsigned *ret_status, unsigned status, const char *text)
{
    *ret_status = status;
    return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                           MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *refuse(int err, unsigned *ret_status)
{
    switch (err) {
    case -EBUSY:
        return say(ret_status, MHD_HTTP_TOO_MANY_REQUESTS,
                   "Too many profiles are being taken: try again in a moment.\n");
    case -ENOENT:
        return say(ret_status, MHD_HTTP_NOT_FOUND,
                   "No profile of this request is kept, or no longer.\n");
    case -ENODATA:
        return say(ret_status, MHD_HTTP_NOT_FOUND,
                   "There is no history: continuous profiling is off (SPY_PROFILING).\n");
    case -ENOSYS:
        return say(ret_status, MHD_HTTP_NOT_IMPLEMENTED,
                   "The heap is not sampled: start the program with "
                   "LD_PRELOAD=libspyglass-malloc.so, "
                   "and SPY_HEAP_SAMPLE_BYTES not 0 (docs/profiling.md).\n");
    case -EPERM:
        return say(ret_status, MHD_HTTP_NOT_IMPLEMENTED,
                   "The program handles SIGPROF itself: it cannot be profiled.\n");
    case -ENOTSUP:
        return say(ret_status, MHD_HTTP_NOT_IMPLEMENTED, "This process cannot be profiled.\n");
    default:
        return say(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE,
                   "There is no memory, or no thread, for a profile.\n");
    }
}

static struct MHD_Response *give(struct spy__buf *body, const char *type)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->len, body->bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        spy__buf_done(body);
        return NULL;
    }
    if (strcmp(type, "application/octet-stream") == 0) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION,
                                      "attachment; filename=\"profile.pb.gz\"");
    }
    (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    (void)MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    return response;
}

// Called with a slot.
static struct MHD_Response *answer(struct spy__profile_views *views,
                                   const struct spy__profile_ask_view *ask, unsigned *ret_status,
                                   const char **ret_type)
{
    struct spy__profile *profile = NULL;
    struct spy__buf body;
    int err = find(views, ask, &profile);
    if (err != 0) {
        return refuse(err, ret_status);
    }
    char title[160];
    (void)snprintf(title, sizeof(title), "%s%s",
                   ask->heap    ? "The heap"
                   : ask->id[0] ? "Request "
                                : "The process",
                   ask->heap ? "" : ask->id);
    spy__buf_init(&body, BYTES_MAX);
    err = views->write(&body, profile, &ask->wish, title, 0, ret_type);
    spy__profile_free(profile);
    if (err != 0) {
        spy__buf_done(&body);
        *ret_type = TEXT;
        return refuse(err, ret_status);
    }
    *ret_status = MHD_HTTP_OK;
    return give(&body, *ret_type);
}

static struct MHD_Response *answer_kept(struct spy__profile_views *views, const char *id,
                                        unsigned *ret_status, const char **ret_type)
{
    struct spy__buf body;
    spy__buf_init(&body, BYTES_MAX);
    int err = views->find ? views->find(&body, id, ret_type) : -ENOENT;
    if (err != 0) {
        spy__buf_done(&body);
        return refuse(err, ret_status);
    }
    *ret_status = MHD_HTTP_OK;
    return give(&body, *ret_type);
}

struct MHD_Response *spy__profile_view_response(struct spy__profile_views *views,
                                                struct MHD_Connection *connection, const char *path,
                                                unsigned *ret_status, const char **ret_type)
{
    struct spy__profile_ask_view ask = { 0 };
    *ret_type = TEXT;
    (void)spy__profile_view_has(path, &ask);
    const char *why = spy__params_read(connection, take_param, &ask);
    if (why || !spy__profile_view_agrees(&ask, &why)) {
        return say(ret_status, MHD_HTTP_BAD_REQUEST, why);
    }
    if (ask.kept) {
        return answer_kept(views, path + sizeof(KEPT) - 1, ret_status, ret_type);
    }
    if (!views->write) {
        return refuse(-ENOTSUP, ret_status);
    }
    if (!spy__slots_take(&views->slots, 0)) {
        return refuse(-EBUSY, ret_status);
    }
    struct MHD_Response *response = answer(views, &ask, ret_status, ret_type);
    spy__slots_give(&views->slots);
    return response;
}
