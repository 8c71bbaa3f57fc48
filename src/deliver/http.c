#include "deliver/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deliver/compress.h"

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

// A program that the host starts must not have it.
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)arg;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
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
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, sink) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK;
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
    reply->may_cut = false;
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
    static const char type[] = "Content-Type:";
    bool good = add_header(headers, "Expect:"), typed = false; // no waiting for a 100
    for (size_t i = 0; good && i < request->header_count; i++) {
        good = add_header(headers, request->headers[i]);
        typed = typed || strncasecmp(request->headers[i], type, sizeof(type) - 1) == 0;
    }
    if (good && !typed) { // libcurl would say that a form comes
        good = add_header(headers, "Content-Type: application/octet-stream");
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

// No proxy leads to where this process is.
static bool is_local(const char *url)
{
    static const char *const hosts[] = { "127.", "localhost:", "localhost/", "[::1]" };
    const char *host = strstr(url, "://");
    for (size_t i = 0; host && i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (strncmp(host + 3, hosts[i], strlen(hosts[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool set_up_tls(CURL *easy, const struct spy__tls *tls)
{
    return (!tls->ca || curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca) == CURLE_OK) &&
           (!tls->cert || curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert) == CURLE_OK) &&
           (!tls->key || curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key) == CURLE_OK);
}

static bool set_up_server(CURL *easy, const char *base, const struct spy__tls *tls)
{
    return (!is_local(base) || curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK) &&
           set_up_tls(easy, tls);
}

static int post(CURL *easy, CURLM *multi, struct spy__http_reply *reply, const int *stop,
                const struct sink *sink, long *ret_status)
{
    int rc = exchange(easy, multi, stop, sink, ret_status);
    if (rc == -EMSGSIZE && reply->may_cut) {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, ret_status);
        reply->body.failed = false; // what had room is kept
        reply->cut = true;
        rc = 0;
    }
    return rc;
}

void spy__http_post(struct spy__answer *ret, struct spy__http_reply *reply,
                    const struct spy__http_server *server, const struct spy__request *request,
                    const struct spy__buf *body, const int *stop)
{
    pthread_once(&once, initialise);
    char url[SPY__REQUEST_PATH_MAX + 512];
    CURL *easy = initialised == CURLE_OK ? curl_easy_init() : NULL;
    CURLM *multi = easy ? curl_multi_init() : NULL;
    struct curl_slist *headers = NULL;
    struct sink sink = { &reply->body, false };
    long status = 0;
    int rc = -ENOMEM, n = snprintf(url, sizeof(url), "%s%s", server->base, request->path);
    spy__buf_reset(&reply->head);
    spy__buf_reset(&reply->body);
    reply->cut = false;
    if (n < 0 || (size_t)n >= sizeof(url)) {
        rc = -EINVAL;
    } else if (multi && set_up(easy, url, request->timeout_ms, &sink) &&
               set_up_post(easy, request, body, &headers, reply) &&
               set_up_server(easy, server->base, &server->tls)) {
        rc = post(easy, multi, reply, stop, &sink, &status);
    }
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    fill_answer(ret, reply, rc, status);
}

// ---- the engine's transport

// One exchange; its handle is kept, with what it knows of the server.
struct slot {
    CURL *easy; // NULL until used
    struct curl_slist *headers;
    struct spy__http_reply reply;
    bool busy;
};

struct spy__http {
    CURLM *multi;
    pid_t pid;
    unsigned count;
    int busy; // slots
    struct slot slots[];
};

int spy__http_open(struct spy__http **ret, unsigned slots)
{
    pthread_once(&once, initialise);
    struct spy__http *http = calloc(1, sizeof(*http) + slots * sizeof(http->slots[0]));
    if (!http) {
        return -ENOMEM;
    }
    http->multi = initialised == CURLE_OK ? curl_multi_init() : NULL;
    http->pid = getpid();
    http->count = slots;
    for (unsigned i = 0; i < slots; i++) {
        spy__http_reply_init(&http->slots[i].reply, SPY__HTTP_BODY_KEPT);
    }
    if (!http->multi) {
        spy__http_close(http);
        return -ENOMEM;
    }
    *ret = http;
    return 0;
}

static void end_exchange(struct spy__http *http, struct slot *slot)
{
    if (slot->busy) {
        (void)curl_multi_remove_handle(http->multi, slot->easy);
        curl_slist_free_all(slot->headers);
        slot->headers = NULL;
        slot->busy = false;
        http->busy--;
    }
}

static void cancel_slot(void *self, unsigned slot)
{
    struct spy__http *http = self;
    end_exchange(http, &http->slots[slot]);
}

void spy__http_close(struct spy__http *http)
{
    if (!http || http->pid != getpid()) {
        return;
    }
    for (unsigned i = 0; i < http->count; i++) {
        cancel_slot(http, i);
        curl_easy_cleanup(http->slots[i].easy);
        spy__http_reply_done(&http->slots[i].reply);
    }
    (void)curl_multi_cleanup(http->multi);
    free(http);
}

// Keeps the first bytes, and behind them the last ones of all that came: those that were the last
// so far make room.
static size_t take_ends(char *bytes, size_t size, size_t n, void *arg)
{
    const size_t half = SPY__HTTP_BODY_KEPT / 2;
    struct spy__buf *body = arg;
    for (size_t at = 0; at < size * n && !body->failed; at += half) {
        size_t piece = size * n - at < half ? size * n - at : half;
        size_t over = piece > body->max - body->len ? piece - (body->max - body->len) : 0;
        if (over > 0) {
            memmove(body->bytes + half, body->bytes + half + over, body->len - half - over);
            body->len -= over;
        }
        spy__buf_put(body, bytes + at, piece);
    }
    return body->failed ? 0 : size * n;
}

static bool set_up_call(struct slot *slot, const struct spy__call *call, struct sink *sink)
{
    char url[SPY__REQUEST_PATH_MAX + 512], line[64];
    CURL *easy = slot->easy;
    int n = snprintf(url, sizeof(url), "%s%s", call->base, call->request->path);
    if (n < 0 || (size_t)n >= sizeof(url) || !set_up(easy, url, call->timeout_ms, sink) ||
        !set_up_post(easy, call->request, call->body, &slot->headers, &slot->reply)) {
        return false;
    }
    if (call->request->encoding != SPY__ENCODING_NONE) {
        (void)snprintf(line, sizeof(line), "Content-Encoding: %s",
                       spy__encoding_name(call->request->encoding));
        if (!add_header(&slot->headers, line)) {
            return false;
        }
    }
    return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_ends) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, &slot->reply.body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)SPY__HTTP_CONNECT_MS) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, slot) == CURLE_OK &&
           set_up_server(easy, call->base, call->tls);
}

