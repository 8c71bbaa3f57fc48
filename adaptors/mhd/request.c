// What a handler may ask of its request.

#include "request.h"

#include <string.h>

const char *spy_mhd_method(const struct spy_mhd_request *request)
{
    return request->method;
}

const char *spy_mhd_path(const struct spy_mhd_request *request)
{
    return request->path;
}

const char *spy_mhd_query(const struct spy_mhd_request *request, const char *name, size_t *ret_len)
{
    const char *value = NULL;
    size_t len = 0;
    if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &len) != MHD_YES) {
        return NULL;
    }
    if (ret_len) {
        *ret_len = value ? len : 0;
    }
    return value ? value : "";
}

const char *spy_mhd_header(const struct spy_mhd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *spy_mhd_body(const struct spy_mhd_request *request, size_t *ret_len)
{
    if (ret_len) {
        *ret_len = request->body_len;
    }
    return request->body ? request->body : "";
}

const char *spy_mhd_correlation_id(const struct spy_mhd_request *request)
{
    return spy_http_correlation_id(request->http);
}

void spy_mhd_route(struct spy_mhd_request *request, const char *route)
{
    spy_http_route(request->http, route);
}

struct spy_http *spy_mhd_http(struct spy_mhd_request *request)
{
    return request->http;
}

void spy_mhd_set_data(struct spy_mhd_request *request, void *data)
{
    request->data = data;
}

void *spy_mhd_data(const struct spy_mhd_request *request)
{
    return request->data;
}
