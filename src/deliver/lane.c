#include "deliver/lane.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "deliver/dead_letters.h"

#define NS_PER_MS UINT64_C(1000000)

int spy__lane_open(struct spy__lane *lane, const struct spy__backend *backend,
                   struct spy__journal_reader *reader, const struct spy__transport *transport,
                   unsigned slot, const char *dir, const struct spy__lane_hooks *hooks)
{
    *lane = (struct spy__lane){
        .backend = backend,
        .reader = reader,
        .transport = transport,
        .slot = slot,
        .dir = dir,
        .hooks = hooks,
    };
    spy__buf_init(&lane->body, SPY__LANE_BODY_MAX);
    spy__buf_init(&lane->packed, SPY__LANE_BODY_MAX + (1u << 20)); // what cannot be compressed
    return spy__parcel_open(&lane->parcel, reader, backend->name, dir, backend->rows_max,
                            backend->bytes_max);
}

void spy__lane_close(struct spy__lane *lane)
{
    spy__parcel_close(&lane->parcel);
    spy__compress_done(&lane->compress);
    spy__buf_done(&lane->body);
    spy__buf_done(&lane->packed);
    explicit_bzero(&lane->request, sizeof(lane->request)); // its headers may hold secrets
}

static void count(const struct spy__lane *lane, enum spy__lane_count what, uint64_t n)
{
    if (n > 0) {
        lane->hooks->count(lane->hooks->arg, lane->backend->name, what, n);
    }
}

static void drop(const struct spy__lane *lane, const char *reason, uint64_t records)
{
    if (records > 0) {
        lane->hooks->dropped(lane->hooks->arg, lane->backend->name, reason, records);
    }
}

static void note_forgets(struct spy__lane *lane, int err)
{
    if (err != 0 && !lane->forgets) {
        lane->hooks->forgets(lane->hooks->arg, lane->backend->name, err);
    }
    lane->forgets = err != 0;
}

// ---- verdicts

static void failed(struct spy__lane *lane, const struct spy__verdict *verdict, unsigned asked_ms,
                   uint64_t now_ns)
{
    unsigned after_ms = verdict->after_ms > asked_ms ? verdict->after_ms : asked_ms;
    spy__retry_failed(&lane->retry, now_ns, after_ms, spy__random_u64());
    if (lane->retry.failures > 1 && !lane->told) {
        lane->told = true;
        lane->hooks->fails(lane->hooks->arg, lane->backend->name, verdict);
    }
}

static void fail_for_memory(struct spy__lane *lane, uint64_t now_ns)
{
    const struct spy__verdict verdict = { .kind = SPY__RETRY, .reason = "memory" };
    failed(lane, &verdict, 0, now_ns);
}

static void succeeded(struct spy__lane *lane, uint64_t now_ns)
{
    if (lane->told) {
        lane->told = false;
        lane->hooks->works(lane->hooks->arg, lane->backend->name, now_ns - lane->retry.first_ns);
    }
    spy__retry_succeeded(&lane->retry);
}

// The range is done with. Records that the backend could not read are nowhere.
static void settle(struct spy__lane *lane, uint64_t now_ns)
{
    drop(lane, "unreadable", lane->delivery.count - (uint64_t)lane->rows);
    lane->settled += lane->delivery.count;
    spy__parcel_settle(&lane->parcel, now_ns);
    lane->tried_ns = 0;
}

static void sent(struct spy__lane *lane, uint64_t now_ns)
{
    const struct spy__buf *body =
        lane->request.encoding == SPY__ENCODING_NONE ? &lane->body : &lane->packed;
    succeeded(lane, now_ns);
    count(lane, SPY__LANE_SENT, (uint64_t)lane->rows);
    count(lane, SPY__LANE_BYTES, body->len);
    lane->hooks->took(lane->hooks->arg, lane->backend->name, now_ns - lane->tried_ns);
    settle(lane, now_ns);
}

