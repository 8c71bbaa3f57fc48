#include "backends/clickhouse_request.h"

#include <stdio.h>
#include <string.h>

void spy__clickhouse_request_param(struct spy__buf *path, const char *name, const char *value)
{
    static const char hex[] = "0123456789ABCDEF";
    spy__buf_putc(path, path->len == 1 ? '?' : '&');
    spy__buf_puts(path, name);
    spy__buf_putc(path, '=');
    for (const char *s = value; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("-._~", c)) {
            spy__buf_putc(path, (char)c);
        } else {
            const char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };
            spy__buf_put(path, escaped, sizeof(escaped));
        }
    }
}

static void put_header(struct spy__request *request, const char *name, const char *value)
{
    (void)snprintf(request->headers[request->header_count++], SPY__REQUEST_HEADER_BYTES_MAX,
                   "%s: %s", name, value);
}

void spy__clickhouse_request_begin(struct spy__request *request, struct spy__buf *path,
                                   const struct spy__clickhouse_url *url, unsigned timeout_ms)
{
    request->header_count = 0;
    request->encoding = SPY__ENCODING_NONE;
    request->timeout_ms = timeout_ms;
    if (url->user[0]) {
        put_header(request, "X-ClickHouse-User", url->user);
    }
    if (url->password[0]) {
        put_header(request, "X-ClickHouse-Key", url->password);
    }
    spy__buf_init_fixed(path, request->path, sizeof(request->path));
    spy__buf_putc(path, '/');
    if (url->database[0]) {
        spy__clickhouse_request_param(path, "database", url->database);
    }
    spy__clickhouse_request_param(path, "wait_end_of_query", "1");
}
