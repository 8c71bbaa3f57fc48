#include "serve/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encode/prom_text.h"
#include "serve/access.h"
#include "serve/console.h"
#include "serve/debug.h"
#include "serve/level.h"
#include "serve/level_change.h"
#include "serve/profile.h"
#include "serve/proxy.h"
#include "serve/proxy_url.h"
#include "serve/scrape.h"
#include "serve/sql.h"
#include "serve/sql_check.h"
#include "serve/upload.h"

// A Prometheus, its spare, a console and the probes of an orchestrator, several times over.
#define ADMIN_CONNECTIONS_MAX 64u
// Headers of a request and of its answer; a scraper sends a few hundred bytes.
#define ADMIN_CONNECTION_BYTES (64u * 1024)
// Longer than the usual scrape interval, so that a scraper keeps its connection.
#define ADMIN_TIMEOUT_S 75u
#define SCRAPES_MAX 4u
#define LISTEN_BACKLOG 64

struct spy__admin {
    struct MHD_Daemon *daemon;
    struct spy__slots scrapes;
    struct spy__proxy proxy;
    struct spy__sql sql;
    struct spy__profile_views profiles;
    bool (*ready)(void);
    uint16_t port;
    int fd;    // listens; the daemon closes it
    pid_t pid; // that started it
    const char *token;
    char strings[]; // the token, then Prometheus's address
};

// ---- answers
// --------------------------------------------------------------------------------------------------------

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              struct MHD_Response *response, const char *content_type)
{
    if (!response) {
        return MHD_NO; // no memory: the connection closes
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_UNAUTHORIZED) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    } else if (status == MHD_HTTP_SERVICE_UNAVAILABLE || status == MHD_HTTP_TOO_MANY_REQUESTS) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    return answer(
        connection, status,
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT),
        "text/plain; charset=utf-8");
}

static enum MHD_Result answer_not_allowed(struct MHD_Connection *connection, const char *methods)
{
    static const char text[] = "Only the methods that Allow names.\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof(text) - 1, (void *)text, MHD_RESPMEM_PERSISTENT);
    if (response) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, methods);
    }
    return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response, "text/plain; charset=utf-8");
}

static enum MHD_Result answer_metrics(struct spy__admin *admin, struct MHD_Connection *connection)
{
    uint64_t timeout_ns = spy__scrape_timeout_ns(MHD_lookup_connection_value(
        connection, MHD_HEADER_KIND, "X-Prometheus-Scrape-Timeout-Seconds"));
    if (!spy__slots_take(&admin->scrapes, timeout_ns)) {
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many scrapes at once.\n");
    }
    struct MHD_Response *response = spy__scrape_response(&admin->scrapes);
    if (!response) {
        spy__slots_give(&admin->scrapes);
    }
    return answer(connection, MHD_HTTP_OK, response, SPY__PROM_TEXT_TYPE);
}

// ---- who may
// --------------------------------------------------------------------------------------------------------

struct seen {
    struct spy__access_request request;
    unsigned hosts, authorizations, origins;
};

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct seen *seen = arg;
    (void)kind;
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        seen->request.host = ++seen->hosts == 1 ? value : NULL;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
        seen->request.authorization = ++seen->authorizations == 1 ? value : NULL;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_ORIGIN) == 0) {
        seen->request.origin = ++seen->origins == 1 ? value : "";
    } else if (spy__header_is_forwarding(name)) {
        seen->request.forwarded = true;
    }
    return MHD_YES;
}

static enum spy__access
check_access(const struct spy__admin *admin, struct MHD_Connection *connection,
             enum spy__access (*check)(const struct spy__access_request *, const char *))
{
    struct seen seen = { 0 };
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    seen.request.peer = peer ? peer->client_addr : NULL;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, look_at_header, &seen);
    return check(&seen.request, admin->token);
}