static void bury(struct spy__lane *lane, const struct spy__verdict *verdict)
{
    int err = lane->backend->bury && lane->dir ? 0 : -ENOENT;
    if (err == 0) {
        spy__buf_reset(&lane->body);
        int rows = lane->backend->bury(lane->backend->self, &lane->delivery, verdict, &lane->body);
        err = rows < 0 ? rows
                       : spy__dead_letters_add(lane->dir, lane->backend->name, lane->body.bytes,
                                               lane->body.len, SPY__DEAD_LETTERS_BYTES_MAX);
    }
    lane->hooks->buried(lane->hooks->arg, lane->backend->name, verdict, (uint64_t)lane->rows, err);
}

static void drop_range(struct spy__lane *lane, const struct spy__verdict *verdict, uint64_t now_ns)
{
    succeeded(lane, now_ns); // the server is there, and has its reasons
    bury(lane, verdict);
    drop(lane, verdict->reason, (uint64_t)lane->rows);
    settle(lane, now_ns);
}

// Each half on its own; a single record cannot be halved.
static void split(struct spy__lane *lane, const struct spy__verdict *verdict, uint64_t now_ns)
{
    if (lane->delivery.count == 1) {
        drop_range(lane, verdict, now_ns);
        return;
    }
    spy__retry_succeeded(&lane->retry);
    lane->tried_ns = 0;
    note_forgets(lane, spy__parcel_split(&lane->parcel));
}

void spy__lane_answered(struct spy__lane *lane, const struct spy__answer *answer, uint64_t now_ns)
{
    const struct spy__backend *backend = lane->backend;
    bool preparing = lane->preparing;
    lane->sending = lane->preparing = false;
    struct spy__verdict verdict = preparing ? backend->prepared(backend->self, answer)
                                            : backend->judge(backend->self, answer);
    if (preparing && verdict.kind == SPY__SENT) {
        lane->retry.not_before_ns = 0;
        return; // what comes next ends a row of failures, or adds to it
    }
    if (preparing || verdict.kind == SPY__RETRY) {
        count(lane, SPY__LANE_RETRIED, preparing ? 0 : (uint64_t)lane->rows);
        failed(lane, &verdict, spy__retry_asked_ms(answer), now_ns);
    } else if (verdict.kind == SPY__SENT) {
        sent(lane, now_ns);
    } else if (verdict.kind == SPY__SPLIT) {
        split(lane, &verdict, now_ns);
    } else {
        drop_range(lane, &verdict, now_ns);
    }
}

// ---- sending

static void post(struct spy__lane *lane, bool preparing, uint64_t now_ns)
{
    const struct spy__transport *transport = lane->transport;
    const struct spy__buf *body = &lane->body;
    unsigned timeout_ms = lane->request.timeout_ms;
    if (lane->request.encoding != SPY__ENCODING_NONE) {
        if (spy__compress(&lane->compress, lane->request.encoding, body, &lane->packed) != 0) {
            fail_for_memory(lane, now_ns);
            return;
        }
        body = &lane->packed;
    }
    const struct spy__call call = {
        .base = lane->backend->base,
        .tls = &lane->backend->tls,
        .request = &lane->request,
        .body = body,
        .timeout_ms =
            timeout_ms > 0 && timeout_ms < SPY__LANE_TIMEOUT_MS ? timeout_ms : SPY__LANE_TIMEOUT_MS,
    };
    if (transport->send(transport->self, lane->slot, &call) != 0) {
        fail_for_memory(lane, now_ns);
        return;
    }
    lane->sending = true;
    lane->preparing = preparing;
}

// What needs no request: it says nothing of how the server is.
static bool is_passed_over(struct spy__lane *lane, uint64_t now_ns)
{
    const struct spy__backend *backend = lane->backend;
    struct spy__verdict verdict;
    if (!backend->pass_over || !backend->pass_over(backend->self, &lane->delivery, &verdict)) {
        return false;
    }
    lane->rows = (int)lane->delivery.count;
    if (verdict.kind == SPY__SENT) {
        count(lane, SPY__LANE_SENT, lane->delivery.count);
    } else {
        drop(lane, verdict.reason, lane->delivery.count);
    }
    settle(lane, now_ns);
    return true;
}

