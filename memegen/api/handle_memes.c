// Memes: asked for, made, listed, read, drawn, liked.

#include "memegen/api/handle.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memegen/api/answer.h"
#include "memegen/api/ids.h"
#include "memegen/api/request.h"
#include "memegen/api/respond.h"
#include "memegen/telemetry.h"

#define RETRY_AFTER_S "1" // a worker makes several memes in that time

#define NO_SUCH_MEME "There is no meme with this id."

// Unix time in microseconds, never the same twice, so that `before` divides a list without a gap.
static int64_t created_us(void)
{
    static _Atomic int64_t
        last; // relaxed: each value is taken by one compare-and-swap, nothing else hangs on it
    int64_t before = atomic_load_explicit(&last, memory_order_relaxed);
    struct timespec now;
    int64_t us;

    clock_gettime(CLOCK_REALTIME, &now);
    do {
        us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
        us = us > before ? us : before + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last, &before, us, memory_order_relaxed,
                                                    memory_order_relaxed));
    return us;
}

static void image_key(char ret[MEME_ID_LEN + 5], const char *id)
{
    snprintf(ret, MEME_ID_LEN + 5, "%s.png", id);
}

static int respond_busy(struct spy_mhd_request *request, int error)
{
    const struct spy_mhd_header retry = { "Retry-After", RETRY_AFTER_S };

    if (error == -ESHUTDOWN) {
        return respond_error(request, 503, "shutting_down", "memegen is being stopped.", NULL,
                             &retry);
    }
    return respond_error(request, 503, "busy",
                         "Too many memes are waiting to be made; try again soon.", NULL, &retry);
}

// An argument of the query, NULL where absent. One with a NUL in it is no value that anything
// takes.
static const char *query(const struct spy_mhd_request *request, const char *name)
{
    size_t len;
    const char *value = spy_mhd_query(request, name, &len);

    return value && strlen(value) != len ? "NUL" : value;
}

static void defer(void *request)
{
    spy_mhd_defer(request);
}

// Of a request with ?async=1.
struct accepted {
    struct spy_mhd_request *request;
    const char *id;
};

// Answers before a worker can see the job, so that the request has its place in the timeline
// whenever the job ends.
static void answer_accepted(void *arg)
{
    const struct accepted *accepted = arg;
    char path[ANSWER_PATH_BYTES];
    const struct spy_mhd_header location = { "Location", path };

    answer_path(path, accepted->id, "");
    respond_json(accepted->request, 202, answer_pending(accepted->id), &location);
}

// A place in the queue is held; uses it up.
static int submit(struct api *api, struct spy_mhd_request *request, const struct meme *meme,
                  bool async)
{
    struct accepted accepted = { request, meme->id };
    int error = async ? work_submit(api->work, meme, answer_accepted, &accepted, NULL)
                      : work_submit(api->work, meme, defer, request, request);

    return error ? respond_failed(request, "storing the request", error) : 0;
}

// Whatever is made on behalf of the request from here on says whose it is: lines, errors, traces.
static void bind_user(const char *user_id)
{
    if (user_id[0]) {
        spy_bind(spy_str("user_id", user_id));
    }
}

int handle_memes_post(struct api *api, struct spy_mhd_request *request, const char *param)
{
    struct meme meme = { 0 };
    struct problem problem;
    size_t len;
    const char *body = spy_mhd_body(request, &len);
    bool async;
    int error;

    (void)param;
    if (!request_async(&async, query(request, "async"), &problem) ||
        !request_meme(&meme.request, body, len, &problem)) {
        return respond_problem(request, &problem);
    }
    bind_user(meme.request.user_id);
    if (meme.request.template_id[0] &&
        !scenes_find(api->options.scenes, meme.request.template_id)) {
        return respond_error(request, 422, "unknown_template", "There is no template with this id.",
                             answer_field("template_id", "is not the id of a template"), NULL);
    }
    error = work_reserve(api->work);
    if (error) {
        return respond_busy(request, error);
    }
    error = ids_new(meme.id);
    if (error) {
        work_cancel(api->work);
        return respond_failed(request, "making an id", error);
    }
    meme.created_us = created_us();
    return submit(api, request, &meme, async);
}

