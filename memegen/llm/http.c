#include "memegen/llm/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A handle keeps its connection. A post takes one that is idle, or a new one.
struct http {
    pthread_mutex_t mu;
    CURL **idle; // guarded by mu, as is idle_count
    size_t idle_count, idle_max;
    atomic_bool stopped; // relaxed: a post that sees it late ends late
};

// One post under way.
struct exchange {
    const struct http *http;
    const struct http_request *request;
    struct http_answer *answer;
    size_t capacity;
    bool too_long, no_memory;
};

static bool curl_is_ready;

static void init_curl(void)
{
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

struct http *http_new(size_t idle_max)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *http = calloc(1, sizeof(*http));
    pthread_once(&once, init_curl);
    if (!http || !curl_is_ready) {
        free(http);
        return NULL;
    }
    pthread_mutex_init(&http->mu, NULL);
    http->idle_max = idle_max;
    http->idle = calloc(idle_max ? idle_max : 1, sizeof(http->idle[0]));
    if (!http->idle) {
        http_free(http);
        return NULL;
    }
    return http;
}

void http_free(struct http *http)
{
    if (!http) {
        return;
    }
    for (size_t i = 0; i < http->idle_count; i++) {
        curl_easy_cleanup(http->idle[i]);
    }
    free(http->idle);
    pthread_mutex_destroy(&http->mu);
    free(http);
}

static CURL *take_handle(struct http *http)
{
    CURL *curl = NULL;
    pthread_mutex_lock(&http->mu);
    if (http->idle_count > 0) {
        curl = http->idle[--http->idle_count];
    }
    pthread_mutex_unlock(&http->mu);
    return curl ? curl : curl_easy_init();
}

static void give_handle(struct http *http, CURL *curl)
{
    bool kept = false;
    curl_easy_reset(curl); // the connection stays
    pthread_mutex_lock(&http->mu);
    if (http->idle_count < http->idle_max) {
        http->idle[http->idle_count++] = curl;
        kept = true;
    }
    pthread_mutex_unlock(&http->mu);
    if (!kept) {
        curl_easy_cleanup(curl);
    }
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    struct http_answer *answer = exchange->answer;
    size_t n = size * count, wanted = answer->len + n + 1;
    if (answer->len + n > exchange->request->answer_max) {
        exchange->too_long = true;
        return 0;
    }
    if (wanted > exchange->capacity) {
        size_t capacity = wanted < 4096 ? 4096 : wanted * 2;
        char *grown = realloc(answer->body, capacity);
        if (!grown) {
            exchange->no_memory = true;
            return 0;
        }
        answer->body = grown;
        exchange->capacity = capacity;
    }
    memcpy(answer->body + answer->len, data, n);
    answer->len += n;
    answer->body[answer->len] = '\0';
    return n;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "Retry-After:";
    struct exchange *exchange = arg;
    size_t n = size * count, at = sizeof(name) - 1;
    if (n > at && strncasecmp(data, name, at) == 0) {
        while (at < n && (data[at] == ' ' || data[at] == '\t')) {
            at++;
        }
        size_t end = n;
        while (end > at && strchr(" \t\r\n", data[end - 1])) {
            end--;
        }
        snprintf(exchange->answer->retry_after, HTTP_RETRY_AFTER_BYTES, "%.*s", (int)(end - at),
                 data + at);
    }
    return n;
}

// libcurl calls it at least once a second.
static int look_up(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                   curl_off_t up)
{
    const struct exchange *exchange = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return atomic_load_explicit(&exchange->http->stopped, memory_order_relaxed);
}

// The environment's proxy is for the world outside: no proxy reaches our own loopback.
static bool is_loopback(const char *url)
{
    bool loopback = false;
    char *host = NULL;
    CURLU *parts = curl_url();
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        loopback = strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                   strcmp(host, "[::1]") == 0;
    }
    curl_free(host);
    curl_url_cleanup(parts);
    return loopback;
}

static CURLcode set_limits(CURL *curl, const struct http_request *request)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    code =
        code ? code : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->attempt_ms);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
