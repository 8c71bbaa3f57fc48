#include "backends/clickhouse_url.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 255

static int digit_of(char c)
{
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Decodes n bytes with %XX into out, of which no character may be a control: they go into headers.
static bool decode(char out[SPY__CLICKHOUSE_NAME_MAX + 1], const char *s, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            int high = n - i > 2 ? digit_of(s[i + 1]) : -1;
            int low = high >= 0 ? digit_of(s[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = high * 16 + low;
            i += 2;
        }
        if (c < ' ' || c == 0x7f || len == SPY__CLICKHOUSE_NAME_MAX) {
            return false;
        }
        out[len++] = (char)c;
    }
    out[len] = '\0';
    return true;
}

// A name or an address; or an IPv6 one in its brackets.
static bool host_ok(const char *s, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char six[] = "0123456789abcdefABCDEF:.";
    if (n == 0 || n > HOST_MAX) {
        return false;
    }
    if (s[0] == '[') {
        return n > 2 && s[n - 1] == ']' && strspn(s + 1, six) == n - 2;
    }
    return strspn(s, plain) >= n;
}

static bool is_loopback(const char *s, size_t n)
{
    return (n > 4 && memcmp(s, "127.", 4) == 0 && strspn(s, "0123456789.") >= n) ||
           (n == 5 && memcmp(s, "[::1]", 5) == 0) ||
           (n == 9 && strncasecmp(s, "localhost", 9) == 0);
}

// Digits up to the end; 0 where it is none, or past 65535.
static unsigned port_of(const char *s, size_t n)
{
    unsigned v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9' || v > 65535) {
            return 0;
        }
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    return v <= 65535 ? v : 0;
}

static const char *parse(struct spy__clickhouse_url *url, const char *text)
{
    bool tls = strncmp(text, "https://", 8) == 0;
    if (!tls && strncmp(text, "http://", 7) != 0) {
        return "it must begin with http:// or https://, ClickHouse's HTTP interface";
    }
    const char *rest = text + (tls ? 8 : 7);
    if (strpbrk(rest, "?#")) {
        return "it has a query or a fragment: the database goes into the path";
    }
    size_t n = strcspn(rest, "/");
    const char *path = rest + n, *at = memrchr(rest, '@', n);
    if (at) {
        const char *colon = memchr(rest, ':', (size_t)(at - rest)), *end = colon ? colon : at;
        if (!decode(url->user, rest, (size_t)(end - rest)) ||
            (colon && !decode(url->password, colon + 1, (size_t)(at - colon) - 1))) {
            return "its user or password is not percent-encoded, or longer than 128 bytes";
        }
        n -= (size_t)(at + 1 - rest);
        rest = at + 1;
    }
    const char *colon = memrchr(rest, ':', n), *bracket = memrchr(rest, ']', n);
    colon = colon && bracket && colon < bracket ? NULL : colon;
    size_t host = colon ? (size_t)(colon - rest) : n;
    unsigned port = colon ? port_of(colon + 1, n - host - 1) : tls ? 8443 : 8123;
    if (!host_ok(rest, host) || port == 0) {
        return "it has no valid HOST or HOST:PORT";
    }
    size_t name = *path ? strlen(path + 1) : 0;
    if (name > 0 && (strchr(path + 1, '/') || !decode(url->database, path + 1, name))) {
        return "its path must be the name of a database";
    }
    url->loopback = is_loopback(rest, host);
    (void)snprintf(url->base, sizeof(url->base), "http%s://%.*s:%u", tls ? "s" : "", (int)host,
                   rest, port);
    return NULL;
}

int spy__clickhouse_url_parse(struct spy__clickhouse_url *ret, const char *text,
                              const char **ret_why)
{
    struct spy__clickhouse_url url = { .base = "" };
    *ret_why = parse(&url, text);
    if (*ret_why) {
        return -EINVAL;
    }
    *ret = url;
    return 0;
}
