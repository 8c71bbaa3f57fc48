#include "deliver/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// How late a stop is noticed while nothing comes in.
#define STOP_POLL_MS 50

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode initialised; // const after once

static void initialise(void)
{
    initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct sink {
    struct spy__buf *body;
    bool too_large;
};

static size_t take(char *bytes, size_t size, size_t n, void *arg)
{
    struct sink *sink = arg;
    sink->too_large = size * n > sink->body->max - sink->body->len;
    spy__buf_put(sink->body, bytes, size * n);
    return sink->body->failed ? 0 : size * n;
}

static int error_of(CURLcode code, const struct sink *sink)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return -EINVAL;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return -EHOSTUNREACH;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_WRITE_ERROR:
        return sink->too_large ? -EMSGSIZE : -ENOMEM;
    default:
        return -EPROTO;
    }
}

// A signal must never be its way to keep time. A thread of libcurl's that asks a dead name server is left to end by itself (QUICK_EXIT): joining
// it would take as long as the resolver's own time limits.
static bool set_up(CURL *easy, const char *url, unsigned timeout_ms, struct sink *sink)
{
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, sink) == CURLE_OK;
}

// Drives the one transfer to its end, looking at *stop every now and then.
static int run(CURLM *multi, const int *stop, const struct sink *sink)
{
    int running = 1, queued;
    while (running) {
        if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) {
            return -ECANCELED;
        }
        if (curl_multi_perform(multi, &running) != CURLM_OK ||
            (running && curl_multi_poll(multi, NULL, 0, STOP_POLL_MS, NULL) != CURLM_OK)) {
            return -ENOMEM;
        }
    }
    const CURLMsg *message = curl_multi_info_read(multi, &queued);
    return message ? error_of(message->data.result, sink) : -EPROTO;
}

// Runs the exchange that was set up. Returns as spy__http_get(), with the status.
static int exchange(CURL *easy, CURLM *multi, const int *stop, const struct sink *sink,
                    long *ret_status)
{
    if (curl_multi_add_handle(multi, easy) != CURLM_OK) {
        return -ENOMEM;
    }
    int rc = run(multi, stop, sink);
    if (rc == 0) {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, ret_status);
    }
    (void)curl_multi_remove_handle(multi, easy);
    return rc;
}

int spy__http_get(const char *url, unsigned timeout_ms, const int *stop, long *ret_status,
                  struct spy__buf *body)
{
    pthread_once(&once, initialise);
    CURL *easy = initialised == CURLE_OK ? curl_easy_init() : NULL;
    CURLM *multi = easy ? curl_multi_init() : NULL;
    struct sink sink = { body, false };
    int rc = -ENOMEM;
    // No environment variable may send it elsewhere: it asks a server beside its host.
    if (multi && set_up(easy, url, timeout_ms, &sink) &&
        curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK) {
        rc = exchange(easy, multi, stop, &sink, ret_status);
    }
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    return rc;
}

// ---- POST

void spy__http_reply_init(struct spy__http_reply *reply, size_t body_bytes_max)
{
    spy__buf_init(&reply->head, SPY__HTTP_HEAD_BYTES_MAX);
    spy__buf_init(&reply->body, body_bytes_max);
}

void spy__http_reply_done(struct spy__http_reply *reply)
{
    spy__buf_done(&reply->head);
    spy__buf_done(&reply->body);
}

// Headers past the maximum are left out. A further answer (after 100, or a proxy's) begins anew.
static size_t take_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct spy__buf *head = arg;
    size_t len = size * n;
    while (len > 0 && (bytes[len - 1] == '\r' || bytes[len - 1] == '\n')) {
        len--;
    }
    if (len > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        spy__buf_reset(head);
    } else if (len > 0 && !memchr(bytes, '\0', len) && spy__buf_reserve(head, len + 1)) {
        spy__buf_put(head, bytes, len);
        spy__buf_putc(head, '\0');
    }
    return size * n;
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    *list = longer ? longer : *list;
    return longer != NULL;
}

static bool set_up_post(CURL *easy, const struct spy__request *request, const struct spy__buf *body,
                        struct curl_slist **headers, struct spy__http_reply *reply)
{
    // No waiting for a 100, and no type that says a form comes.
    bool good = add_header(headers, "Expect:") &&
                add_header(headers, "Content-Type: application/octet-stream");
    for (size_t i = 0; good && i < request->header_count; i++) {
        good = add_header(headers, request->headers[i]);
    }
    return good && curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->len > 0 ? body->bytes : "") ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, &reply->head) == CURLE_OK;
}

static const char *words_for(int err)
{
    switch (err) {
    case -EINVAL:
        return "the address is none";
    case -ECONNREFUSED:
        return "connection refused";
    case -EHOSTUNREACH:
        return "the host is not found";
    case -ETIMEDOUT:
        return "no answer in time";
    case -ECANCELED:
        return "stopped";
    case -EMSGSIZE:
        return "the answer is too long";
    case -ENOMEM:
        return "no memory";
    default:
        return "the connection broke, or speaks no HTTP";
    }
}

static void fill_answer(struct spy__answer *ret, struct spy__http_reply *reply, int rc, long status)
{
    *ret = (struct spy__answer){ .status = rc == 0 ? status : 0, .headers = reply->lines };
    const char *at = reply->head.len > 0 ? reply->head.bytes : "", *end = at + reply->head.len;
    while (at < end && ret->header_count < SPY__HTTP_LINES_MAX) {
        reply->lines[ret->header_count++] = at;
        at += strlen(at) + 1;
    }
    ret->body = reply->body.bytes;
    ret->body_bytes = reply->body.len;
    if (rc != 0) {
        (void)snprintf(reply->error, sizeof(reply->error), "%s", words_for(rc));
        ret->error = reply->error;
    }
}

void spy__http_post(struct spy__answer *ret, struct spy__http_reply *reply, const char *base,
                    const struct spy__request *request, const struct spy__buf *body,
                    const int *stop)
{
    pthread_once(&once, initialise);
    char url[SPY__REQUEST_PATH_MAX + 512];
    CURL *easy = initialised == CURLE_OK ? curl_easy_init() : NULL;
    CURLM *multi = easy ? curl_multi_init() : NULL;
    struct curl_slist *headers = NULL;
    struct sink sink = { &reply->body, false };
    long status = 0;
    int rc = -ENOMEM, n = snprintf(url, sizeof(url), "%s%s", base, request->path);
    spy__buf_reset(&reply->head);
    spy__buf_reset(&reply->body);
    if (n < 0 || (size_t)n >= sizeof(url)) {
        rc = -EINVAL;
    } else if (multi && set_up(easy, url, request->timeout_ms, &sink) &&
               set_up_post(easy, request, body, &headers, reply)) {
        rc = exchange(easy, multi, stop, &sink, &status);
    }
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    fill_answer(ret, reply, rc, status);
}