// A page of another origin may make the browser ask, though it cannot read the answer: it shall not
// even ask. (https://www.w3.org/TR/fetch-metadata/; who sends no such header is no browser.)
static bool is_foreign(struct MHD_Connection *connection)
{
    const char *site = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Site");
    return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

// ---- requests
// -------------------------------------------------------------------------------------------------------

#define PROXY_PATH "/api/prometheus/"
#define PROXY_PATH_LEN (sizeof(PROXY_PATH) - 1)

static enum MHD_Result answer_proxy(struct spy__admin *admin, struct MHD_Connection *connection,
                                    const char *question)
{
    unsigned status = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (is_foreign(connection)) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN, "Only from this page.\n");
    }
    struct MHD_Response *response =
        spy__proxy_response(&admin->proxy, connection, question, &status);
    return answer(connection, status, response, "application/json");
}

static enum MHD_Result answer_debug(struct MHD_Connection *connection, const char *path)
{
    unsigned status = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (is_foreign(connection)) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN, "Only from this page.\n");
    }
    struct MHD_Response *response = spy__debug_response(connection, path, &status);
    return answer(connection, status, response, "application/json");
}

static enum MHD_Result answer_profile(struct spy__admin *admin, struct MHD_Connection *connection,
                                      const char *path, const char *method)
{
    unsigned status = MHD_HTTP_SERVICE_UNAVAILABLE;
    const char *type = "text/plain; charset=utf-8";
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        return answer_not_allowed(connection, "GET");
    }
    if (is_foreign(connection)) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN, "Only from this page.\n");
    }
    struct MHD_Response *response =
        spy__profile_view_response(&admin->profiles, connection, path, &status, &type);
    return answer(connection, status, response, type);
}

static enum MHD_Result change_level(struct spy__admin *admin, struct MHD_Connection *connection,
                                    const struct spy__upload *body)
{
    unsigned status = MHD_HTTP_SERVICE_UNAVAILABLE;
    enum spy__access access = check_access(admin, connection, spy__access_check_change);
    if (access == SPY__ACCESS_TOKEN_WANTED) {
        return answer_text(connection, MHD_HTTP_UNAUTHORIZED, "A bearer token is required.\n");
    }
    if (access != SPY__ACCESS_GRANTED || is_foreign(connection)) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN,
                           "Only with a bearer token (admin_token), and from no other page.\n");
    }
    struct MHD_Response *response = spy__level_put(body, &status);
    return answer(connection, status, response, "application/json");
}

static enum MHD_Result answer_level(struct spy__admin *admin, struct MHD_Connection *connection,
                                    const char *method, const struct spy__upload *body)
{
    unsigned status = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (body) {
        return change_level(admin, connection, body);
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer_not_allowed(connection, "GET, HEAD, PUT");
    }
    if (is_foreign(connection)) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN, "Only from this page.\n");
    }
    struct MHD_Response *response = spy__level_get(&status);
    return answer(connection, status, response, "application/json");
}

static enum MHD_Result answer_sql(struct spy__admin *admin, struct MHD_Connection *connection,
                                  const char *method, const struct spy__upload *body)
{
    unsigned status = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (is_foreign(connection) ||
        check_access(admin, connection, spy__access_check_post) != SPY__ACCESS_GRANTED) {
        return answer_text(connection, MHD_HTTP_FORBIDDEN, "Only from this page.\n");
    }
    if (body) {
        struct MHD_Response *response = spy__sql_response(&admin->sql, body, &status);
        return answer(connection, status, response,
                      status == MHD_HTTP_OK ? "text/plain; charset=utf-8" : "application/json");
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer_not_allowed(connection, "GET, HEAD, POST");
    }
    struct MHD_Response *response = spy__sql_state(&admin->sql, &status);
    return answer(connection, status, response, "application/json");
}

