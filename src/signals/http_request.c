// What is const between a start and a stop is written once, into an object that is never changed:
// readers have no lock. One that was replaced is kept, since a reader may be in it; a process starts
// few times.
//
// A forked child may have inherited a lock that was held, and a callback's data in the middle of a
// change: requests of its parent are the parent's.

#include "signals/http_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/dropped.h"
#include "record/mask/scrub.h"
#include "signals/context.h"
#include "signals/dsc.h"

struct config {
    struct config *older;
    struct spy__http_request_options options; // without `redact`
    struct spy__mask_words words;
};

static struct config *made;    // all of them, the newest first; spy__http_requests_want()'s
static struct config *current; // atomic; NULL: nobody wants details
static unsigned process; // forks that lie behind; atomic, relaxed: written with one thread alone

struct spy__http_request {
    unsigned refs;    // atomic
    unsigned process; // const after new: in which it was made
    bool failed;      // atomic, relaxed: read at the request's end, after what happened in it
    pthread_mutex_t mu;
    spy_http_details_fn *details; // guarded by mu, as `arg`; NULL: it has ended
    void *arg;
};

struct spy_http_details {
    struct spy__scrub scrub;
    struct spy__buf headers, query;
    unsigned header_count;
    char *client; // of struct spy__http_request_told
};

static void become_child(void)
{
    __atomic_fetch_add(&process, 1, __ATOMIC_RELAXED);
}

static void watch_forks(void)
{
    // Without memory for the handler, a child's error may wait for ever; there is nobody to tell.
    (void)pthread_atfork(NULL, NULL, become_child);
}

int spy__http_requests_want(const struct spy__http_request_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct config *config = NULL;
    pthread_once(&once, watch_forks);
    if (options) {
        config = calloc(1, sizeof(*config));
        if (!config) {
            return -ENOMEM;
        }
        config->options = *options;
        config->options.redact = NULL;
        (void)spy__mask_words_parse(&config->words, options->redact);
        config->older = made;
        made = config;
    }
    __atomic_store_n(&current, config, __ATOMIC_RELEASE);
    return 0;
}

// ---- its life

static bool is_ours(const struct spy__http_request *request)
{
    return request->process == __atomic_load_n(&process, __ATOMIC_RELAXED);
}

struct spy__http_request *spy__http_request_new(spy_http_details_fn *details, void *arg)
{
    if (!details || !__atomic_load_n(&current, __ATOMIC_RELAXED)) {
        return NULL;
    }
    struct spy__http_request *request = malloc(sizeof(*request));
    if (!request) {
        spy__dropped(SPY__SIGNAL_HTTP, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    *request = (struct spy__http_request){ .refs = 1,
                                           .process = __atomic_load_n(&process, __ATOMIC_RELAXED),
                                           .details = details,
                                           .arg = arg };
    pthread_mutex_init(&request->mu, NULL);
    return request;
}

struct spy__http_request *spy__http_request_hold(struct spy__http_request *request)
{
    if (request) {
        __atomic_fetch_add(&request->refs, 1, __ATOMIC_RELAXED);
    }
    return request;
}

void spy__http_request_release(struct spy__http_request *request)
{
    if (request && __atomic_fetch_sub(&request->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        if (is_ours(request)) {
            pthread_mutex_destroy(&request->mu);
        }
        free(request);
    }
}

void spy__http_request_attach(struct spy__http_request *request)
{
    if (spy__current.ctx) {
        spy__current.ctx->request = spy__http_request_hold(request);
    }
}

void spy__http_request_end(struct spy__http_request *request)
{
    if (request && is_ours(request)) {
        pthread_mutex_lock(&request->mu);
        request->details = NULL;
        pthread_mutex_unlock(&request->mu);
    }
}

void spy__http_request_failed(struct spy__http_request *request)
{
    if (request) {
        __atomic_store_n(&request->failed, true, __ATOMIC_RELAXED);
    }
}

// As the trace window will decide (record/recent/traces.h); where the caller has sent its own number
// along, as if that were in the sample.
bool spy__http_request_is_kept(struct spy__http_request *request, const char *method,
                               const char *route, uint64_t duration_ns)
{
    const struct config *config = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    const struct spy__context_view context = spy__context_view();
    char rand[8];
    if (!request || !config) {
        return false;
    }
    if (__atomic_load_n(&request->failed, __ATOMIC_RELAXED) ||
        (config->options.slow_ns > 0 && duration_ns >= config->options.slow_ns)) {
        return true;
    }
    if (context.remote_decided) {
        return context.sampled;
    }
    const struct spy_field fields[] = { spy_str("method", method), spy_str("route", route) };
    const struct spy__record root = { .kind = SPY__KIND_SPAN,
                                      .trace_hi = context.trace_hi,
                                      .trace_lo = context.trace_lo,
                                      .event = "",
                                      .fields = fields,
                                      .field_count = 2 };
    return spy__sampling_keeps(&config->options.sampling, &root) ||
           spy_baggage_get(rand, sizeof(rand), SPY__DSC_PREFIX "sample_rand") > 0;
}

// ---- its details

void spy_http_details_header(struct spy_http_details *to, const char *name, const char *value)
{
    if (to && name && value && to->header_count < SPY__HTTP_REQUEST_HEADERS_MAX) {
        size_t before = to->headers.len;
        spy__scrub_header(&to->scrub, &to->headers, name, value, strlen(value));
        to->header_count += to->headers.len > before;
    }
}

void spy_http_details_query(struct spy_http_details *to, const char *query)
{
    if (to && query && to->query.len == 0) {
        spy__scrub_query(&to->scrub, &to->query, query, strlen(query));
    }
}

// A client of IPv4 that a socket of IPv6 took is one of IPv4.
void spy_http_details_peer(struct spy_http_details *to, const struct sockaddr *peer)
{
    if (!to || !peer || !to->scrub.personal) {
        return;
    }
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
        (void)inet_ntop(AF_INET, &in->sin_addr, to->client, INET_ADDRSTRLEN);
    } else if (peer->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
        (void)inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? in6->s6_addr + 12 : in6->s6_addr,
                        to->client, INET6_ADDRSTRLEN);
    }
}

static void add(struct spy__http_request_told *told, const char *key, const char *text, size_t n)
{
    if (n > 0) {
        told->fields[told->count++] = spy_strn(key, text, n);
    }
}

static bool call_back(struct spy__http_request *request, struct spy_http_details *to)
{
    pthread_mutex_lock(&request->mu);
    bool under_way = request->details != NULL;
    if (under_way) {
        request->details(request->arg, to);
    }
    pthread_mutex_unlock(&request->mu);
    return under_way;
}

struct spy__http_request_told *spy__http_request_ask(struct spy__http_request *request)
{
    const struct config *config = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    if (!request || !config || !is_ours(request)) {
        return NULL;
    }
    struct spy__http_request_told *told = malloc(sizeof(*told));
    if (!told) {
        spy__dropped(SPY__SIGNAL_HTTP, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    told->count = 0;
    told->client[0] = '\0';
    struct spy_http_details to = { .scrub = { config->options.personal, &config->words },
                                   .client = told->client };
    spy__buf_init_fixed(&to.headers, told->headers, sizeof(told->headers));
    spy__buf_init_fixed(&to.query, told->query, sizeof(told->query));
    if (call_back(request, &to)) {
        add(told, SPY__REQUEST_HEADERS, told->headers, to.headers.len);
        add(told, SPY__REQUEST_QUERY, told->query, to.query.len);
        add(told, SPY__REQUEST_CLIENT, told->client, strlen(told->client));
    }
    return told;
}
