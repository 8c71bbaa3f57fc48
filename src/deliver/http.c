#include "deliver/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>

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

// A signal must never be its way to keep time, and no environment variable may send it elsewhere.
// A thread of libcurl's that asks a dead name server is left to end by itself (QUICK_EXIT): joining
// it would take as long as the resolver's own time limits.
static bool set_up(CURL *easy, const char *url, unsigned timeout_ms, struct sink *sink)
{
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
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

int spy__http_get(const char *url, unsigned timeout_ms, const int *stop, long *ret_status,
                  struct spy__buf *body)
{
    pthread_once(&once, initialise);
    CURL *easy = initialised == CURLE_OK ? curl_easy_init() : NULL;
    CURLM *multi = easy ? curl_multi_init() : NULL;
    struct sink sink = { body, false };
    int rc = -ENOMEM;
    if (multi && set_up(easy, url, timeout_ms, &sink) &&
        curl_multi_add_handle(multi, easy) == CURLM_OK) {
        rc = run(multi, stop, &sink);
        if (rc == 0) {
            (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, ret_status);
        }
        (void)curl_multi_remove_handle(multi, easy);
    }
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    return rc;
}