static enum MHD_Result route(struct spy__admin *admin, struct MHD_Connection *connection,
                             const char *path, const char *method)
{
    struct spy__profile_ask_view view;
    if (spy__profile_view_has(path, &view)) {
        return answer_profile(admin, connection, path, method);
    }
    bool metrics = strcmp(path, "/metrics") == 0;
    bool health = strcmp(path, "/healthz") == 0;
    bool ready = strcmp(path, "/readyz") == 0;
    bool proxied = strncmp(path, PROXY_PATH, PROXY_PATH_LEN) == 0;
    bool debug = spy__debug_has(path);
    const struct spy__console_file *file = spy__console_find(path);
    if (!metrics && !health && !ready && !proxied && !debug && !file) {
        return answer_text(connection, MHD_HTTP_NOT_FOUND,
                           "There is / to look at, and /metrics, /healthz and /readyz.\n");
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer_not_allowed(connection, "GET, HEAD");
    }
    if (metrics && strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        return answer(connection, MHD_HTTP_OK, spy__scrape_head_response(), SPY__PROM_TEXT_TYPE);
    }
    if (metrics) {
        return answer_metrics(admin, connection);
    }
    if (proxied) {
        return answer_proxy(admin, connection, path + PROXY_PATH_LEN);
    }
    if (debug) {
        return answer_debug(connection, path);
    }
    if (file) {
        return answer(connection, MHD_HTTP_OK, spy__console_response(file), file->type);
    }
    if (ready && admin->ready && !admin->ready()) {
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready\n");
    }
    return answer_text(connection, MHD_HTTP_OK, "ok\n");
}

static const char begun; // what a request that brings no body has in its slot

// The most bytes of its body; 0: it takes none.
static size_t body_bytes_max(const char *path, const char *method)
{
    if (strcmp(path, SPY__LEVEL_PATH) == 0 && strcmp(method, MHD_HTTP_METHOD_PUT) == 0) {
        return SPY__LEVEL_BODY_MAX;
    }
    return strcmp(path, SPY__SQL_PATH) == 0 && strcmp(method, MHD_HTTP_METHOD_POST) == 0
               ? SPY__SQL_BYTES_MAX
               : 0;
}

// The first call of a request: an answer now would close the connection.
static enum MHD_Result begin_request(const char *path, const char *method, void **slot)
{
    size_t max = body_bytes_max(path, method);
    *slot = max > 0 ? (void *)spy__upload_new(max) : (void *)&begun;
    return *slot ? MHD_YES : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode why)
{
    (void)arg;
    (void)connection;
    (void)why;
    if (*slot != &begun) {
        free(*slot);
    }
    *slot = NULL;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **slot)
{
    struct spy__admin *admin = arg;
    (void)version;
    if (!*slot) {
        return begin_request(path, method, slot);
    }
    struct spy__upload *body = *slot != &begun ? *slot : NULL;
    if (*upload_data_size > 0) {
        if (!body) {
            return MHD_NO; // nothing else here takes one
        }
        spy__upload_add(body, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    switch (check_access(admin, connection, spy__access_check)) {
    case SPY__ACCESS_GRANTED:
        return strcmp(path, SPY__LEVEL_PATH) == 0 ? answer_level(admin, connection, method, body)
               : strcmp(path, SPY__SQL_PATH) == 0 ? answer_sql(admin, connection, method, body)
                                                  : route(admin, connection, path, method);
    case SPY__ACCESS_TOKEN_WANTED:
        return answer_text(connection, MHD_HTTP_UNAUTHORIZED, "A bearer token is required.\n");
    case SPY__ACCESS_FORBIDDEN:
        break;
    }
    return answer_text(connection, MHD_HTTP_FORBIDDEN,
                       "Only from this machine, without a proxy.\n");
}

// ---- start and stop
// -------------------------------------------------------------------------------------------------

static int say(char error[SPY__ADMIN_ERROR_MAX], int rc, const char *address, const char *what)
{
    snprintf(error, SPY__ADMIN_ERROR_MAX, "The admin server cannot listen on %.64s: %s.", address,
             what);
    return rc;
}

static int listen_on(int *ret_fd, uint16_t *ret_port, const struct spy__admin_options *options,
                     char *error)
{
    struct sockaddr_storage address;
    socklen_t len;
    int on = 1;
    if (spy__address_parse(options->address, &address, &len) != 0) {
        return say(error, -EINVAL, options->address,
                   "it takes HOST:PORT with a numeric IPv4 address, an IPv6 one in brackets, or "
                   "localhost");
    }
    if (!spy__address_is_loopback((struct sockaddr *)&address) &&
        (!options->token || !options->token[0])) {
        return say(error, -EACCES, options->address,
                   "beyond loopback it needs a token (admin_token)");
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        int rc = -errno;
        return say(error, rc, options->address, strerror(-rc));
    }
    // A restart must not wait for the last one's connections to time out.
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        int rc = -errno;
        close(fd);
        return say(error, rc, options->address,
                   rc == -EADDRINUSE ? "another process has this port" : strerror(-rc));
    }
    // The port lies at the same place in both families' addresses.
    *ret_port = ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
    *ret_fd = fd;
    return 0;
}

// Its threads inherit the mask of this one.
static struct MHD_Daemon *start_with_signals_blocked(struct spy__admin *admin, int fd)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, on_request,
        admin, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, ADMIN_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)ADMIN_CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

