#include "tools/events/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool events_text_is(struct events_text text, const char *literal)
{
    return text.bytes && text.len == strlen(literal) && memcmp(text.bytes, literal, text.len) == 0;
}

static bool starts_with(struct events_text text, const char *start)
{
    size_t n = strlen(start);
    return text.len >= n && memcmp(text.bytes, start, n) == 0;
}

static bool is_one_of(struct events_text text, const char *const *names)
{
    for (; *names; names++) {
        if (events_text_is(text, *names)) {
            return true;
        }
    }
    return false;
}

// The first one counts, as in ClickHouse.
static void take(struct events_text *to, struct events_text value)
{
    if (!to->bytes) {
        *to = value;
    }
}

static bool take_number(struct events_text text, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || *ret > UINT32_MAX) {
            return false;
        }
        *ret = *ret * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    return true;
}

static int take_pair(struct events_pair *pairs, size_t *count, size_t max, struct events_text name,
                     struct events_text value, const char **ret_why)
{
    if (*count == max) {
        *ret_why = "A request has at most 64 settings and 64 query parameters.";
        return 400;
    }
    pairs[(*count)++] = (struct events_pair){ name, value };
    return 0;
}

// As the engine reads a boolean: enough of it to know whether to encode the answer.
static bool is_on(struct events_text value)
{
    static const char *const yes[] = { "1", "true", "True", "TRUE", "on", "yes", NULL };
    return is_one_of(value, yes);
}

static bool is_off(struct events_text value)
{
    static const char *const no[] = { "", "0", "false", NULL };
    return is_one_of(value, no);
}

// Parameters of ClickHouse's interface that would change what is done, and that are not done here.
static const char *refusal(struct events_text name, struct events_text value)
{
    static const char *const sessions[] = { "session_id", "session_timeout", "session_check",
                                            "close_session", NULL };
    static const char *const compression[] = { "compress", "decompress", NULL };
    if (is_one_of(name, sessions)) {
        return "Sessions are not offered: each request is its own.";
    }
    if (is_one_of(name, compression) && !is_off(value)) {
        return "ClickHouse's own compression is not offered: Content-Encoding and Accept-Encoding "
               "take gzip and zstd.";
    }
    if (events_text_is(name, "role")) {
        return "Roles are not offered.";
    }
    if (events_text_is(name, "stacktrace") && !is_off(value)) {
        return "Stack traces are not offered.";
    }
    return NULL;
}

int events_request_param(struct events_request *request, struct events_text name,
                         struct events_text value, const char **ret_why)
{
    // Answers are whole before their first byte is sent, and there are no quotas.
    static const char *const granted[] = {
        "wait_end_of_query", "buffer_size", "quota_key", "compress",
        "decompress",        "stacktrace",  NULL
    };
    static const struct {
        const char *name;
        size_t offset;
    } texts[] = {
        { "query", offsetof(struct events_request, query) },
        { "database", offsetof(struct events_request, database) },
        { "default_format", offsetof(struct events_request, format) },
        { "query_id", offsetof(struct events_request, query_id) },
        { "user", offsetof(struct events_request, user) },
        { "password", offsetof(struct events_request, password) },
    };
    const char *why = refusal(name, value);
    if (why) {
        *ret_why = why;
        return 501;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (events_text_is(name, texts[i].name)) {
            take((struct events_text *)((char *)request + texts[i].offset), value);
            return 0;
        }
    }
    if (is_one_of(name, granted)) {
        return 0;
    }
    if (events_text_is(name, "client_protocol_version")) {
        if (take_number(value, &request->protocol_version)) {
            return 0;
        }
        *ret_why = "A client_protocol_version is a number.";
        return 400;
    }
    if (starts_with(name, "param_")) {
        name = (struct events_text){ name.bytes + 6, name.len - 6 };
        return take_pair(request->params, &request->params_count, EVENTS_PARAMS_MAX, name, value,
                         ret_why);
    }
    if (events_text_is(name, "enable_http_compression")) {
        request->may_encode = is_on(value);
    }
    return take_pair(request->settings, &request->settings_count, EVENTS_SETTINGS_MAX, name, value,
                     ret_why);
}

static struct events_text text_of(const char *string)
{
    return (struct events_text){ string, strlen(string) };
}