// The status that fits what went wrong behind us.
static int failure_status(const char *error_type)
{
    static const struct {
        const char *error_type;
        int status;
    } table[] = {
        { "timeout", 504 },    { "refused", 502 },    { "status_5xx", 502 },
        { "bad_answer", 502 }, { "status_429", 503 },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (error_type && strcmp(table[i].error_type, error_type) == 0) {
            return table[i].status;
        }
    }
    return 500;
}

// Tells the waiting client that its meme was refused, or could not be made.
static void respond_unmade(struct spy_mhd_request *request, const struct meme *meme)
{
    bool rejected = meme->status == MEME_REJECTED;
    int status = rejected ? 422 : failure_status(meme->error_type);
    const struct spy_mhd_header retry = { "Retry-After", RETRY_AFTER_S };
    const char *error_type = meme->error_type ? meme->error_type : "internal";
    const char *message = meme->error_message[0] ? meme->error_message
                          : rejected             ? "The meme was refused."
                                                 : "The meme could not be made.";
    char path[ANSWER_PATH_BYTES];

    answer_path(path, meme->id, "");
    if (!rejected) {
        spy_http_fail(spy_mhd_http(request), error_type, message);
    }
    respond_error(request, status, rejected ? "rejected" : "generation_failed", message,
                  json_pack("{s:s, s:s, s:s, s:s}", "id", meme->id, "status",
                            meme_status_name(meme->status), "error_type", error_type, "meme_url",
                            path),
                  status == 503 ? &retry : NULL);
}

void handle_ended(void *arg, const struct meme *meme, void *job_arg)
{
    struct api *api = arg;
    struct spy_mhd_request *request = job_arg;
    char key[MEME_ID_LEN + 5], path[ANSWER_PATH_BYTES];
    const struct spy_mhd_header location = { "Location", path };
    size_t len = 0;
    char *text = answer_text(answer_meme(meme), &len);

    if (text) {
        cache_set(api->options.cache, CACHE_MEME, meme->id, text, len);
    }
    if (meme->png && meme->status == MEME_SUCCESS) { // not one whose commit failed
        image_key(key, meme->id);
        cache_set(api->options.cache, CACHE_MEME, key, meme->png, meme->png_len);
    }
    if (!request) {
        free(text);
        return;
    }
    spy_mhd_enter(request);
    if (meme->status == MEME_SUCCESS) {
        answer_path(path, meme->id, "");
        respond_text(request, 201, text, len, &location);
    } else {
        free(text);
        respond_unmade(request, meme);
    }
}

int handle_memes_list(struct api *api, struct spy_mhd_request *request, const char *param)
{
    struct problem problem;
    struct meme *memes = NULL;
    size_t limit, count = 0;
    int64_t before;
    json_t *root;
    int error;

    (void)param;
    if (!request_limit(&limit, query(request, "limit"), &problem) ||
        !request_before(&before, query(request, "before"), &problem)) {
        return respond_problem(request, &problem);
    }
    error = store_list_memes(api->options.store, limit, before, &memes, &count);
    if (error) {
        return respond_failed(request, "listing memes", error);
    }
    root = answer_meme_list(memes, count, limit);
    free(memes);
    return respond_json(request, 200, root, NULL);
}

