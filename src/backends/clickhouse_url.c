#include "backends/clickhouse_url.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/ascii.h"

// Decodes n bytes with %XX into out, of which no character may be a control: they go into headers.
static bool decode(char out[SPY__CLICKHOUSE_NAME_MAX + 1], const char *s, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            int high = n - i > 2 ? spy__ascii_hex_digit(s[i + 1]) : -1;
            int low = high >= 0 ? spy__ascii_hex_digit(s[i + 2]) : -1;
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
    if (!spy__authority_parse(url->base, &url->loopback, rest, n, tls, tls ? 8443 : 8123)) {
        return "it has no valid HOST or HOST:PORT";
    }
    size_t name = *path ? strlen(path + 1) : 0;
    if (name > 0 && (strchr(path + 1, '/') || !decode(url->database, path + 1, name))) {
        return "its path must be the name of a database";
    }
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
