#include "backends/sentry_report.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "encode/sentry_common.h"

#define MAGIC UINT64_C(0x3154504552595053) // "SPYREPT1" on a little-endian machine

struct packed {
    uint64_t magic, settled_known, settled[SPY__SENTRY_CATEGORIES];
    struct spy__sentry_counts lost;
    uint64_t check;
};

static_assert(sizeof(struct packed) == SPY__SENTRY_REPORT_BYTES, "the format has no padding");
static_assert(SPY__SENTRY_CATEGORIES <= SPY__DOCUMENT_TOTALS, "a document has a total for each");

static const char *const reason_names[SPY__SENTRY_REASONS] = {
    [SPY__SENTRY_QUEUE_OVERFLOW] = "queue_overflow",
    [SPY__SENTRY_CACHE_OVERFLOW] = "cache_overflow",
    [SPY__SENTRY_RATELIMIT_BACKOFF] = "ratelimit_backoff",
    [SPY__SENTRY_NETWORK_ERROR] = "network_error",
    [SPY__SENTRY_SAMPLE_RATE] = "sample_rate",
    [SPY__SENTRY_BEFORE_SEND] = "before_send",
    [SPY__SENTRY_EVENT_PROCESSOR] = "event_processor",
    [SPY__SENTRY_SEND_ERROR] = "send_error",
    [SPY__SENTRY_INTERNAL_ERROR] = "internal_sdk_error",
    [SPY__SENTRY_INSUFFICIENT_DATA] = "insufficient_data",
};

void spy__sentry_report_reset(struct spy__sentry_report *report)
{
    pthread_mutex_lock(&report->mu);
    memset(&report->lost, 0, sizeof(report->lost));
    memset(&report->sent, 0, sizeof(report->sent));
    memset(&report->settled, 0, sizeof(report->settled));
    report->due_ns = report->not_before_ns = 0;
    report->settled_known = report->changed = false;
    pthread_mutex_unlock(&report->mu);
}

// Called with mu held, as all below whose names do not begin with spy__.
static void add(struct spy__sentry_report *report, enum spy__sentry_reason reason,
                const uint64_t counts[SPY__SENTRY_CATEGORIES])
{
    uint64_t some = 0;
    for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        report->lost.of[reason][i] += counts[i];
        some |= counts[i];
    }
    if (some == 0) {
        return;
    }
    report->changed = true;
    if (report->due_ns == 0) {
        report->due_ns = spy__monotonic_ns() + SPY__SENTRY_REPORT_MS * UINT64_C(1000000);
        if (report->wake) {
            report->wake(report->arg);
        }
    }
}

void spy__sentry_report_lost_all(struct spy__sentry_report *report, enum spy__sentry_reason reason,
                                 const uint64_t counts[SPY__SENTRY_CATEGORIES])
{
    pthread_mutex_lock(&report->mu);
    add(report, reason, counts);
    pthread_mutex_unlock(&report->mu);
}

void spy__sentry_report_lost(struct spy__sentry_report *report, enum spy__sentry_reason reason,
                             enum spy__sentry_category category, uint64_t n)
{
    uint64_t counts[SPY__SENTRY_CATEGORIES] = { 0 };
    counts[category] = n;
    spy__sentry_report_lost_all(report, reason, counts);
}

// ---- documents

// What was given up to the document, and with it.
static void count_up_to(const struct spy__document *document, uint64_t ret[SPY__SENTRY_CATEGORIES])
{
    memcpy(ret, document->totals, SPY__SENTRY_CATEGORIES * sizeof(ret[0]));
    for (size_t i = 0; i < document->item_count; i++) {
        spy__sentry_count_item(ret, &document->items[i]);
    }
}

bool spy__sentry_report_comes(struct spy__sentry_report *report,
                              const struct spy__document *document, enum spy__sentry_reason reason)
{
    uint64_t with[SPY__SENTRY_CATEGORIES], missing[SPY__SENTRY_CATEGORIES] = { 0 };
    bool is_new = false;
    count_up_to(document, with);
    pthread_mutex_lock(&report->mu);
    for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        uint64_t *settled = &report->settled[i];
        is_new = is_new || !report->settled_known || with[i] > *settled;
        missing[i] = report->settled_known && document->totals[i] > *settled
                         ? document->totals[i] - *settled
                         : 0;
        *settled = *settled < document->totals[i] ? document->totals[i] : *settled;
    }
    report->changed = report->changed || !report->settled_known;
    report->settled_known = true;
    add(report, reason, missing);
    pthread_mutex_unlock(&report->mu);
    return is_new;
}