int spy__admin_start(struct spy__admin **ret, const struct spy__admin_options *options,
                     char error[SPY__ADMIN_ERROR_MAX])
{
    const char *token = options->token ? options->token : "";
    const char *prometheus = options->prometheus_url ? options->prometheus_url : "";
    const char *why;
    uint16_t port = 0;
    int fd = -1;
    if (prometheus[0] && !spy__proxy_base_ok(prometheus, &why)) {
        snprintf(error, SPY__ADMIN_ERROR_MAX, "prometheus_url cannot be used: %s.", why);
        return -EINVAL;
    }
    int rc = listen_on(&fd, &port, options, error);
    if (rc != 0) {
        return rc;
    }
    size_t token_bytes = strlen(token) + 1;
    struct spy__admin *admin = calloc(1, sizeof(*admin) + token_bytes + strlen(prometheus) + 1);
    if (!admin) {
        close(fd);
        return say(error, -ENOMEM, options->address, "no memory");
    }
    admin->port = port;
    admin->fd = fd;
    admin->pid = getpid();
    admin->ready = options->ready;
    admin->token = memcpy(admin->strings, token, token_bytes);
    memcpy(admin->strings + token_bytes, prometheus, strlen(prometheus));
    spy__proxy_init(&admin->proxy, admin->strings + token_bytes,
                    prometheus[0] ? options->fetch : NULL);
    spy__sql_init(&admin->sql, options->ask, options->asker);
    spy__profile_views_init(&admin->profiles, options->write_profile, options->find_report);
    spy__slots_init(&admin->scrapes, SCRAPES_MAX);
    admin->daemon = start_with_signals_blocked(admin, fd);
    if (!admin->daemon) {
        close(fd);
        spy__proxy_done(&admin->proxy);
        spy__sql_done(&admin->sql);
        spy__profile_views_done(&admin->profiles);
        spy__slots_done(&admin->scrapes);
        free(admin);
        return say(error, -ENOMEM, options->address, "no memory or no thread");
    }
    *ret = admin;
    return 0;
}

uint16_t spy__admin_port(const struct spy__admin *admin)
{
    return admin ? admin->port : 0;
}

void spy__admin_stop(struct spy__admin *admin)
{
    if (admin && admin->pid != getpid()) {
        close(admin->fd); // a forked child has none of the threads: all it can give up is its share
                          // of the port
    } else if (admin) {
        spy__slots_close(&admin->scrapes);
        spy__proxy_close(&admin->proxy);
        spy__sql_close(&admin->sql);
        spy__profile_views_close(&admin->profiles);
        MHD_stop_daemon(admin->daemon);
        spy__proxy_done(&admin->proxy);
        spy__sql_done(&admin->sql);
        spy__profile_views_done(&admin->profiles);
        spy__slots_done(&admin->scrapes);
        explicit_bzero(admin->strings, strlen(admin->token));
        free(admin);
    }
}
