#include "memegen/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memegen/api/handle.h"
#include "memegen/api/listen.h"
#include "memegen/api/request.h"
#include "memegen/api/respond.h"
#include "memegen/api/route.h"

#define THREADS 4u            // of libmicrohttpd: they wait for the database, so more than cores
#define CONNECTIONS_MAX 1024u // past it new ones wait in the kernel
#define CONNECTION_BYTES (32u << 10) // request line and headers, and the send buffer
#define BODY_BYTES_MAX (64u << 10)   // docs/api.md
#define DRAIN_BYTES_MAX (1u << 20)
#define RECEIVE_TIMEOUT_MS 10000u
#define ABANDON_MS                                                                                 \
    1000u // the part of the time to stop that is left for answering what is not made any more

struct method_handlers {
    handle *get, *post;
};

static const struct method_handlers handlers[ROUTE_COUNT] = {
    [ROUTE_PAGE] = { handle_page, NULL },
    [ROUTE_PAGE_CSS] = { handle_page_css, NULL },
    [ROUTE_PAGE_JS] = { handle_page_js, NULL },
    [ROUTE_HEALTHZ] = { handle_healthz, NULL },
    [ROUTE_READYZ] = { handle_readyz, NULL },
    [ROUTE_MEMES] = { handle_memes_list, handle_memes_post },
    [ROUTE_MEME] = { handle_meme, NULL },
    [ROUTE_MEME_IMAGE] = { handle_meme_image, NULL },
    [ROUTE_MEME_TRACE] = { handle_meme_trace, NULL },
    [ROUTE_MEME_INTERACTIONS] = { NULL, handle_interaction },
    [ROUTE_TEMPLATES] = { handle_templates, NULL },
    [ROUTE_TEMPLATE] = { handle_template, NULL },
    [ROUTE_TRENDS] = { handle_trends, NULL },
    [ROUTE_POPULAR_TEMPLATES] = { handle_popular_templates, NULL },
    [ROUTE_ENGAGEMENT] = { handle_engagement, NULL },
};

static int respond_allow(struct spy_mhd_request *request, const struct route *route)
{
    const struct spy_mhd_header allow = { "Allow", route->allow };

    if (strcmp(spy_mhd_method(request), "OPTIONS") == 0) {
        spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = 204, .headers = { allow } });
        return 0;
    }
    return respond_error(request, 405, "method_not_allowed", "This path does not know this method.",
                         NULL, &allow);
}

// The headers are whole: what can be refused by them alone is refused before a body is read.
static int on_headers(void *arg, struct spy_mhd_request *request)
{
    char param[ROUTE_PARAM_BYTES];
    const struct route *route = route_find(spy_mhd_path(request), param);
    unsigned method = route_method(spy_mhd_method(request));

    (void)arg;
    if (!route) {
        return respond_not_found(request, "There is nothing at this path.");
    }
    spy_mhd_route(request, route->path);
    if (!(route->methods & method)) {
        return respond_allow(request, route);
    }
    if (method == ROUTE_POST && !request_is_json(spy_mhd_header(request, "Content-Type"))) {
        return respond_error(request, 415, "unsupported_media_type",
                             "Send the body as Content-Type: application/json, in UTF-8.", NULL,
                             NULL);
    }
    return 0;
}

static int on_request(void *arg, struct spy_mhd_request *request)
{
    char param[ROUTE_PARAM_BYTES];
    const struct route *route = route_find(spy_mhd_path(request), param);
    const struct method_handlers *handler =
        &handlers[route->id]; // on_headers() let it pass: it exists

    return (route_method(spy_mhd_method(request)) == ROUTE_POST ? handler->post : handler->get)(
        arg, request, param);
}

// Free what api_start() made so far, in the reverse order; MHD is stopped and the workers have
// ended.
static void api_free(struct api *api)
{
    work_free(api->work);
    desk_close(api->desk);
    spy_mhd_free(api->mhd);
    page_free(api->page);
    free(api);
}

