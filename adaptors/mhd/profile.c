// ?profile=: the report of a request in place of its body.

#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct headers {
    struct spy_http_profile_ask *ask;
    unsigned hosts, authorizations;
};

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct headers *seen = arg;
    (void)kind;
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        seen->ask->host = ++seen->hosts == 1 ? value : NULL;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
        seen->ask->authorization = ++seen->authorizations == 1 ? value : NULL;
    } else if (strcasecmp(name, "Forwarded") == 0 || strcasecmp(name, "Via") == 0 ||
               strncasecmp(name, "X-Forwarded-", strlen("X-Forwarded-")) == 0) {
        seen->ask->forwarded = 1;
    }
    return MHD_YES;
}

bool mhd_profile_begin(struct spy_mhd_request *request)
{
    const enum spy_http_profiles who = request->app->options.profiles;
    const char *value = who ? spy_mhd_query(request, "profile", NULL) : NULL;
    if (!value || !value[0]) {
        return true;
    }
    struct spy_http_profile_ask ask = { .who = who,
                                        .value = value,
                                        .accept = spy_mhd_header(request, MHD_HTTP_HEADER_ACCEPT),
                                        .peer = request->peer };
    struct headers seen = { .ask = &ask };
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at_header, &seen);
    int rc = spy_http_profile(request->http, &ask);
    request->profiled = rc == 0;
    return rc != -EBUSY;
}

// What a header says of a body that is not sent.
static bool is_about_body(const char *name)
{
    static const char *const names[] = {
        MHD_HTTP_HEADER_CACHE_CONTROL,
        MHD_HTTP_HEADER_CONTENT_DISPOSITION,
        MHD_HTTP_HEADER_CONTENT_ENCODING,
        MHD_HTTP_HEADER_CONTENT_LANGUAGE,
        MHD_HTTP_HEADER_CONTENT_RANGE,
        "Content-Security-Policy",
        MHD_HTTP_HEADER_ETAG,
        MHD_HTTP_HEADER_LAST_MODIFIED,
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void leave_out_headers(struct spy_mhd_answer *answer)
{
    size_t kept = 0;
    for (size_t i = 0; i < SPY_MHD_HEADERS_MAX && answer->headers[i].name; i++) {
        if (!is_about_body(answer->headers[i].name)) {
            answer->headers[kept++] = answer->headers[i];
        }
    }
    if (kept < SPY_MHD_HEADERS_MAX) {
        answer->headers[kept].name = NULL;
    }
}

void mhd_profile_answer(struct spy_mhd_request *request, struct spy_mhd_answer *answer,
                        struct spy_http_report *report)
{
    if (!request->profiled || spy_http_profile_end(request->http, answer->status, report) != 0) {
        request->profiled = false;
        return;
    }
    if (answer->status >= 300 || answer->status == MHD_HTTP_NO_CONTENT) {
        free(report->body); // its address is told
        return;
    }
    if (answer->release) {
        answer->release(answer->release_arg);
    }
    answer->body = report->body;
    answer->body_len = report->body_len;
    answer->content_type = report->content_type;
    answer->release = free;
    answer->release_arg = report->body;
    leave_out_headers(answer);
}
