// Errors on their way to Sentry: each becomes an event's JSON with what led to it, and a document of
// the journal.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ids.h"
#include "encode/sentry_event.h"
#include "metrics/dropped.h"
#include "outbound.h"
#include "record/recent/keep.h"

#define KINDS_CRUMBS (1u << SPY__KIND_LOG | 1u << SPY__KIND_SPAN)

static struct {
    struct spy__host machine;
    struct spy__sentry_host host; // its strings are those below
    char service[129], release[129], environment[129];
    struct spy__window_record crumb; // the taker's own
} out;

static const char *copy_text(char to[129], const char *text)
{
    (void)snprintf(to, 129, "%s", text ? text : "");
    return to;
}

int spy__outbound_errors_open(const struct spy__settings *s)
{
    if (!s->sentry_dsn) {
        return 0;
    }
    spy__host_read(&out.machine);
    out.host = (struct spy__sentry_host){
        .service = copy_text(out.service, s->service),
        .release = copy_text(out.release, s->release),
        .environment = copy_text(out.environment, s->environment),
        .started_ns = spy__realtime_ns(),
        .machine = &out.machine,
    };
    return spy__window_record_init(&out.crumb) == 0
               ? 0
               : spy__settings_refuse(-ENOMEM, "there is no memory for errors");
}

void spy__outbound_errors_close(void)
{
    spy__window_record_done(&out.crumb);
}

const struct spy__sentry_host *spy__outbound_host(void)
{
    return &out.host;
}

// ---- what led to it

// The records of the error's request, by its ids; those of an error outside of all requests are
// everybody's, and none of its own.
struct crumbs {
    struct spy__window *window;
    struct spy__window_query query;
    uint64_t next;
    char trace_id[33];
};

static bool find_crumbs(struct crumbs *ret, const struct spy__record *record)
{
    *ret = (struct crumbs){ .window = spy__keep_window(), .query.kinds = KINDS_CRUMBS };
    spy__hex_u64(ret->trace_id, record->trace_hi);
    spy__hex_u64(ret->trace_id + 16, record->trace_lo);
    if (record->correlation_id[0]) {
        ret->query.id = record->correlation_id;
    } else if (record->trace_hi | record->trace_lo) {
        ret->query.id = ret->trace_id;
    }
    if (!ret->window || !ret->query.id) {
        return false;
    }
    uint64_t at = UINT64_MAX;
    for (unsigned n = 0; n < SPY__SENTRY_CRUMBS_MAX; n++) {
        if (!spy__window_find_before(ret->window, &ret->query, at, &out.crumb)) {
            break;
        }
        at = out.crumb.number;
    }
    ret->next = at;
    return at != UINT64_MAX;
}

static const struct spy__record *next_crumb(void *arg)
{
    struct crumbs *crumbs = arg;
    if (!spy__window_find_after(crumbs->window, &crumbs->query, crumbs->next, &out.crumb)) {
        return NULL;
    }
    crumbs->next = out.crumb.number + 1;
    return &out.crumb.view.record;
}

// ---- one error

static void give(const struct spy__record *record, const struct spy__buf *json)
{
    const struct spy__document document = {
        .event_hi = record->event_hi,
        .event_lo = record->event_lo,
        .id = record->id,
        .items = { { .type = "event", .bytes = json->bytes, .n = json->len } },
        .item_count = 1,
    };
    spy__outbound_sentry_give(&document);
}

void spy__outbound_error(const struct spy__error_passed *error)
{
    struct spy__sentry_event event = { .next_crumb = NULL };
    struct crumbs crumbs;
    struct spy__buf json;
    if (!spy__outbound_sentry_wants() || spy__keep_holds(error->record)) {
        return;
    }
    if (error->crash) {
        event = *(const struct spy__sentry_event *)error->crash;
    }
    event.host = event.host ? event.host : &out.host;
    event.record = error->record;
    event.fingerprint[0] = error->fingerprint[0];
    event.fingerprint[1] = error->fingerprint[1];
    if (find_crumbs(&crumbs, error->record)) {
        event.next_crumb = next_crumb;
        event.crumb_arg = &crumbs;
    }
    spy__buf_init(&json, SPY__DOCUMENT_ITEM_BYTES_MAX);
    spy__encode_sentry_event(&json, &event);
    if (json.failed) { // the crumbs are what may be much
        event.next_crumb = NULL;
        spy__buf_reset(&json);
        spy__encode_sentry_event(&json, &event);
    }
    if (json.failed) {
        spy__dropped(SPY__SIGNAL_ERROR, SPY__DROP_MEMORY, 1);
        spy__outbound_sentry_lost(SPY__SENTRY_INTERNAL_ERROR, SPY__SENTRY_ERROR, 1);
    } else {
        give(error->record, &json);
    }
    spy__buf_done(&json);
}

void spy__outbound_error_unsent(bool refused)
{
    spy__outbound_sentry_lost(refused ? SPY__SENTRY_BEFORE_SEND : SPY__SENTRY_EVENT_PROCESSOR,
                              SPY__SENTRY_ERROR, 1);
}

void spy__outbound_errors_lost(uint64_t n)
{
    spy__outbound_sentry_lost(SPY__SENTRY_QUEUE_OVERFLOW, SPY__SENTRY_ERROR, n);
}