#if LIBCURL_VERSION_NUM >= 0x075500
    code = code ? code : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    code = code ? code
                : curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    return code;
}

static CURLcode set_file(CURL *curl, CURLoption option, const char *path)
{
    return path && path[0] ? curl_easy_setopt(curl, option, path) : CURLE_OK;
}

static CURLcode set_tls(CURL *curl, const struct http_tls *tls)
{
    CURLcode code = set_file(curl, CURLOPT_CAINFO, tls->ca);
    code = code ? code : set_file(curl, CURLOPT_SSLCERT, tls->cert);
    return code ? code : set_file(curl, CURLOPT_SSLKEY, tls->key);
}

static CURLcode set_up(CURL *curl, struct exchange *exchange, struct curl_slist *headers,
                       char *problem)
{
    const struct http_request *request = exchange->request;
    CURLcode code = set_limits(curl, request);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_URL, request->url);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
    code = code ? code : curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    if (code == CURLE_OK && request->tls) {
        code = set_tls(curl, request->tls);
    }
    if (code == CURLE_OK && is_loopback(request->url)) {
        code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    return code;
}

// https://curl.se/libcurl/c/libcurl-errors.html
static enum http_outcome outcome_of(CURLcode code, const struct exchange *exchange)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMED_OUT;
    case CURLE_ABORTED_BY_CALLBACK:
        return HTTP_STOPPED;
    case CURLE_WRITE_ERROR:
        return exchange->too_long ? HTTP_TOO_LONG : HTTP_BROKEN;
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: // no HTTP at all; the URL's own was checked with the settings
        return HTTP_CUT_OFF;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return HTTP_BROKEN;
    default: // a reset connection, a failed handshake, a broken frame, …
        return exchange->answer->status > 0 ? HTTP_CUT_OFF : HTTP_UNREACHABLE;
    }
}

static CURLcode exchange_by(CURL *curl, struct exchange *exchange, struct curl_slist *headers)
{
    struct http_answer *answer = exchange->answer;
    char problem[CURL_ERROR_SIZE] = "";
    CURLcode code = set_up(curl, exchange, headers, problem);
    code = code ? code : curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    if (code) {
        snprintf(answer->problem, sizeof(answer->problem), "%.*s", HTTP_PROBLEM_BYTES - 1,
                 code == CURLE_ABORTED_BY_CALLBACK ? "memegen is stopping"
                 : exchange->too_long              ? "the answer is too long"
                 : problem[0]                      ? problem
                                                   : curl_easy_strerror(code));
    }
    return code;
}

// libcurl's list, or NULL without memory.
static struct curl_slist *list_headers(const char *const *headers)
{
    struct curl_slist *list = NULL;
    for (; *headers; headers++) {
        struct curl_slist *longer = curl_slist_append(list, *headers);
        if (!longer) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

void http_post(struct http *http, const struct http_request *request, struct http_answer *ret)
{
    struct exchange exchange = { .http = http, .request = request, .answer = ret };
    *ret = (struct http_answer){ .outcome = HTTP_BROKEN, .problem = "out of memory" };
    if (atomic_load_explicit(&http->stopped, memory_order_relaxed)) {
        *ret = (struct http_answer){ .outcome = HTTP_STOPPED, .problem = "memegen is stopping" };
        return;
    }
    struct curl_slist *headers = list_headers(request->headers);
    CURL *curl = headers ? take_handle(http) : NULL;
    if (curl) {
        ret->problem[0] = '\0';
        ret->outcome = outcome_of(exchange_by(curl, &exchange, headers), &exchange);
        give_handle(http, curl);
    }
    curl_slist_free_all(headers);
    if (ret->outcome != HTTP_ANSWERED) {
        http_answer_done(ret);
    } else if (!ret->body && !(ret->body = calloc(1, 1))) { // no body at all
        ret->outcome = HTTP_BROKEN;
        snprintf(ret->problem, sizeof(ret->problem), "out of memory");
    }
}

void http_answer_done(struct http_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
    answer->len = 0;
}

void http_stop(struct http *http)
{
    atomic_store_explicit(&http->stopped, true, memory_order_relaxed);
}
