// The ids in a request's headers: see struct spy_incoming. Headers that may come once are none
// where they come twice, for then nobody can say which one is meant; lists are joined in their order.
// And what else of a request is told where an error of it is.

#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CORRELATION_ID, TRACEPARENT, SENTRY_TRACE, TRACESTATE, BAGGAGE, HEADERS };

static const char *const names[HEADERS] = { "X-Correlation-ID", "traceparent", "sentry-trace",
                                            "tracestate", "baggage" };

struct found {
    const char *value[HEADERS]; // the last one
    unsigned seen[HEADERS];
    size_t bytes[HEADERS]; // of all, with a byte behind each
};

static enum MHD_Result find_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct found *found = arg;
    (void)kind;
    for (size_t i = 0; i < HEADERS; i++) {
        if (value && strcasecmp(name, names[i]) == 0) {
            found->value[i] = value;
            found->seen[i]++;
            found->bytes[i] += strlen(value) + 1;
        }
    }
    return MHD_YES;
}

struct joined {
    const char *name;
    char *end;
};

static enum MHD_Result join_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct joined *joined = arg;
    (void)kind;
    if (value && strcasecmp(name, joined->name) == 0) {
        size_t n = strlen(value);
        memcpy(joined->end, value, n);
        joined->end[n] = ',';
        joined->end += n + 1;
    }
    return MHD_YES;
}

// The list's value, joined in *ret_owned where it came in several headers. Without memory for that
// it is left out, for half a list is none.
static const char *read_list(char **ret_owned, bool *ret_lost, const struct found *found,
                             size_t header, struct MHD_Connection *connection)
{
    *ret_owned = NULL;
    if (found->seen[header] < 2) {
        return found->value[header];
    }
    char *list = malloc(found->bytes[header] + 1);
    if (list) {
        struct joined joined = { names[header], list };
        MHD_get_connection_values(connection, MHD_HEADER_KIND, join_header, &joined);
        joined.end[-1] = '\0';
    } else {
        *ret_lost = true;
    }
    *ret_owned = list;
    return list;
}

static const char *read_once(const struct found *found, size_t header)
{
    return found->seen[header] == 1 ? found->value[header] : NULL;
}

void mhd_incoming_read(struct mhd_incoming *ret, struct MHD_Connection *connection)
{
    struct found found = { 0 };
    MHD_get_connection_values(connection, MHD_HEADER_KIND, find_header, &found);
    ret->lost = false;
    ret->ids = (struct spy_incoming){
        .correlation_id = read_once(&found, CORRELATION_ID),
        .traceparent = read_once(&found, TRACEPARENT),
        .sentry_trace = read_once(&found, SENTRY_TRACE),
        .tracestate = read_list(&ret->tracestate, &ret->lost, &found, TRACESTATE, connection),
        .baggage = read_list(&ret->baggage, &ret->lost, &found, BAGGAGE, connection),
    };
}

static enum MHD_Result tell_header(void *to, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    spy_http_details_header(to, name, value);
    return MHD_YES;
}

void mhd_tell_details(void *arg, struct spy_http_details *to)
{
    const struct spy_mhd_request *request = arg;
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, tell_header, to);
    spy_http_details_query(to, request->query);
    spy_http_details_peer(to, request->peer);
}

void mhd_incoming_done(struct mhd_incoming *incoming)
{
    free(incoming->tracestate);
    free(incoming->baggage);
}
