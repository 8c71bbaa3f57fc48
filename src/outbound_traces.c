// Traces on their way to Sentry: one that was kept becomes a transaction, some with a profile of what
// continuous profiling saw of them; of one that was not kept only its number is told.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/sentry_dsn.h"
#include "backends/sentry_report.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/trace_lists.h"
#include "encode/sentry_profile.h"
#include "encode/sentry_transaction.h"
#include "outbound.h"
#include "profiling.h"
#include "record/wire.h"
#include "serve/slow.h"
#include "signals/dsc.h"
#include "spyglass/uuid.h"

// What remains of an item for the end of the object, and for one more span.
#define SPAN_BYTES_MAX (64u << 10)

// The pump's own, which decides: too large for a stack.
static struct {
    struct spy__wire_view root, span;
} views;

// Const while a pump runs.
static struct {
    double rate; // of the transactions
    char platform[32];
    bool shown; // on an admin port
} profiles;

// "o42.ingest.example" names the organisation 42; no other host does.
static const char *org_of(const struct spy__sentry_dsn *dsn, char ret[24])
{
    const char *host = strstr(dsn->base, "://");
    size_t n = host ? strspn(host + 4, "0123456789") : 0;
    if (n == 0 || n >= 24 || host[3] != 'o' || host[4 + n] != '.') {
        return NULL;
    }
    memcpy(ret, host + 4, n);
    ret[n] = 0;
    return ret;
}

int spy__outbound_traces_open(const struct spy__settings *s)
{
    struct spy__sentry_dsn dsn;
    const char *why;
    char org[24];
    if (!s->sentry_dsn || spy__sentry_dsn_parse(&dsn, s->sentry_dsn, &why) != 0) {
        return 0; // who makes the backend says why
    }
    const char *platform =
        s->profiles_platform ? s->profiles_platform : SPY__SENTRY_PROFILE_PLATFORM;
    if (strlen(platform) >= sizeof(profiles.platform)) {
        return spy__settings_refuse(-EINVAL, "profiles_platform is longer than %zu bytes",
                                    sizeof(profiles.platform) - 1);
    }
    (void)snprintf(profiles.platform, sizeof(profiles.platform), "%s", platform);
    profiles.rate = s->profiles_rate;
    profiles.shown = s->admin != NULL;
    return spy__dsc_set(&(struct spy__dsc_options){ .public_key = dsn.key,
                                                    .org_id = org_of(&dsn, org),
                                                    .release = s->release,
                                                    .environment = s->environment,
                                                    .sample_rate = s->sampling.rate }) == 0
               ? 0
               : spy__settings_refuse(-ENOMEM, "there is no memory for traces");
}

void spy__outbound_traces_close(void)
{
    (void)spy__dsc_set(NULL);
}

// The same trace gives the same id, also after a crash in between: Sentry then has it once.
static struct spy_uuid id_of(const struct spy__record *root, const char *suffix)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%016llx%s", (unsigned long long)root->span_id, suffix);
    return spy_uuid_v5((struct spy_uuid){ root->trace_hi, root->trace_lo }, name);
}

// Returns how many.
static unsigned put_spans(struct spy__json *j, const struct spy__trace *trace)
{
    unsigned count = 0;
    for (unsigned i = 0; i < trace->count; i++) {
        const struct spy__trace_span *span = trace->spans[i];
        if (span != trace->root && j->out->len + SPAN_BYTES_MAX < SPY__DOCUMENT_ITEM_BYTES_MAX &&
            spy__wire_read(&views.span, span->bytes, span->n) == 0) {
            spy__sentry_transaction_span(j, &views.span.record);
            count++;
        }
    }
    return count;
}

// Returns how many spans are in it.
static unsigned put_transaction(struct spy__buf *out, const struct spy__trace *trace,
                                const struct spy__record *root, struct spy_uuid id)
{
    struct spy__json j;
    char flamegraph[sizeof(SPY__SLOW_PATH) + 32] = SPY__SLOW_PATH;
    spy__hex_u64(flamegraph + strlen(SPY__SLOW_PATH), trace->hi);
    spy__hex_u64(flamegraph + strlen(SPY__SLOW_PATH) + 16, trace->lo);
    spy__json_init(&j, out);
    spy__sentry_transaction_begin(
        &j,
        &(struct spy__sentry_transaction){
            .host = spy__outbound_host(),
            .root = root,
            .event_hi = id.hi,
            .event_lo = id.lo,
            .outcome = spy__trace_outcome_name(trace->outcome),
            .lost = trace->lost,
            .flamegraph = profiles.shown && spy__profiling_has_slow(trace) ? flamegraph : NULL });
    unsigned spans = put_spans(&j, trace);
    spy__sentry_transaction_end(&j);
    return spans;
}