static int start_daemon(struct api *api, char *error, size_t error_size)
{
    int fd =
        listen_open(api->options.listen, api->address, sizeof(api->address), error, error_size);

    if (fd < 0) {
        return fd;
    }
    api->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, spy_mhd_access,
        api->mhd, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, THREADS,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
        spy_mhd_daemon_options(api->mhd), MHD_OPTION_END);
    if (!api->daemon) {
        snprintf(error, error_size, "The HTTP server on %s could not be started: %s.",
                 api->options.listen, strerror(errno));
        close(fd);
        return -EIO;
    }
    return 0;
}

static int start_parts(struct api *api, char *error, size_t error_size)
{
    const struct work_options work = {
        .queue = api->options.queue,
        .workers = api->options.workers,
        .pipeline = api->options.pipeline,
        .store = api->options.store,
        .events = api->options.events,
        .ended = handle_ended,
        .arg = api,
    };
    const struct desk_options desk = {
        .server = api->options.clickhouse,
        .begin = handle_analytics_begin,
        .ended = handle_analytics_ended,
    };
    const struct spy_mhd_options mhd = {
        .on_headers = on_headers,
        .on_request = on_request,
        .arg = api,
        .body_max = BODY_BYTES_MAX,
        .drain_max = DRAIN_BYTES_MAX,
        .receive_timeout_ms = RECEIVE_TIMEOUT_MS,
        .profiles = api->options.profiles,
    };
    int code = page_load(&api->page, api->options.data_dir, error, error_size);

    if (code) {
        return code;
    }
    code = route_declare();
    if (!code) {
        code = spy_mhd_new(&api->mhd, &mhd);
    }
    if (!code) {
        code = work_start(&api->work, &work);
    }
    if (!code && desk.server.url && desk.server.url[0]) {
        code = desk_open(&api->desk, &desk);
    }
    if (code) {
        snprintf(error, error_size, "The service could not be started: %s.", strerror(-code));
        return code;
    }
    return start_daemon(api, error, error_size);
}

int api_start(struct api **ret, const struct api_options *options, char *error, size_t error_size)
{
    struct api *api = calloc(1, sizeof(*api));
    int code;

    if (!api) {
        snprintf(error, error_size, "There is no memory for the service.");
        return -ENOMEM;
    }
    api->options = *options;
    code = start_parts(api, error, error_size);
    if (code) {
        if (api->work) {
            work_close(api->work);
        }
        api_free(api);
        return code;
    }
    *ret = api;
    return 0;
}

const char *api_address(const struct api *api)
{
    return api->address;
}

static unsigned elapsed_ms(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)((now.tv_sec - since->tv_sec) * 1000 +
                      (now.tv_nsec - since->tv_nsec) / 1000000);
}

int api_stop(struct api *api, unsigned timeout_ms)
{
    unsigned make_ms = timeout_ms > ABANDON_MS ? timeout_ms - ABANDON_MS : 0;
    struct timespec start;
    MHD_socket listening;
    unsigned spent_ms;

    clock_gettime(CLOCK_MONOTONIC, &start);
    listening = MHD_quiesce_daemon(api->daemon);
    work_close(api->work);
    desk_stop(api->desk);
    if (work_wait(api->work, make_ms / 2) != 0) {
        pipeline_hurry(api->options.pipeline);
    }
    if (work_wait(api->work, make_ms - make_ms / 2) != 0) {
        work_abandon(api->work);
        if (work_wait(api->work, ABANDON_MS) != 0) {
            return -ETIMEDOUT;
        }
    }
    spent_ms = elapsed_ms(&start);
    if (spy_mhd_drain(api->mhd, spent_ms < timeout_ms ? timeout_ms - spent_ms : 0) != 0) {
        spy_warn("requests_cut_off"); // clients that are slow to send or to read; nothing waits for
                                      // a worker
    }
    MHD_stop_daemon(api->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
    }
    api_free(api);
    return 0;
}