void spy__sentry_report_settle(struct spy__sentry_report *report,
                               const struct spy__document *document)
{
    uint64_t with[SPY__SENTRY_CATEGORIES];
    count_up_to(document, with);
    pthread_mutex_lock(&report->mu);
    memcpy(report->settled, with, sizeof(with));
    report->settled_known = true;
    report->changed = true;
    pthread_mutex_unlock(&report->mu);
}

// ---- reports

uint64_t spy__sentry_report_due_ns(struct spy__sentry_report *report, bool ending)
{
    pthread_mutex_lock(&report->mu);
    uint64_t due_ns = ending ? 0 : report->due_ns;
    due_ns = due_ns < report->not_before_ns ? report->not_before_ns : due_ns;
    due_ns = report->due_ns == 0 ? UINT64_MAX : due_ns;
    pthread_mutex_unlock(&report->mu);
    return due_ns;
}

static void write_row(struct spy__json *j, int reason, int category, uint64_t quantity)
{
    spy__json_object(j);
    spy__json_key(j, "reason");
    spy__json_str(j, reason_names[reason]);
    spy__json_key(j, "category");
    spy__json_str(j, spy__sentry_category_name((enum spy__sentry_category)category));
    spy__json_key(j, "quantity");
    spy__json_u64(j, quantity);
    spy__json_object_end(j);
}

bool spy__sentry_report_write(struct spy__sentry_report *report, struct spy__buf *out,
                              uint64_t time_ns)
{
    struct spy__json j;
    unsigned rows = 0;
    spy__json_init(&j, out);
    spy__json_object(&j);
    spy__json_key(&j, "timestamp");
    spy__sentry_put_time(&j, time_ns);
    spy__json_key(&j, "discarded_events");
    spy__json_array(&j);
    pthread_mutex_lock(&report->mu);
    memset(&report->sent, 0, sizeof(report->sent));
    for (int reason = 0; reason < SPY__SENTRY_REASONS; reason++) {
        for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
            uint64_t n = report->lost.of[reason][i];
            if (n > 0 && rows < SPY__SENTRY_REPORT_ROWS_MAX) {
                report->sent.of[reason][i] = n;
                write_row(&j, reason, i, n);
                rows++;
            }
        }
    }
    report->due_ns = rows > 0 ? report->due_ns : 0;
    pthread_mutex_unlock(&report->mu);
    spy__json_array_end(&j);
    spy__json_object_end(&j);
    return rows > 0;
}

void spy__sentry_report_told(struct spy__sentry_report *report)
{
    uint64_t left = 0;
    pthread_mutex_lock(&report->mu);
    for (int reason = 0; reason < SPY__SENTRY_REASONS; reason++) {
        for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
            report->lost.of[reason][i] -= report->sent.of[reason][i];
            left |= report->lost.of[reason][i];
        }
    }
    memset(&report->sent, 0, sizeof(report->sent));
    report->due_ns = left ? spy__monotonic_ns() + SPY__SENTRY_REPORT_MS * UINT64_C(1000000) : 0;
    report->changed = true;
    pthread_mutex_unlock(&report->mu);
}

void spy__sentry_report_failed(struct spy__sentry_report *report, uint64_t not_before_ns)
{
    pthread_mutex_lock(&report->mu);
    memset(&report->sent, 0, sizeof(report->sent));
    report->not_before_ns = not_before_ns;
    pthread_mutex_unlock(&report->mu);
}

// ---- over a restart

bool spy__sentry_report_pack(struct spy__sentry_report *report,
                             unsigned char ret[SPY__SENTRY_REPORT_BYTES])
{
    struct packed packed = { .magic = MAGIC };
    pthread_mutex_lock(&report->mu);
    bool changed = report->changed;
    packed.settled_known = report->settled_known;
    memcpy(packed.settled, report->settled, sizeof(packed.settled));
    packed.lost = report->lost;
    report->changed = false;
    pthread_mutex_unlock(&report->mu);
    if (changed) {
        packed.check = spy__hash(&packed, offsetof(struct packed, check), 0);
        memcpy(ret, &packed, sizeof(packed));
    }
    return changed;
}

void spy__sentry_report_unpack(struct spy__sentry_report *report, const unsigned char *bytes,
                               size_t n)
{
    struct packed packed;
    if (n != sizeof(packed)) {
        return;
    }
    memcpy(&packed, bytes, sizeof(packed));
    if (packed.magic != MAGIC ||
        packed.check != spy__hash(&packed, offsetof(struct packed, check), 0)) {
        return;
    }
    pthread_mutex_lock(&report->mu);
    report->settled_known = packed.settled_known != 0;
    memcpy(report->settled, packed.settled, sizeof(report->settled));
    pthread_mutex_unlock(&report->mu);
    for (int reason = 0; reason < SPY__SENTRY_REASONS; reason++) {
        spy__sentry_report_lost_all(report, (enum spy__sentry_reason)reason,
                                    packed.lost.of[reason]);
    }
}
