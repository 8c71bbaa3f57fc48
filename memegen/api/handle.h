// What the handlers share. One handler a route and method: handle_memes.c has those of memes,
// handle_trace.c that of their timelines, handle_analytics.c those that ClickHouse answers,
// handle_rest.c all others.
#ifndef MEMEGEN_API_HANDLE_H
#define MEMEGEN_API_HANDLE_H

#include <spyglass_mhd.h>

#include "memegen/analytics/desk.h"
#include "memegen/api/api.h"
#include "memegen/api/page.h"
#include "memegen/work.h"

struct api {
    struct api_options options; // const after start
    char address[128];          // const after start
    struct page *page;
    struct work *work;
    struct desk *desk; // NULL: no ClickHouse
    struct spy_mhd *mhd;
    struct MHD_Daemon *daemon;
};

// param: what stands in the place of "{id}". Each answers or defers, and returns 0.
typedef int handle(struct api *api, struct spy_mhd_request *request, const char *param);

handle handle_memes_post;
handle handle_memes_list;
handle handle_meme;
handle handle_meme_image;
handle handle_interaction;
handle handle_meme_trace;

handle handle_popular_templates;
handle handle_engagement;

handle handle_healthz;
handle handle_readyz;
handle handle_templates;
handle handle_template;
handle handle_trends;
handle handle_page;
handle handle_page_css;
handle handle_page_js;

// The desk takes a question up, and has ended it. Of the request that asked.
void handle_analytics_begin(void *request);
void handle_analytics_ended(void *request, const char *text, const char *error);

// A worker has finished: caches what GET will ask for, and answers the request where one waits.
work_ended handle_ended;

#endif
