#include "serve/debug.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "serve/errors.h"
#include "serve/recent.h"
#include "serve/slow.h"

#define LOGS "/debug/logs"
#define REQUESTS "/debug/requests"
#define REQUEST REQUESTS "/"
#define ERRORS "/debug/errors"
#define SLOW "/debug/slow"
#define ID_MAX 128

// One line may stand behind the bound.
#define BODY_MAX (SPY__RECENT_BYTES + (2u << 20))

bool spy__debug_has(const char *path)
{
    return strcmp(path, LOGS) == 0 || strcmp(path, REQUESTS) == 0 || strcmp(path, ERRORS) == 0 ||
           strcmp(path, SLOW) == 0 || strncmp(path, REQUEST, strlen(REQUEST)) == 0;
}

static struct MHD_Response *give(struct spy__buf *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->len, body->bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        spy__buf_done(body);
    }
    return response;
}

static struct MHD_Response *say(unsigned *ret_status, unsigned status, const char *error)
{
    struct spy__buf body;
    struct spy__json json;
    *ret_status = status;
    spy__buf_init(&body, 1024);
    spy__json_init(&json, &body);
    spy__json_object(&json);
    spy__json_key(&json, "error");
    spy__json_str(&json, error);
    spy__json_object_end(&json);
    if (body.failed) {
        spy__buf_done(&body);
        return NULL;
    }
    return give(&body);
}

struct asked {
    struct spy__recent_query query;
    const char *why; // NULL while all is well
};

static enum MHD_Result look_at_param(void *arg, enum MHD_ValueKind kind, const char *name,
                                     size_t name_len, const char *value, size_t value_len)
{
    struct asked *asked = arg;
    const char *why;
    (void)kind;
    if (strlen(name) != name_len || (value && strlen(value) != value_len)) {
        asked->why = "A parameter has a NUL in it.";
        return MHD_NO;
    }
    if (spy__recent_param(&asked->query, name, value, &why) != 0) {
        asked->why = why;
        return MHD_NO;
    }
    return MHD_YES;
}

static bool is_id(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n <= ID_MAX &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static int write_body(struct spy__buf *body, const char *path,
                      const struct spy__recent_query *query)
{
    if (strcmp(path, LOGS) == 0) {
        return spy__recent_logs(body, query);
    }
    if (strcmp(path, REQUESTS) == 0) {
        return spy__recent_requests(body);
    }
    if (strcmp(path, ERRORS) == 0) {
        return spy__errors_list(body);
    }
    if (strcmp(path, SLOW) == 0) {
        return spy__slow_list(body);
    }
    const char *id = path + strlen(REQUEST);
    return is_id(id) ? spy__recent_request(body, id) : -ENOENT;
}

struct MHD_Response *spy__debug_response(struct MHD_Connection *connection, const char *path,
                                         unsigned *ret_status)
{
    struct asked asked = { .why = NULL };
    struct spy__buf body;
    spy__recent_query_init(&asked.query);
    (void)MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, look_at_param, &asked);
    if (asked.why) {
        return say(ret_status, MHD_HTTP_BAD_REQUEST, asked.why);
    }
    spy__buf_init(&body, BODY_MAX);
    int err = write_body(&body, path, &asked.query);
    if (err == 0) {
        *ret_status = MHD_HTTP_OK;
        return give(&body);
    }
    spy__buf_done(&body);
    return err == -ENOENT
               ? say(ret_status, MHD_HTTP_NOT_FOUND, "Nothing is known of this id, or any more.")
               : say(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE,
                     "There is no memory for the answer.");
}
