#include "serve/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "serve/proxy_url.h"

#define AT_ONCE 4u
#define TIMEOUT_MS 10000u
#define TIMEOUT_NS (UINT64_C(1000000) * TIMEOUT_MS)
#define ANSWER_BYTES_MAX (16u << 20)
// The longest expression, every byte of it escaped, and what stands around it.
#define URL_BYTES_MAX (64u << 10)

void spy__proxy_init(struct spy__proxy *proxy, const char *base, spy__fetch *fetch)
{
    proxy->base = base;
    proxy->fetch = fetch;
    proxy->stop = 0;
    spy__slots_init(&proxy->slots, AT_ONCE);
}

void spy__proxy_done(struct spy__proxy *proxy)
{
    spy__slots_done(&proxy->slots);
}

void spy__proxy_close(struct spy__proxy *proxy)
{
    __atomic_store_n(&proxy->stop, 1, __ATOMIC_RELAXED);
    spy__slots_close(&proxy->slots);
}

// As Prometheus says its own errors, so that the page reads both alike.
static struct MHD_Response *say(unsigned *ret_status, unsigned status, const char *why)
{
    char text[512];
    struct spy__buf out;
    struct spy__json json;
    spy__buf_init_fixed(&out, text, sizeof(text));
    spy__json_init(&json, &out);
    spy__json_object(&json);
    spy__json_key(&json, "status");
    spy__json_str(&json, "error");
    spy__json_key(&json, "errorType");
    spy__json_str(&json, "proxy");
    spy__json_key(&json, "error");
    spy__json_str(&json, why);
    spy__json_object_end(&json);
    *ret_status = status;
    return MHD_create_response_from_buffer(out.len, text, MHD_RESPMEM_MUST_COPY);
}

static struct MHD_Response *say_failure(unsigned *ret_status, int rc)
{
    switch (rc) {
    case -ECONNREFUSED:
        return say(ret_status, MHD_HTTP_BAD_GATEWAY,
                   "Prometheus does not answer: nothing listens at its address.");
    case -EHOSTUNREACH:
        return say(ret_status, MHD_HTTP_BAD_GATEWAY,
                   "Prometheus does not answer: its host is not known.");
    case -ETIMEDOUT:
        return say(ret_status, MHD_HTTP_GATEWAY_TIMEOUT,
                   "Prometheus did not answer within 10 seconds.");
    case -EMSGSIZE:
        return say(ret_status, MHD_HTTP_BAD_GATEWAY,
                   "The answer of Prometheus is larger than 16 MiB: ask for less.");
    case -ECANCELED:
        return say(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE, "The service is stopping.");
    case -ENOMEM:
        return say(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE, "There is no memory for the answer.");
    default:
        return say(ret_status, MHD_HTTP_BAD_GATEWAY,
                   "What answers at the address of Prometheus is not Prometheus.");
    }
}

struct collected {
    struct spy__proxy_param
        params[SPY__PROXY_PARAMS_MAX + 1]; // one more, to see that there are too many
    size_t count;
};

static enum MHD_Result collect(void *arg, enum MHD_ValueKind kind, const char *name,
                               size_t name_len, const char *value, size_t value_len)
{
    struct collected *c = arg;
    (void)kind;
    if (c->count > SPY__PROXY_PARAMS_MAX) {
        return MHD_NO;
    }
    bool cut = strlen(name) != name_len; // a NUL in it: no name that we know
    c->params[c->count++] = (struct spy__proxy_param){ cut ? "" : name, value, value_len };
    return MHD_YES;
}

// 200 and the statuses by which Prometheus says what was wrong with a question are passed on; a
// redirect, a login page or what a stranger says is not.
static bool is_prometheus(long status, const struct spy__buf *body)
{
    return (status == 200 || status == 400 || status == 422 || status == 503) && body->len > 0 &&
           body->bytes[0] == '{';
}

static struct MHD_Response *fetch(struct spy__proxy *proxy, const char *url, unsigned *ret_status)
{
    struct spy__buf body;
    long status = 0;
    spy__buf_init(&body, ANSWER_BYTES_MAX);
    int rc = proxy->fetch(url, TIMEOUT_MS, &proxy->stop, &status, &body);
    if (rc == 0 && !is_prometheus(status, &body)) {
        rc = -EPROTO;
    }
    if (rc != 0) {
        spy__buf_done(&body);
        return say_failure(ret_status, rc);
    }
    *ret_status = (unsigned)status;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, body.bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        spy__buf_done(&body);
    }
    return response;
}

struct MHD_Response *spy__proxy_response(struct spy__proxy *proxy,
                                         struct MHD_Connection *connection, const char *path,
                                         unsigned *ret_status)
{
    struct collected c = { .count = 0 };
    struct spy__buf url;
    const char *why = "";
    if (!proxy->fetch) {
        return say(ret_status, MHD_HTTP_NOT_IMPLEMENTED,
                   "No Prometheus is configured: set prometheus_url, or SPY_PROMETHEUS_URL.");
    }
    (void)MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, collect, &c);
    spy__buf_init(&url, URL_BYTES_MAX);
    int rc = spy__proxy_url(&url, proxy->base, path, c.params, c.count, &why);
    struct MHD_Response *response;
    if (rc == -ENOENT) {
        response = say(ret_status, MHD_HTTP_NOT_FOUND,
                       "This is no question to Prometheus that may be asked here.");
    } else if (rc == -EINVAL) {
        response = say(ret_status, MHD_HTTP_BAD_REQUEST, why);
    } else if (rc != 0) {
        response = say_failure(ret_status, rc);
    } else if (!spy__slots_take(&proxy->slots, TIMEOUT_NS)) {
        response = say(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many questions at once.");
    } else {
        response = fetch(proxy, url.bytes, ret_status);
        spy__slots_give(&proxy->slots);
    }
    spy__buf_done(&url);
    return response;
}
