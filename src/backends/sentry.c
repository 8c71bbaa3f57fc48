#include "backends/sentry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "encode/sentry_common.h"
#include "encode/sentry_envelope.h"
#include "record/document.h"
#include "spyglass/api.h"

#define TIMEOUT_MS 20000u
#define USER_AGENT SPY__SENTRY_SDK "/" SPYGLASS_VERSION

#define STATUS_TOO_LARGE 413
#define STATUS_TOO_MANY 429

struct spy__sentry {
    struct spy__sentry_dsn dsn;
};

int spy__sentry_new(struct spy__sentry **ret, const char *dsn, const char **ret_why)
{
    struct spy__sentry *sentry = calloc(1, sizeof(*sentry));
    if (!sentry) {
        return -ENOMEM;
    }
    int err = spy__sentry_dsn_parse(&sentry->dsn, dsn, ret_why);
    if (err != 0) {
        spy__sentry_free(sentry);
        return err;
    }
    *ret = sentry;
    return 0;
}

void spy__sentry_free(struct spy__sentry *sentry)
{
    if (sentry) {
        explicit_bzero(&sentry->dsn, sizeof(sentry->dsn));
        free(sentry);
    }
}

const char *spy__sentry_base(const struct spy__sentry *sentry)
{
    return sentry->dsn.base;
}

// ---- requests

static void begin_request(const struct spy__sentry *sentry, struct spy__request *request)
{
    const struct spy__sentry_dsn *dsn = &sentry->dsn;
    (void)snprintf(request->path, sizeof(request->path), "%s", dsn->path);
    (void)snprintf(request->headers[0], sizeof(request->headers[0]),
                   "X-Sentry-Auth: Sentry sentry_version=7, sentry_client=" USER_AGENT
                   ", sentry_key=%s%s%s",
                   dsn->key, dsn->secret[0] ? ", sentry_secret=" : "", dsn->secret);
    (void)snprintf(request->headers[1], sizeof(request->headers[1]),
                   "Content-Type: application/x-sentry-envelope");
    (void)snprintf(request->headers[2], sizeof(request->headers[2]), "User-Agent: " USER_AGENT);
    request->header_count = 3;
    request->encoding = SPY__ENCODING_GZIP;
    request->timeout_ms = TIMEOUT_MS;
}

int spy__sentry_encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                       struct spy__request *ret)
{
    struct spy__document document;
    spy__buf_reset(body);
    if (spy__document_read(&document, delivery->records[0].bytes, delivery->records[0].n) != 0) {
        return 0;
    }
    const struct spy__sentry_header header = { document.event_hi, document.event_lo,
                                               spy__realtime_ns(), document.trace,
                                               document.trace_n };
    spy__encode_sentry_header(body, &header);
    for (size_t i = 0; i < document.item_count; i++) {
        const struct spy__document_item *item = &document.items[i];
        spy__encode_sentry_item(body, item->type, item->bytes, item->n);
    }
    begin_request(self, ret);
    return body->failed ? -ENOMEM : 1;
}

// ---- answers

// What the server has against it: X-Sentry-Error, else the beginning of the body.
static void put_reason(struct spy__verdict *verdict, const struct spy__answer *answer)
{
    const char *text =
        answer->status == 0 ? answer->error : spy__answer_header(answer, "X-Sentry-Error");
    if (text) {
        spy__verdict_put_text(verdict, text, strlen(text));
    } else {
        spy__verdict_put_text(verdict, answer->body, answer->body_bytes);
    }
}

// Only the network's failures, and a server's own, pass
// (https://develop.sentry.dev/sdk/foundations/transport/#dealing-with-network-failures).
struct spy__verdict spy__sentry_judge(void *self, const struct spy__answer *answer)
{
    struct spy__verdict verdict = { .kind = SPY__SENT, .reason = "" };
    (void)self;
    if (answer->status >= 200 && answer->status < 300) {
        return verdict;
    }
    if (answer->status == 0 || answer->status >= 500) {
        verdict.kind = SPY__RETRY;
        verdict.reason = answer->status == 0 ? "no_answer" : "trouble";
    } else {
        verdict.kind = SPY__DROP;
        verdict.reason = answer->status == STATUS_TOO_LARGE  ? "too_large"
                         : answer->status == STATUS_TOO_MANY ? "ratelimit_backoff"
                                                             : "refused";
    }
    put_reason(&verdict, answer);
    return verdict;
}