static int send_call(void *self, unsigned number, const struct spy__call *call)
{
    struct spy__http *http = self;
    struct slot *slot = &http->slots[number];
    struct sink unused = { &slot->reply.body, false };
    spy__buf_reset(&slot->reply.head);
    spy__buf_reset(&slot->reply.body);
    if (slot->easy) {
        curl_easy_reset(slot->easy);
    } else {
        slot->easy = curl_easy_init();
    }
    if (slot->easy && set_up_call(slot, call, &unused) &&
        curl_multi_add_handle(http->multi, slot->easy) == CURLM_OK) {
        slot->busy = true;
        http->busy++;
        return 0;
    }
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    return -ENOMEM;
}

static void wait_for_news(void *self, const int *fds, size_t count, unsigned timeout_ms)
{
    struct spy__http *http = self;
    struct curl_waitfd waited[16];
    int running;
    count = count < 16 ? count : 16;
    for (size_t i = 0; i < count; i++) {
        waited[i] = (struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
    }
    (void)curl_multi_perform(http->multi, &running);
    if (running == http->busy) { // else one has ended just now
        (void)curl_multi_poll(http->multi, waited, (unsigned)count, (int)timeout_ms, NULL);
        (void)curl_multi_perform(http->multi, &running);
    }
}

static void answer_of(struct spy__answer *ret, struct slot *slot, CURLcode code, long status)
{
    const struct sink none = { &slot->reply.body, false };
    int rc = error_of(code, &none);
    fill_answer(ret, &slot->reply, rc, status);
    if (rc == -EPROTO) { // of which there are many: its own words say more
        (void)snprintf(slot->reply.error, sizeof(slot->reply.error), "%s",
                       curl_easy_strerror(code));
    }
}

static bool take_ended(void *self, unsigned *ret_slot, struct spy__answer *ret)
{
    struct spy__http *http = self;
    const CURLMsg *message;
    int queued;
    while ((message = curl_multi_info_read(http->multi, &queued))) {
        struct slot *slot = NULL;
        long status = 0;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result; // the message goes with its handle
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        end_exchange(http, slot);
        *ret_slot = (unsigned)(slot - http->slots);
        answer_of(ret, slot, code, status);
        return true;
    }
    return false;
}

static void wake_up(void *self)
{
    struct spy__http *http = self;
    (void)curl_multi_wakeup(http->multi);
}

struct spy__transport spy__http_transport(struct spy__http *http)
{
    return (struct spy__transport){ .self = http,
                                    .send = send_call,
                                    .cancel = cancel_slot,
                                    .wait = wait_for_news,
                                    .ended = take_ended,
                                    .wake = wake_up };
}
