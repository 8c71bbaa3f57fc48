// What a request asks for, read from its URL parameters and headers as ClickHouse's HTTP interface
// reads them (https://clickhouse.com/docs/interfaces/http). Pure: no I/O, nothing copied.
//
// A parameter is one of the interface's own, a query parameter (param_NAME), or a setting. What the
// interface has and this server has not (sessions, roles, ClickHouse's own compression) is refused
// with a reason instead of being read as a setting. Whether a setting exists and what its value may
// be is the engine's to say.
#ifndef EVENTS_REQUEST_H
#define EVENTS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Of each, in one request: more is a mistake.
#define EVENTS_SETTINGS_MAX 64
#define EVENTS_PARAMS_MAX 64
// A query's own id, as ClickHouse's clients make them.
#define EVENTS_QUERY_ID_MAX 128

struct events_text {
    const char *bytes; // NULL: not given
    size_t len;
};

struct events_pair {
    struct events_text name, value;
};

enum events_coding {
    EVENTS_IDENTITY,
    EVENTS_GZIP,
    EVENTS_ZSTD,
};

// Zero is a request that asks for nothing. Borrows the texts it was made from.
struct events_request {
    struct events_text query, database, format, query_id;
    struct events_text user, password; // NULL: not given
    struct events_pair settings[EVENTS_SETTINGS_MAX];
    size_t settings_count;
    // Names without "param_".
    struct events_pair params[EVENTS_PARAMS_MAX];
    size_t params_count;
    uint64_t protocol_version; // that the client wants Native in; 0: none
    enum events_coding body;   // how the body is encoded
    enum events_coding answer; // the best of what the client takes
    bool may_encode;           // the setting enable_http_compression is on
};

// One URL parameter, decoded; one header. Each returns 0, or the HTTP status of a refusal with its
// reason in *ret_why (a static text). The value of a header is a string.
int events_request_param(struct events_request *request, struct events_text name,
                         struct events_text value, const char **ret_why);
int events_request_header(struct events_request *request, const char *name, const char *value,
                          const char **ret_why);

// Whether the credentials, where there are any, are those of the one user that there is: "default",
// without a password.
bool events_request_is_default_user(const struct events_request *request);

bool events_text_is(struct events_text text, const char *literal);

#endif