int handle_meme(struct api *api, struct spy_mhd_request *request, const char *param)
{
    struct meme meme = { 0 };
    void *cached;
    size_t len = 0;
    char *text;
    int error;

    if (!ids_valid(param)) {
        return respond_not_found(request, NO_SUCH_MEME);
    }
    if (cache_get(api->options.cache, CACHE_MEME, param, &cached, &len) == 0) {
        return respond_text(request, 200, cached, len, NULL);
    }
    error = store_get_meme(api->options.store, param, &meme);
    if (error == -ENOENT) {
        return respond_not_found(request, NO_SUCH_MEME);
    }
    if (error) {
        return respond_failed(request, "reading a meme", error);
    }
    text = answer_text(answer_meme(&meme), &len);
    if (text && meme.status != MEME_PENDING) { // a pending one changes; all others never do
        cache_set(api->options.cache, CACHE_MEME, param, text, len);
    }
    meme_done(&meme);
    return respond_text(request, 200, text, len, NULL);
}

// Whether If-None-Match names the tag (RFC 9110, section 13.1.2): it alone, in a list, weak or
// strong, or "*".
static bool client_has(const char *if_none_match, const char *tag)
{
    return if_none_match && (strcmp(if_none_match, "*") == 0 || strstr(if_none_match, tag));
}

static int respond_image(struct spy_mhd_request *request, const char *id, unsigned char *png,
                         size_t len)
{
    char tag[MEME_ID_LEN + 3];
    struct spy_mhd_answer answer = {
        .status = 200,
        .content_type = "image/png",
        .body = png,
        .body_len = len,
        .release = free,
        .release_arg = png,
        .headers = { { "ETag", tag },
                     { "Cache-Control", "public, max-age=31536000, immutable" },
                     { "X-Content-Type-Options", "nosniff" } },
    };

    snprintf(tag, sizeof(tag), "\"%s\"", id);
    if (client_has(spy_mhd_header(request, "If-None-Match"), tag)) {
        free(png);
        answer.status = 304;
        answer.content_type = NULL;
        answer.body = NULL;
        answer.body_len = 0;
        answer.release = NULL;
    }
    spy_mhd_answer(request, &answer);
    return 0;
}

int handle_meme_image(struct api *api, struct spy_mhd_request *request, const char *param)
{
    char key[MEME_ID_LEN + 5];
    unsigned char *png;
    void *cached;
    size_t len;
    int error;

    if (!ids_valid(param)) {
        return respond_not_found(request, NO_SUCH_MEME);
    }
    image_key(key, param);
    if (cache_get(api->options.cache, CACHE_MEME, key, &cached, &len) == 0) {
        return respond_image(request, param, cached, len);
    }
    error = store_get_image(api->options.store, param, &png, &len);
    if (error == -ENOENT) {
        return respond_not_found(request, "There is no such meme, or it has no image (yet).");
    }
    if (error) {
        return respond_failed(request, "reading an image", error);
    }
    cache_set(api->options.cache, CACHE_MEME, key, png, len);
    return respond_image(request, param, png, len);
}

int handle_interaction(struct api *api, struct spy_mhd_request *request, const char *param)
{
    struct store_interaction interaction = { 0 };
    struct events_note note;
    struct problem problem;
    size_t len;
    const char *body = spy_mhd_body(request, &len);
    int error;

    if (!request_interaction(&interaction, body, len, &problem)) {
        return respond_problem(request, &problem);
    }
    bind_user(interaction.user_id);
    if (!ids_valid(param)) {
        return respond_not_found(request, NO_SUCH_MEME);
    }
    error = ids_new(interaction.id);
    if (error) {
        return respond_failed(request, "making an id", error);
    }
    snprintf(interaction.meme_id, sizeof(interaction.meme_id), "%s", param);
    interaction.created_us = created_us();
    note = events_note_interaction(api->options.events, interaction.id);
    error = store_put_interaction(api->options.store, &interaction);
    if (error) {
        events_forget(note);
    }
    if (error == -ENOENT) {
        return respond_not_found(request, NO_SUCH_MEME);
    }
    if (error) {
        return respond_failed(request, "storing an interaction", error);
    }
    events_interaction(api->options.events, note, &interaction);
    telemetry_interaction();
    return respond_json(request, 201, answer_interaction(&interaction), NULL);
}