// The next element of a comma-separated list, without spaces around it and its parameters (";q=0").
static struct events_text next_element(const char **rest, bool *ret_refused)
{
    const char *start = *rest + strspn(*rest, " \t,");
    const char *end = start + strcspn(start, ",");
    const char *name_end = start + strcspn(start, ",; \t");
    const char *quality = name_end;
    *rest = end;
    *ret_refused = false;
    while (quality < end && (isspace((unsigned char)*quality) || *quality == ';')) {
        quality++;
    }
    // "q=0", "q=0.000": not wanted (RFC 9110, 12.4.2).
    if (end - quality >= 3 && strncasecmp(quality, "q=0", 3) == 0) {
        size_t zeros = strspn(quality + 3, ".0 \t");
        *ret_refused = quality + 3 + zeros >= end;
    }
    return (struct events_text){ start, (size_t)(name_end - start) };
}

static bool is_coding(struct events_text text, const char *name)
{
    return text.len == strlen(name) && strncasecmp(text.bytes, name, text.len) == 0;
}

static void read_accept(struct events_request *request, const char *value)
{
    while (*value) {
        bool refused;
        struct events_text coding = next_element(&value, &refused);
        if (refused) {
            continue;
        }
        if (is_coding(coding, "zstd")) {
            request->answer = EVENTS_ZSTD;
        } else if (is_coding(coding, "gzip") && request->answer == EVENTS_IDENTITY) {
            request->answer = EVENTS_GZIP;
        }
    }
}

// Basic authentication of "default" or of nobody, without a password; anything else is kept as a
// password, which is wrong.
static void read_authorization(struct events_request *request, const char *value)
{
    static const char scheme[] = "Basic ";
    const char *credentials = value + sizeof(scheme) - 1;
    bool is_basic = strncasecmp(value, scheme, sizeof(scheme) - 1) == 0;
    // base64 of "default:" and ":"
    if (!is_basic ||
        (strcmp(credentials, "ZGVmYXVsdDo=") != 0 && strcmp(credentials, "Og==") != 0)) {
        request->password = text_of(value);
    }
}

static int read_body_coding(struct events_request *request, const char *value, const char **ret_why)
{
    bool refused;
    const char *rest = value;
    struct events_text coding = next_element(&rest, &refused);
    rest += strspn(rest, " \t,");
    if (*rest == '\0' && is_coding(coding, "gzip")) {
        request->body = EVENTS_GZIP;
    } else if (*rest == '\0' && is_coding(coding, "zstd")) {
        request->body = EVENTS_ZSTD;
    } else if (*rest != '\0' || !(is_coding(coding, "identity") || coding.len == 0)) {
        *ret_why = "Content-Encoding may be gzip, zstd or identity.";
        return 501;
    }
    return 0;
}

int events_request_header(struct events_request *request, const char *name, const char *value,
                          const char **ret_why)
{
    static const struct {
        const char *name;
        size_t offset;
    } texts[] = {
        { "X-ClickHouse-Database", offsetof(struct events_request, database) },
        { "X-ClickHouse-Format", offsetof(struct events_request, format) },
        { "X-ClickHouse-Query-Id", offsetof(struct events_request, query_id) },
        { "X-ClickHouse-User", offsetof(struct events_request, user) },
        { "X-ClickHouse-Key", offsetof(struct events_request, password) },
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcasecmp(name, texts[i].name) == 0) {
            take((struct events_text *)((char *)request + texts[i].offset), text_of(value));
            return 0;
        }
    }
    if (strcasecmp(name, "Authorization") == 0) {
        read_authorization(request, value);
    } else if (strcasecmp(name, "Accept-Encoding") == 0) {
        read_accept(request, value);
    } else if (strcasecmp(name, "Content-Encoding") == 0) {
        return read_body_coding(request, value, ret_why);
    } else if (strcasecmp(name, "Content-Type") == 0 &&
               strncasecmp(value, "multipart/", strlen("multipart/")) == 0) {
        *ret_why = "External tables (multipart bodies) are not offered.";
        return 501;
    } else if (strcasecmp(name, "X-ClickHouse-SSL-Certificate-Auth") == 0 &&
               strcasecmp(value, "on") == 0) {
        *ret_why = "Certificates are not offered.";
        return 501;
    }
    return 0;
}

bool events_request_is_default_user(const struct events_request *request)
{
    return (!request->user.bytes || request->user.len == 0 ||
            events_text_is(request->user, "default")) &&
           request->password.len == 0;
}