// Sends the first range, or passes over one in which nothing can be read.
static void send_range(struct spy__lane *lane, uint64_t now_ns)
{
    spy__parcel_range(&lane->parcel, &lane->delivery);
    if (is_passed_over(lane, now_ns)) {
        return;
    }
    int rows =
        lane->backend->encode(lane->backend->self, &lane->delivery, &lane->body, &lane->request);
    if (rows < 0) {
        // A body that has no room is sent in halves; so is one for which there is no memory.
        if (lane->delivery.count > 1) {
            note_forgets(lane, spy__parcel_split(&lane->parcel));
        } else {
            fail_for_memory(lane, now_ns);
        }
        return;
    }
    lane->rows = rows;
    if (rows == 0) {
        settle(lane, now_ns);
        return;
    }
    lane->tried_ns = lane->tried_ns ? lane->tried_ns : now_ns;
    post(lane, false, now_ns);
}

// Whether what was gathered is to go: it is cut then.
static bool is_due(struct spy__lane *lane, uint64_t now_ns)
{
    struct spy__parcel *parcel = &lane->parcel;
    if (spy__parcel_is_cut(parcel)) {
        return true;
    }
    uint64_t due_ns = parcel->begun_ns + lane->backend->age_ms * NS_PER_MS;
    if (spy__parcel_is_empty(parcel) ||
        (!spy__parcel_is_full(parcel) && !lane->ending && now_ns < due_ns)) {
        return false;
    }
    note_forgets(lane, spy__parcel_cut(parcel, spy__random_id()));
    return true;
}

// One thing that can be done now. False where there is none.
static bool act(struct spy__lane *lane, uint64_t now_ns)
{
    const struct spy__backend *backend = lane->backend;
    bool empty = spy__parcel_is_empty(&lane->parcel);
    bool due = backend->due_ns && backend->due_ns(backend->self, lane->ending) <= now_ns &&
               (empty || !lane->ending); // at the end it comes last
    if (lane->sending || now_ns < lane->retry.not_before_ns || (lane->ending && empty && !due)) {
        return false;
    }
    bool asks = backend->prepare && (due || !backend->due_ns);
    int more = asks ? backend->prepare(backend->self, &lane->request, &lane->body) : 0;
    if (more > 0) {
        lane->due = due;
        post(lane, true, now_ns);
        return true;
    }
    if (more < 0) {
        fail_for_memory(lane, now_ns);
        return true;
    }
    if (empty) {
        succeeded(lane, now_ns);
        return false;
    }
    if (!is_due(lane, now_ns)) {
        return false;
    }
    send_range(lane, now_ns);
    return true;
}

uint64_t spy__lane_step(struct spy__lane *lane, uint64_t now_ns)
{
    const struct spy__parcel *parcel = &lane->parcel;
    do {
        spy__parcel_gather(&lane->parcel, now_ns);
    } while (act(lane, now_ns));
    if (lane->sending) {
        return UINT64_MAX;
    }
    if (now_ns < lane->retry.not_before_ns) {
        return lane->retry.not_before_ns;
    }
    const struct spy__backend *backend = lane->backend;
    uint64_t due_ns = backend->due_ns ? backend->due_ns(backend->self, lane->ending) : UINT64_MAX;
    if (!spy__parcel_is_empty(parcel)) {
        uint64_t old_ns = parcel->begun_ns + backend->age_ms * NS_PER_MS;
        uint64_t look_ns = now_ns + SPY__LANE_LOOK_MS * NS_PER_MS;
        look_ns = old_ns < look_ns ? old_ns : look_ns;
        due_ns = due_ns < look_ns ? due_ns : look_ns;
    }
    return due_ns;
}

bool spy__lane_wants(const struct spy__lane *lane)
{
    return !lane->sending && lane->retry.not_before_ns == 0 && spy__parcel_is_empty(&lane->parcel);
}

void spy__lane_end(struct spy__lane *lane)
{
    lane->ending = true;
}

bool spy__lane_is_done(const struct spy__lane *lane, bool in_vain)
{
    bool empty = spy__parcel_is_empty(&lane->parcel);
    if (lane->sending) {
        return lane->preparing && !lane->due && empty;
    }
    return lane->retry.failures > 0 ? in_vain || empty : empty;
}