// What came with the request, or what we said of it to whoever we called.
static void put_dsc(struct spy__buf *out, const struct spy__record *root)
{
    struct spy__json j;
    char ours[SPY__DSC_MAX];
    bool sampled;
    const struct spy_field *field = spy__record_text(root, SPY__DSC_FIELD);
    spy__json_init(&j, out);
    if (field) {
        spy__sentry_put_dsc(&j, field->value.s, field->len);
    } else {
        size_t n = spy__dsc_print(ours, root->trace_hi, root->trace_lo, &sampled);
        spy__sentry_put_dsc(&j, ours, n);
    }
}

// By the trace's id, and apart from what it was sampled by itself.
static bool is_profiled(const struct spy__trace *trace)
{
    const uint64_t id[] = { trace->hi, trace->lo };
    return (double)(spy__hash(id, sizeof(id), 2) >> 11) * 0x1p-53 < profiles.rate;
}

// Writes its profile, where it is to have one and there is something in it: else nothing.
static void put_profile(struct spy__buf *out, const struct spy__trace *trace,
                        const struct spy__record *root)
{
    struct spy__profile *profile = is_profiled(trace) ? spy__profiling_of_trace(trace, root) : NULL;
    char text[SPY__SENTRY_TRANSACTION_NAME_MAX];
    struct spy__buf name;
    if (!profile) {
        return;
    }
    const struct spy_uuid transaction = id_of(root, ""), id = id_of(root, "-profile");
    spy__buf_init_fixed(&name, text, sizeof(text));
    spy__sentry_put_transaction_name(&name, root);
    int err = spy__encode_sentry_profile(
        out,
        &(struct spy__sentry_profile){ .host = spy__outbound_host(),
                                       .profile = profile,
                                       .platform = profiles.platform,
                                       .event_hi = id.hi,
                                       .event_lo = id.lo,
                                       .transaction_hi = transaction.hi,
                                       .transaction_lo = transaction.lo,
                                       .name = name.failed ? root->event : name.bytes,
                                       .name_n = name.failed ? strlen(root->event) : name.len });
    spy__profile_free(profile);
    if (err == -ENOMEM) { // larger than Sentry takes, or than what memory there is
        spy__outbound_sentry_lost(SPY__SENTRY_INSUFFICIENT_DATA, SPY__SENTRY_PROFILE, 1);
        spy__buf_reset(out);
    }
}

void spy__outbound_trace(const struct spy__trace *trace)
{
    if (!spy__outbound_sentry_wants() || !trace->root) {
        return;
    }
    if (!trace->kept) {
        spy__outbound_sentry_lost(SPY__SENTRY_SAMPLE_RATE, SPY__SENTRY_TRANSACTION, 1);
        spy__outbound_sentry_lost(SPY__SENTRY_SAMPLE_RATE, SPY__SENTRY_SPAN, trace->count);
        return;
    }
    if (spy__wire_read(&views.root, trace->root->bytes, trace->root->n) != 0) {
        return;
    }
    struct spy__buf body, dsc, profile;
    const struct spy__record *root = &views.root.record;
    const struct spy_uuid id = id_of(root, "");
    spy__buf_init(&body, SPY__DOCUMENT_ITEM_BYTES_MAX);
    spy__buf_init(&dsc, SPY__DOCUMENT_TRACE_BYTES_MAX);
    spy__buf_init(&profile, SPY__DOCUMENT_ITEM_BYTES_MAX);
    unsigned spans = put_transaction(&body, trace, root, id);
    put_dsc(&dsc, root);
    if (body.failed || dsc.failed) {
        spy__outbound_refused("sentry", "no_memory");
    } else {
        put_profile(&profile, trace, root);
        spy__outbound_sentry_give(&(struct spy__document){
            .event_hi = id.hi,
            .event_lo = id.lo,
            .trace = dsc.bytes,
            .trace_n = dsc.len,
            .items = { { .type = "transaction",
                         .count = spans,
                         .bytes = body.bytes,
                         .n = body.len },
                       { .type = "profile", .bytes = profile.bytes, .n = profile.len } },
            .item_count = profile.len > 0 ? 2 : 1,
        });
    }
    spy__buf_done(&body);
    spy__buf_done(&dsc);
    spy__buf_done(&profile);
}
