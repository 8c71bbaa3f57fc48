// The way out: an answer becomes a response of libmicrohttpd that publishes the request before its
// last byte leaves.
//
// A body goes through a content reader in blocks: when libmicrohttpd asks for the last one, all
// before it were handed to the socket and the last is not yet, so that is the moment to publish. An
// answer without a body is published before it is queued.

#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

// Bytes of a body handed to the socket at a time.
#define BLOCK_BYTES (64u * 1024)

void mhd_publish(struct spy_mhd_request *request)
{
    spy_http_end(request->http);
    request->http = NULL;
}

static ssize_t read_body(void *arg, uint64_t pos, char *out, size_t max)
{
    struct spy_mhd_request *request = arg;
    size_t left = request->answer_len - (size_t)pos;
    size_t n = left < max ? left : max;
    memcpy(out, request->answer_bytes + pos, n);
    if (n == left) {
        mhd_publish(request);
    }
    return (ssize_t)n;
}

// RFC 9110, sections 6.4.1 and 9.3.2: no body goes out with these.
static bool is_bodiless(const struct spy_mhd_request *request)
{
    return request->status == MHD_HTTP_NO_CONTENT || request->status == MHD_HTTP_NOT_MODIFIED ||
           strcmp(request->method, MHD_HTTP_METHOD_HEAD) == 0;
}

static struct MHD_Response *response_new(struct spy_mhd_request *request,
                                         const struct spy_mhd_answer *answer, const char *profile)
{
    struct MHD_Response *response =
        request->answer_len > 0
            ? MHD_create_response_from_callback(
                  request->answer_len,
                  request->answer_len < BLOCK_BYTES ? request->answer_len : BLOCK_BYTES, read_body,
                  request, NULL)
            : MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (!response) {
        return NULL;
    }
    if (answer->content_type) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    }
    for (size_t i = 0; i < SPY_MHD_HEADERS_MAX && answer->headers[i].name; i++) {
        // Refuses CR, LF and an empty value by itself.
        (void)MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    }
    (void)MHD_add_response_header(response, "X-Correlation-ID", spy_mhd_correlation_id(request));
    if (profile[0]) {
        (void)MHD_add_response_header(response, "X-Profile", profile);
    }
    if (request->profiled) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    if (request->status == MHD_HTTP_TOO_MANY_REQUESTS && request->error_body) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    if (__atomic_load_n(&request->app->closing, __ATOMIC_RELAXED)) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return response;
}

void spy_mhd_answer(struct spy_mhd_request *request, const struct spy_mhd_answer *given)
{
    struct spy_mhd_answer own = *given, *answer = &own;
    struct spy_http_report report = { .address = "" };
    if (request->answered) {
        if (answer->release) {
            answer->release(answer->release_arg);
        }
        return;
    }
    if (answer->status < 200 || answer->status > 599) {
        if (answer->release) {
            answer->release(answer->release_arg);
        }
        spy_mhd_fail(request, "internal", "the handler answered with a status outside 200 to 599");
        return;
    }
    request->answered = true;
    request->status = answer->status;
    mhd_profile_answer(request, answer, &report);
    request->release = answer->release;
    request->release_arg = answer->release_arg;
    if (answer->status != MHD_HTTP_NO_CONTENT && answer->status != MHD_HTTP_NOT_MODIFIED) {
        request->answer_bytes = answer->body;
        request->answer_len = answer->body ? answer->body_len : 0;
    }
    request->response = response_new(request, answer, report.address);
    if (!request->response) {
        spy_http_fail(request->http, "no_memory",
                      "there was no memory for the answer; the connection was closed");
        request->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    spy_http_answered(request->http, request->status,
                      is_bodiless(request) ? 0 : request->answer_len);
    if (request->deferred) {
        spy_http_leave(request->http);
        // From here on libmicrohttpd's thread owns the request, and may have freed it.
        MHD_resume_connection(request->connection);
    }
}

struct error_text {
    int status;
    const char *reason;
    const char *code;
    const char *message;
};

static const struct error_text *error_text(int status)
{
    static const struct error_text texts[] = {
        { 408, "Request Timeout", "timeout", "The request did not arrive in time." },
        { 413, "Content Too Large", "body_too_large", "The request's body is too large." },
        { 429, "Too Many Requests", "too_many_profiles",
          "Too many requests are being profiled: try again in a moment." },
        { 500, "Internal Server Error", "internal", "The server failed to handle this request." },
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].status == status) {
            return &texts[i];
        }
    }
    return NULL;
}

// Nothing here needs escaping: our own constants, and an id of [A-Za-z0-9._-].
static int error_json(char **ret, const struct error_text *text, const char *correlation_id)
{
    return asprintf(
        ret, "{\"code\":\"%s\",\"message\":\"%s\",\"details\":{},\"correlation_id\":\"%s\"}\n",
        text->code, text->message, correlation_id);
}

void mhd_answer_error(struct spy_mhd_request *request, int status)
{
    if (request->answered) {
        return;
    }
    int n = error_json(&request->error_body, error_text(status), spy_mhd_correlation_id(request));
    if (n < 0) {
        request->error_body = NULL;
    }
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = status,
                                                      .content_type = "application/json",
                                                      .body = request->error_body,
                                                      .body_len = n < 0 ? 0 : (size_t)n });
}

void spy_mhd_fail(struct spy_mhd_request *request, const char *error_type, const char *message)
{
    if (request->answered) {
        return;
    }
    spy_http_fail(request->http, error_type, message);
    mhd_answer_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR);
}

enum MHD_Result mhd_queue_answer(struct spy_mhd_request *request)
{
    struct MHD_Response *response = request->response;
    if (request->queued || !response) {
        return request->queued ? MHD_YES : MHD_NO;
    }
    if (request->answer_len == 0 || is_bodiless(request)) {
        mhd_publish(request);
    }
    request->response = NULL;
    request->queued = true;
    enum MHD_Result result =
        MHD_queue_response(request->connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

// The socket, where it carries plain HTTP; -1 where it does not.
static int plain_socket(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return fd && !(tls && tls->tls_session) ? fd->connect_fd : -1;
}

bool mhd_client_is_gone(const struct spy_mhd_request *request)
{
    char byte;
    int fd = plain_socket(request->connection);
    return fd >= 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void mhd_answer_raw(struct spy_mhd_request *request, int status)
{
    char id[SPY_CORRELATION_MAX + 1];
    snprintf(id, sizeof(id), "%s", spy_mhd_correlation_id(request));
    if (!request->answered) {
        request->answered = true;
        request->status = status;
        spy_http_answered(request->http, status, 0);
    }
    mhd_publish(request);

    int fd = plain_socket(request->connection);
    if (fd < 0) {
        return;
    }
    const struct error_text *text = error_text(request->status);
    char *json = NULL;
    if (!text || error_json(&json, text, id) < 0) {
        json = NULL;
    }
    char out[1024];
    int n = snprintf(
        out, sizeof(out),
        "HTTP/1.1 %d %s\r\nConnection: close\r\n%s%s%sContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        request->status, text ? text->reason : "Refused", id[0] ? "X-Correlation-ID: " : "", id,
        id[0] ? "\r\n" : "", json ? strlen(json) : 0, json ? json : "");
    if (n > 0 && (size_t)n < sizeof(out)) {
        (void)send(fd, out, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    free(json);
}
