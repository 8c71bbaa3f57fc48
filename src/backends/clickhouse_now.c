// Migrations at once, for a person who waits: the backend's own steps, over one connection after the
// other.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "backends/clickhouse.h"
#include "deliver/http.h"

#define ANSWER_BYTES_MAX (1u << 20)
#define STATEMENT_BYTES_MAX (1u << 16)

SPY_PRINTF(4, 5)
static int refuse(int err, char *error, size_t n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error, n, format, args);
    va_end(args);
    return err;
}

static int run(struct spy__clickhouse *ch, const struct spy__tls *tls,
               struct spy__http_reply *reply, struct spy__buf *body, char *error, size_t n)
{
    const struct spy__http_server server = { spy__clickhouse_base(ch), *tls };
    struct spy__request request;
    int more;
    while ((more = spy__clickhouse_prepare(ch, &request, body)) > 0) {
        struct spy__answer answer;
        spy__http_post(&answer, reply, &server, &request, body, NULL);
        struct spy__verdict verdict = spy__clickhouse_prepared(ch, &answer);
        if (verdict.kind != SPY__SENT) {
            return refuse(-EAGAIN, error, n, "ClickHouse at %s: %s", spy__clickhouse_base(ch),
                          verdict.text[0] ? verdict.text : verdict.reason);
        }
    }
    size_t missing = more == 0 ? spy__clickhouse_missing(ch) : 0;
    if (missing > 0) {
        return refuse(-EACCES, error, n,
                      "ClickHouse at %s: the user may not change the schema; %zu migrations are "
                      "missing",
                      spy__clickhouse_base(ch), missing);
    }
    return more == 0 ? 0 : refuse(more, error, n, "no memory");
}

int spy__clickhouse_migrate_now(const char *url, const struct spy__tls *tls,
                                void (*applied)(void *arg, const char *name), void *arg,
                                char *error, size_t error_bytes)
{
    const struct spy__clickhouse_options options = { .url = url, .applied = applied, .arg = arg };
    struct spy__clickhouse *ch;
    const char *why = "no memory";
    int err = url ? spy__clickhouse_new(&ch, &options, &why) : -EINVAL;
    if (err != 0) {
        return refuse(err, error, error_bytes, "the address of ClickHouse cannot be used: %s",
                      url ? why : "there is none");
    }
    struct spy__http_reply reply;
    struct spy__buf body;
    spy__http_reply_init(&reply, ANSWER_BYTES_MAX);
    spy__buf_init(&body, STATEMENT_BYTES_MAX);
    err = run(ch, tls, &reply, &body, error, error_bytes);
    spy__buf_done(&body);
    spy__http_reply_done(&reply);
    spy__clickhouse_free(ch);
    return err;
}
