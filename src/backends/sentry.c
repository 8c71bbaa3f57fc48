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
#define NS_PER_S UINT64_C(1000000000)
#define USER_AGENT SPY__SENTRY_SDK "/" SPYGLASS_VERSION
#define REPORT_BYTES_MAX (16u << 10)

#define STATUS_TOO_LARGE 413
#define STATUS_TOO_MANY 429

struct spy__sentry {
    struct spy__sentry_dsn dsn;
    struct spy__sentry_options options;
    struct spy__buf payload; // of a report
    // The document under way: its bytes are the lane's, until its verdict is said.
    struct spy__document document;
    bool limited[SPY__DOCUMENT_ITEMS_MAX]; // its items that are not sent now
    bool unanswered;                       // it was sent, and there was no answer
    bool outage; // the same of the one before it: what is missing between them could not be sent
    uint64_t
        trouble_ns; // when the server first answered it with an error of its own; 0: it has not
};

int spy__sentry_new(struct spy__sentry **ret, const struct spy__sentry_options *options,
                    const char **ret_why)
{
    struct spy__sentry *sentry = calloc(1, sizeof(*sentry));
    if (!sentry) {
        return -ENOMEM;
    }
    int err = spy__sentry_dsn_parse(&sentry->dsn, options->dsn, ret_why);
    if (err != 0) {
        spy__sentry_free(sentry);
        return err;
    }
    sentry->options = *options;
    sentry->options.dsn = NULL;
    spy__buf_init(&sentry->payload, REPORT_BYTES_MAX);
    *ret = sentry;
    return 0;
}

void spy__sentry_free(struct spy__sentry *sentry)
{
    if (sentry) {
        spy__buf_done(&sentry->payload);
        explicit_bzero(&sentry->dsn, sizeof(sentry->dsn));
        free(sentry);
    }
}

const char *spy__sentry_base(const struct spy__sentry *sentry)
{
    return sentry->dsn.base;
}

static void changed(const struct spy__sentry *sentry)
{
    if (sentry->options.changed) {
        sentry->options.changed();
    }
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

// Which items are not to be sent now. Returns whether any is: a profile goes with its transaction
// alone, so that the first item decides.
static bool find_limited(struct spy__sentry *sentry)
{
    uint64_t now_ns = spy__monotonic_ns();
    for (size_t i = 0; i < sentry->document.item_count; i++) {
        enum spy__sentry_category category = spy__sentry_category_of(&sentry->document.items[i]);
        sentry->limited[i] = (i > 0 && sentry->limited[0]) ||
                             spy__sentry_is_limited(sentry->options.limits, category, now_ns);
    }
    return !sentry->limited[0];
}

// Counts the items that were left out, and the others where they were dropped for a reason.
static void settle(struct spy__sentry *sentry, bool dropped, enum spy__sentry_reason reason)
{
    uint64_t limited[SPY__SENTRY_CATEGORIES] = { 0 }, others[SPY__SENTRY_CATEGORIES] = { 0 };
    for (size_t i = 0; i < sentry->document.item_count; i++) {
        spy__sentry_count_item(sentry->limited[i] ? limited : others, &sentry->document.items[i]);
    }
    spy__sentry_report_lost_all(sentry->options.report, SPY__SENTRY_RATELIMIT_BACKOFF, limited);
    if (dropped) {
        spy__sentry_report_lost_all(sentry->options.report, reason, others);
    }
    spy__sentry_report_settle(sentry->options.report, &sentry->document);
    sentry->trouble_ns = 0;
    sentry->outage = sentry->unanswered;
    sentry->unanswered = false;
    changed(sentry);
}

// A document that an earlier process had settled is not sent again.
bool spy__sentry_pass_over(void *self, const struct spy__delivery *delivery,
                           struct spy__verdict *ret)
{
    struct spy__sentry *sentry = self;
    const struct spy__bytes *record = &delivery->records[0];
    if (spy__document_read(&sentry->document, record->bytes, record->n) != 0) {
        return false; // encode() says so
    }
    *ret = (struct spy__verdict){ .kind = SPY__SENT, .reason = "" };
    if (!spy__sentry_report_comes(sentry->options.report, &sentry->document,
                                  sentry->outage ? SPY__SENTRY_NETWORK_ERROR
                                                 : sentry->options.overflow)) {
        return true;
    }
    if (find_limited(sentry)) {
        return false;
    }
    settle(sentry, false, SPY__SENTRY_RATELIMIT_BACKOFF);
    ret->kind = SPY__DROP;
    ret->reason = "ratelimit_backoff";
    return true;
}

int spy__sentry_encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                       struct spy__request *ret)
{
    const struct spy__sentry *sentry = self;
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
        if (!sentry->limited[i]) {
            spy__encode_sentry_item(body, item->type, item->bytes, item->n);
        }
    }
    begin_request(sentry, ret);
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

