// Analytics: questions that ClickHouse answers, through the desk.

#include "memegen/api/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memegen/api/answer.h"
#include "memegen/api/respond.h"

#define UNAVAILABLE "analytics_unavailable"

static const struct spy_mhd_header retry = { "Retry-After", "5" };

void handle_analytics_begin(void *request)
{
    spy_mhd_enter(request);
}

void handle_analytics_ended(void *request, const char *text, const char *error)
{
    char *copy = text ? strdup(text) : NULL;

    if (text) {
        respond_text(request, 200, copy, copy ? strlen(copy) : 0, NULL);
    } else {
        respond_error(request, 503, UNAVAILABLE, error, NULL, &retry);
    }
}

static void defer(void *request)
{
    spy_mhd_defer(request);
}

static int ask(struct api *api, struct spy_mhd_request *request, enum analytics_kind kind)
{
    struct analytics_question question;
    const char *values[3], *field, *problem;
    static const char *const names[3] = { "from", "to", "limit" };
    int error;

    for (size_t i = 0; i < 3; i++) {
        size_t len;
        values[i] = spy_mhd_query(request, names[i], &len);
        values[i] = values[i] && strlen(values[i]) != len ? "NUL" : values[i];
    }
    if (!analytics_question(&question, kind, values[0], values[1], values[2], (long)time(NULL),
                            &field, &problem)) {
        return respond_error(request, 422, "invalid_field", problem, answer_field(field, problem),
                             NULL);
    }
    if (!api->desk) {
        return respond_error(request, 503, UNAVAILABLE,
                             "There is no ClickHouse: CLICKHOUSE_URL is not set.", NULL, NULL);
    }
    error = desk_ask(api->desk, &question, defer, request);
    if (error == -ENOMEM) {
        return respond_failed(request, "asking for analytics", error);
    }
    return error ? respond_error(request, 503, UNAVAILABLE,
                                 error == -ESHUTDOWN ? "memegen is being stopped."
                                                     : "Too many questions wait for ClickHouse.",
                                 NULL, &retry)
                 : 0;
}

int handle_popular_templates(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)param;
    return ask(api, request, ANALYTICS_POPULAR_TEMPLATES);
}

int handle_engagement(struct api *api, struct spy_mhd_request *request, const char *param)
{
    (void)param;
    return ask(api, request, ANALYTICS_ENGAGEMENT);
}
