// GET /api/v1/memes/{id}/trace: what the making of a meme took, as JSON or as a page.

#include <errno.h>
#include <stdlib.h>

#include "memegen/api/accept.h"
#include "memegen/api/answer.h"
#include "memegen/api/handle.h"
#include "memegen/api/ids.h"
#include "memegen/api/respond.h"
#include "memegen/api/trace_page.h"
#include "memegen/timeline.h"

// The timeline of a job under way, else what the store has. 0, or a negative errno.
static int find_timeline(struct api *api, const char *id, json_t **ret)
{
    char *text;
    int error;

    *ret = work_timeline(api->work, id);
    if (*ret) {
        return 0;
    }
    error = store_get_timeline(api->options.store, id, &text);
    if (error) {
        return error;
    }
    *ret = timeline_read(text);
    free(text);
    return *ret ? 0 : -EBADMSG;
}

static int respond_page(struct spy_mhd_request *request, const json_t *trace)
{
    size_t len = 0;
    char *page = trace_page(trace, &len);

    if (!page) {
        spy_mhd_fail(request, "internal", "no memory for the page");
        return 0;
    }
    spy_mhd_answer(request, &(struct spy_mhd_answer){
                                .status = 200,
                                .content_type = "text/html; charset=utf-8",
                                .body = page,
                                .body_len = len,
                                .release = free,
                                .release_arg = page,
                                .headers = { { "Cache-Control", "no-store" },
                                             { "Content-Security-Policy",
                                               "default-src 'none'; style-src 'unsafe-inline'; "
                                               "base-uri 'none'; form-action 'none'; "
                                               "frame-ancestors 'none'" },
                                             { "Referrer-Policy", "no-referrer" },
                                             { "Vary", "Accept" },
                                             { "X-Content-Type-Options", "nosniff" } },
                            });
    return 0;
}

static int respond_trace(struct spy_mhd_request *request, json_t *trace)
{
    const struct spy_mhd_header vary = { "Vary", "Accept" };
    int result;

    if (!trace || !accept_page(spy_mhd_header(request, "Accept"))) {
        return respond_json(request, 200, trace, &vary);
    }
    result = respond_page(request, trace);
    json_decref(trace);
    return result;
}

int handle_meme_trace(struct api *api, struct spy_mhd_request *request, const char *param)
{
    struct meme meme = { 0 };
    json_t *timeline = NULL, *trace;
    int error = ids_valid(param) ? store_get_meme(api->options.store, param, &meme) : -ENOENT;

    if (error == -ENOENT) {
        return respond_not_found(request, "There is no meme with this id.");
    }
    if (error) {
        return respond_failed(request, "reading a meme", error);
    }
    error = find_timeline(api, param, &timeline);
    if (error == -ENOENT) {
        meme_done(&meme);
        return respond_not_found(request, "Nothing is known of how this meme was made.");
    }
    if (error) {
        meme_done(&meme);
        return respond_failed(request, "reading a timeline", error);
    }
    trace = answer_trace(&meme, timeline);
    json_decref(timeline);
    meme_done(&meme);
    return respond_trace(request, trace);
}
