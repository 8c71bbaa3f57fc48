// Everything but memes: health, templates, trends, the page.

#include "memegen/api/handle.h"

#include <string.h>

#include "memegen/api/answer.h"
#include "memegen/api/respond.h"

int handle_healthz(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)api;
    (void)param;
    return respond_json(request, 200, json_pack("{s:s}", "status", "ok"), NULL);
}

int handle_readyz(struct api *api, struct spy_mhd_request *request, const char *param)
{
    const struct spy_mhd_header retry = { "Retry-After", "1" };
    int error = work_reserve(api->work);

    (void)param;
    if (error) {
        return respond_error(request, 503, "not_ready", "No more memes are taken on just now.",
                             NULL, &retry);
    }
    work_cancel(api->work);
    if (store_ping(api->options.store) != 0) {
        return respond_error(request, 503, "not_ready", "The database does not answer.", NULL,
                             &retry);
    }
    return respond_json(request, 200, json_pack("{s:s}", "status", "ready"), NULL);
}

int handle_templates(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)param;
    return respond_json(request, 200, answer_templates(api->options.scenes), NULL);
}

int handle_template(struct api *api, struct spy_mhd_request *request, const char *param)
{
    const struct scene_info *scene = scenes_find(api->options.scenes, param);

    if (!scene) {
        return respond_not_found(request, "There is no template with this id.");
    }
    return respond_json(request, 200, answer_template(scene), NULL);
}

int handle_trends(struct api *api, struct spy_mhd_request *request, const char *param)
{
    json_t *trends = pipeline_trends(api->options.pipeline);

    (void)param;
    if (!trends) {
        spy_mhd_fail(request, "internal", "there are no trends to be had");
        return 0;
    }
    return respond_json(request, 200, json_pack("{s:o}", "trends", trends), NULL);
}

// The page may load what this service serves, and nothing else; no script or style stands in the
// HTML.
static int respond_file(struct spy_mhd_request *request, const char *content_type,
                        const struct page_file *file)
{
    spy_mhd_answer(request,
                   &(struct spy_mhd_answer){
                       .status = 200,
                       .content_type = content_type,
                       .body = file->bytes,
                       .body_len = file->len,
                       .headers = { { "Cache-Control", "no-cache" },
                                    { "Content-Security-Policy",
                                      "default-src 'none'; script-src 'self'; style-src 'self'; "
                                      "img-src 'self'; connect-src 'self'; base-uri 'none'; "
                                      "form-action 'none'; frame-ancestors 'none'" },
                                    { "Referrer-Policy", "no-referrer" },
                                    { "X-Content-Type-Options", "nosniff" } },
                   });
    return 0;
}

int handle_page(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)param;
    return respond_file(request, "text/html; charset=utf-8", &api->page->html);
}

int handle_page_css(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)param;
    return respond_file(request, "text/css; charset=utf-8", &api->page->css);
}

int handle_page_js(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)param;
    return respond_file(request, "text/javascript; charset=utf-8", &api->page->js);
}
