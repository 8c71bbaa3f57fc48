#include "memegen/analytics/clickhouse.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/http.h"
#include "memegen/telemetry.h"

#define CONNECT_MS 1000u
#define ANSWER_MS 5000u
#define ANSWER_BYTES_MAX (4u << 20)
#define URL_BYTES 2048u

// What every question is asked with: it reads, for a bounded time, and numbers are numbers. readonly
// comes last, since nothing may be set after it.
#define SETTINGS                                                                                   \
    "default_format=JSONEachRow&output_format_json_quote_64bit_integers=0&max_execution_time=4"    \
    "&readonly=1"

struct clickhouse {
    struct http *http;
    struct http_tls tls;  // const after open
    char base[URL_BYTES]; // up to the statement's parameters; const after open
};

// Appends; false where it does not fit.
static bool append(char *text, size_t size, const char *more, size_t len)
{
    size_t at = strlen(text);

    if (len >= size - at) {
        return false;
    }
    memcpy(text + at, more, len);
    text[at + len] = '\0';
    return true;
}

// A database's name as it stands in a path, percent-encoded already, for a query.
static bool append_name(char *text, size_t size, const char *name)
{
    bool fits = true;

    for (; *name && fits; name++) {
        char coded[4];
        bool plain = isalnum((unsigned char)*name) || strchr("%_-.~", *name);
        snprintf(coded, sizeof(coded), plain ? "%c" : "%%%02X", (unsigned char)*name);
        fits = append(text, size, coded, strlen(coded));
    }
    return fits;
}

// ClickHouse's ports are not the scheme's.
static bool make_base(char *ret, size_t size, const char *url)
{
    bool tls = strncmp(url, "https://", 8) == 0;
    const char *authority = url + (tls ? 8 : 7), *host, *end;
    bool has_port, fits;

    if (!tls && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    end = authority + strcspn(authority, "/?#");
    host = memrchr(authority, '@', (size_t)(end - authority));
    host = host ? host + 1 : authority;
    if (host == end || *end == '?' || *end == '#') {
        return false;
    }
    const char *bracket = memrchr(host, ']', (size_t)(end - host));
    const char *after = bracket ? bracket : host;
    has_port = memchr(after, ':', (size_t)(end - after)) != NULL;
    ret[0] = '\0';
    fits = append(ret, size, url, (size_t)(end - url));
    if (fits && !has_port) {
        fits = append(ret, size, tls ? ":8443" : ":8123", 5);
    }
    fits = fits && append(ret, size, "/?", 2);
    if (fits && end[0] == '/' && end[1]) {
        fits = append(ret, size, "database=", 9) && append_name(ret, size, end + 1) &&
               append(ret, size, "&", 1);
    }
    return fits && append(ret, size, SETTINGS, sizeof(SETTINGS) - 1);
}

int clickhouse_open(struct clickhouse **ret, const struct clickhouse_server *server)
{
    struct clickhouse *clickhouse = calloc(1, sizeof(*clickhouse));

    if (!clickhouse) {
        return -ENOMEM;
    }
    if (!make_base(clickhouse->base, sizeof(clickhouse->base) / 2, server->url)) {
        free(clickhouse);
        return -EINVAL;
    }
    clickhouse->tls = (struct http_tls){ server->ca, server->cert, server->key };
    clickhouse->http = http_new(1);
    if (!clickhouse->http) {
        free(clickhouse);
        return -ENOMEM;
    }
    *ret = clickhouse;
    return 0;
}

void clickhouse_close(struct clickhouse *clickhouse)
{
    if (clickhouse) {
        http_free(clickhouse->http);
        explicit_bzero(clickhouse->base, sizeof(clickhouse->base)); // it may hold a password
        free(clickhouse);
    }
}

void clickhouse_stop(struct clickhouse *clickhouse)
{
    http_stop(clickhouse->http);
}

// An object a line. NULL where one is none: an error may come after the first rows.
static json_t *read_rows(char *body)
{
    json_t *rows = json_array();
    char *rest = body;

    for (char *line; rows && (line = strsep(&rest, "\n")) != NULL;) {
        json_t *row = *line ? json_loads(line, 0, NULL) : NULL;
        if (*line && (!json_is_object(row) || json_array_append_new(rows, row) != 0)) {
            if (!json_is_object(row)) {
                json_decref(row);
            }
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

// ClickHouse's sentence, without its stack and its version: a line, cut.
static void quote(char error[CLICKHOUSE_ERROR_BYTES], long status, const char *body)
{
    size_t len = strcspn(body, "\r\n");
    int n =
        snprintf(error, CLICKHOUSE_ERROR_BYTES, "ClickHouse answered with status %ld: ", status);
    size_t room = CLICKHOUSE_ERROR_BYTES - 1 - (size_t)n;

    len = len < room ? len : room;
    for (size_t i = 0; i < len; i++) {
        char c = body[i];
        error[(size_t)n + i] = c >= ' ' && c <= '~' ? c : '?';
    }
    error[(size_t)n + len] = '\0';
}

static int take_answer(struct http_answer *answer, json_t **ret, char error[CLICKHOUSE_ERROR_BYTES])
{
    if (answer->outcome == HTTP_BROKEN) {
        snprintf(error, CLICKHOUSE_ERROR_BYTES, "ClickHouse could not be asked: %s",
                 answer->problem);
        return -ENOMEM;
    }
    if (answer->outcome != HTTP_ANSWERED) {
        snprintf(error, CLICKHOUSE_ERROR_BYTES, "ClickHouse does not answer: %s", answer->problem);
        return -EAGAIN;
    }
    *ret = NULL;
    if (answer->status == 200) {
        *ret = read_rows(answer->body);
    }
    if (!*ret) {
        quote(error, answer->status, answer->body);
        return -EIO;
    }
    return 0;
}

int clickhouse_ask(struct clickhouse *clickhouse, const char *sql,
                   const struct clickhouse_param params[], json_t **ret,
                   char error[CLICKHOUSE_ERROR_BYTES])
{
    static const char *const headers[] = { "Content-Type: text/plain; charset=utf-8", NULL };
    char url[URL_BYTES];
    struct http_answer answer;
    struct spy_span span;
    int code;

    snprintf(url, sizeof(url), "%s", clickhouse->base);
    for (; params->name; params++) {
        size_t at = strlen(url);
        snprintf(url + at, sizeof(url) - at, "&param_%s=%s", params->name, params->value);
    }
    span = spy_begin(&telemetry_external, "clickhouse", "query");
    http_post(clickhouse->http,
              &(struct http_request){ .url = url,
                                      .headers = headers,
                                      .tls = &clickhouse->tls,
                                      .body = sql,
                                      .connect_ms = CONNECT_MS,
                                      .attempt_ms = ANSWER_MS,
                                      .answer_max = ANSWER_BYTES_MAX },
              &answer);
    explicit_bzero(url, sizeof(url));
    code = take_answer(&answer, ret, error);
    spy_end(&span, code == 0 ? SPY_SUCCESS
                             : spy_failure(answer.outcome == HTTP_TIMED_OUT ? "timeout"
                                           : code == -EAGAIN                ? "refused"
                                                                            : "bad_answer",
                                           error));
    http_answer_done(&answer);
    return code;
}
