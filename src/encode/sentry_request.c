#include "encode/sentry_request.h"

#include <string.h>

#include "encode/value.h"

#define HOST_MAX 255u // of a name of the DNS, with a port a little less
#define USER_MAX 256u
#define NAME_MAX 127u
#define HEADERS_MAX 64u // more than are ever told

// A header among lines "Name: value\n".
struct header {
    const char *name, *value;
    size_t name_n, value_n;
};

// Reads the line at *at and moves on. False: there is none. What is no header has no name.
static bool next_header(struct header *ret, const struct spy_field *lines, size_t *at)
{
    const char *line = lines->value.s + *at, *end, *colon;
    size_t left = lines->len - *at, n;
    if (left == 0) {
        return false;
    }
    end = memchr(line, '\n', left);
    n = end ? (size_t)(end - line) : left;
    *at += n + (end != NULL);
    colon = memchr(line, ':', n);
    *ret = (struct header){ line, line + n, colon ? (size_t)(colon - line) : 0, 0 };
    if (colon) {
        size_t gap = colon + 1 < line + n && colon[1] == ' ' ? 2 : 1;
        ret->value = colon + gap;
        ret->value_n = (size_t)(line + n - ret->value);
    }
    return true;
}

// Whether one of that name stands before the line at `end`: an object has a key once.
static bool is_repeated(const struct header *header, const struct spy_field *lines, size_t end)
{
    struct header other;
    for (size_t at = 0; next_header(&other, lines, &at) && at < end;) {
        if (other.name_n == header->name_n &&
            memcmp(other.name, header->name, header->name_n) == 0) {
            return true;
        }
    }
    return false;
}

static void put_headers(struct spy__json *j, const struct spy_field *lines)
{
    struct header header;
    size_t at = 0, count = 0;
    spy__json_key(j, "headers");
    spy__json_object(j);
    while (count < HEADERS_MAX && next_header(&header, lines, &at)) {
        if (header.name_n > 0 && header.name_n <= NAME_MAX && !is_repeated(&header, lines, at)) {
            count++;
            spy__json_keyn(j, header.name, header.name_n);
            spy__json_strn(j, header.value, header.value_n);
        }
    }
    spy__json_object_end(j);
}

// What the client called us, where that is a host and port by its characters (RFC 9110, section 7.2);
// else the machine's name.
static size_t find_host(const char **ret, const struct spy__host *machine,
                        const struct spy_field *lines)
{
    struct header header;
    size_t at = 0;
    while (lines && next_header(&header, lines, &at)) {
        if (header.name_n != 4 || strncasecmp(header.name, "host", 4) != 0 || header.value_n == 0 ||
            header.value_n > HOST_MAX) {
            continue;
        }
        size_t n = 0;
        while (n < header.value_n && header.value[n] &&
               strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]",
                      header.value[n])) {
            n++;
        }
        if (n == header.value_n) {
            *ret = header.value;
            return n;
        }
    }
    *ret = machine->name;
    return strlen(machine->name);
}

// Sentry wants a whole URL. A path longer than the room is left out.
static void put_url(struct spy__json *j, const char *host, size_t host_n,
                    const struct spy_field *path)
{
    static const char scheme[] = "http://";
    char url[2048];
    size_t n = sizeof(scheme) - 1;
    if (host_n == 0 || path->len == 0 || path->value.s[0] != '/' ||
        host_n + path->len > sizeof(url) - n) {
        return;
    }
    memcpy(url, scheme, n);
    memcpy(url + n, host, host_n);
    memcpy(url + n + host_n, path->value.s, path->len);
    spy__json_key(j, "url");
    spy__json_strn(j, url, n + host_n + path->len);
}

static void put_text(struct spy__json *j, const char *key, const struct spy_field *field)
{
    if (field) {
        spy__json_key(j, key);
        spy__json_strn(j, field->value.s, field->len);
    }
}

void spy__sentry_put_request(struct spy__json *j, const struct spy__host *machine,
                             const struct spy__record *record)
{
    const struct spy_field *method = spy__record_text(record, "method"),
                           *path = spy__record_text(record, "path"),
                           *lines = spy__record_text(record, SPY__REQUEST_HEADERS);
    const char *host;
    if (!method || !path) {
        return;
    }
    size_t host_n = find_host(&host, machine, lines);
    spy__json_key(j, "request");
    spy__json_object(j);
    put_text(j, "method", method);
    put_url(j, host, host_n, path);
    put_text(j, "query_string", spy__record_text(record, SPY__REQUEST_QUERY));
    if (lines) {
        put_headers(j, lines);
    }
    spy__json_object_end(j);
}

void spy__sentry_put_user(struct spy__json *j, const struct spy__record *record)
{
    const struct spy_field *user = spy__record_field(record, "user_id"),
                           *client = spy__record_text(record, SPY__REQUEST_CLIENT);
    user = user && user->type <= SPY_FIELD_STR ? user : NULL;
    if (!user && !client) {
        return;
    }
    spy__json_key(j, "user");
    spy__json_object(j);
    if (user) {
        spy__json_key(j, "id");
        spy__encode_text(j, user, USER_MAX);
    }
    put_text(j, "ip_address", client);
    spy__json_object_end(j);
}
