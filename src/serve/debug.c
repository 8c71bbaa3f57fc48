#include "serve/debug.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "serve/errors.h"
#include "serve/params.h"
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

static int take_param(void *arg, const char *name, const char *value, const char **ret_why)
{
    return spy__recent_param(arg, name, value, ret_why);
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
    struct spy__recent_query query;
    struct spy__buf body;
    spy__recent_query_init(&query);
    const char *why = spy__params_read(connection, take_param, &query);
    if (why) {
        return say(ret_status, MHD_HTTP_BAD_REQUEST, why);
    }
    spy__buf_init(&body, BODY_MAX);
    int err = write_body(&body, path, &query);
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