// Only the network's failures, and a server's own, pass.
static struct spy__verdict verdict_of(struct spy__sentry *sentry, const struct spy__answer *answer)
{
    struct spy__verdict verdict = { .kind = SPY__SENT, .reason = "" };
    spy__sentry_limits_note(sentry->options.limits, answer, spy__monotonic_ns());
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

// Whether the server has failed on this document for too long.
static bool is_hopeless(struct spy__sentry *sentry, const struct spy__answer *answer)
{
    uint64_t now_ns = spy__monotonic_ns();
    if (answer->status < 500) {
        return false;
    }
    sentry->trouble_ns = sentry->trouble_ns ? sentry->trouble_ns : now_ns;
    return now_ns - sentry->trouble_ns >= SPY__SENTRY_TROUBLE_S * NS_PER_S;
}

// What is answered by a 429 the server counts itself
// (https://develop.sentry.dev/sdk/telemetry/client-reports/#sdk-side-recommendations).
struct spy__verdict spy__sentry_judge(void *self, const struct spy__answer *answer)
{
    struct spy__sentry *sentry = self;
    struct spy__verdict verdict = verdict_of(sentry, answer);
    sentry->unanswered = sentry->unanswered || answer->status == 0;
    if (verdict.kind == SPY__RETRY && is_hopeless(sentry, answer)) {
        verdict.kind = SPY__DROP;
    }
    if (verdict.kind != SPY__RETRY) {
        settle(sentry, verdict.kind == SPY__DROP && answer->status != STATUS_TOO_MANY,
               SPY__SENTRY_SEND_ERROR);
    }
    return verdict;
}

// ---- reports

uint64_t spy__sentry_due_ns(void *self, bool ending)
{
    const struct spy__sentry *sentry = self;
    changed(sentry); // also what other threads counted
    return spy__sentry_report_due_ns(sentry->options.report, ending);
}

int spy__sentry_prepare(void *self, struct spy__request *ret, struct spy__buf *body)
{
    struct spy__sentry *sentry = self;
    const struct spy__sentry_header header = { .sent_ns = spy__realtime_ns() };
    spy__buf_reset(body);
    spy__buf_reset(&sentry->payload);
    if (!spy__sentry_report_write(sentry->options.report, &sentry->payload, header.sent_ns)) {
        return 0;
    }
    spy__encode_sentry_header(body, &header);
    spy__encode_sentry_item(body, "client_report", sentry->payload.bytes, sentry->payload.len);
    begin_request(sentry, ret);
    return sentry->payload.failed || body->failed ? -ENOMEM : 1;
}

// A report that the server has no use for is not told again, but where it has no time now.
struct spy__verdict spy__sentry_prepared(void *self, const struct spy__answer *answer)
{
    struct spy__sentry *sentry = self;
    struct spy__verdict verdict = verdict_of(sentry, answer);
    if (verdict.kind == SPY__RETRY) {
        return verdict;
    }
    if (answer->status == STATUS_TOO_MANY) {
        spy__sentry_report_failed(sentry->options.report,
                                  spy__monotonic_ns() + SPY__SENTRY_LIMIT_DEFAULT_S * NS_PER_S);
    } else {
        spy__sentry_report_told(sentry->options.report);
        changed(sentry);
    }
    verdict.kind = SPY__SENT;
    return verdict;
}
