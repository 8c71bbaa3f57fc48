// The slow road of a push: a thread's first record, a full ring, the overflow ring.

#include "record/rings.h"

#include "base/threads.h"
#include "record/rings_set.h"

static enum spy__push not_open(void)
{
    return __atomic_load_n(&spy__rings.child, __ATOMIC_RELAXED) ? SPY__PUSH_CHILD
                                                                : SPY__PUSH_STOPPED;
}

static size_t value_bytes(const struct spy_field *field)
{
    if (field->type == SPY_FIELD_STR) {
        return field->len < SPY__FIELD_STR_MAX ? field->len : SPY__FIELD_STR_MAX;
    }
    if (field->type == SPY_FIELD_ADDRS) {
        return field->len < SPY__RECORD_MAX / sizeof(uintptr_t) ? 7 + field->len * sizeof(uintptr_t)
                                                                : SPY__RECORD_MAX;
    }
    return 8;
}

// No fewer bytes than the record takes.
static size_t size_of(const struct spy__record *record)
{
    size_t n = sizeof(struct spy__wire_head) + 8 + 3 * 16 + 7; // all extras, padding
    n += 16 + strlen(record->correlation_id) + 1 + strlen(record->event) + 1;
    n += record->module ? strlen(record->module) + 1 : 0;
    for (size_t i = 0; i < record->field_count; i++) {
        if (spy__wire_is_field(&record->fields[i])) {
            n += 16 + strlen(record->fields[i].key) + 1 + value_bytes(&record->fields[i]);
        }
    }
    return n & ~(size_t)7;
}

// A push's wait for room, if it comes to that.
struct patience {
    uint64_t deadline_ns; // 0: it has not begun
    uint32_t first_moved, moved;
};

enum outcome {
    WRITTEN,
    DROPPED,
    MUST_WAIT,
    TRY_AGAIN, // there is room now, or the rings are others
};

static enum outcome lose(struct spy__producer *p, enum spy__loss why, enum spy__record_kind kind)
{
    __atomic_fetch_add(&p->slot->dropped[kind][why], 1, __ATOMIC_RELAXED);
    spy__rings.options.lost(why, kind, 1);
    return DROPPED;
}

// Short of half of the ring at first, so that its owner comes by here and wakes the pump in time:
// once, then the limit is what there is.
void spy__rings_look(struct spy__producer *p)
{
    const uint64_t bytes = p->mask + 1, half = bytes / 2;
    const uint64_t tail = __atomic_load_n(&p->slot->tail, __ATOMIC_ACQUIRE);
    const uint64_t all = tail + bytes - SPY__WIRE_SLACK;
    if (p->head - tail + SPY__RINGS_LOW < half) {
        p->limit = tail + half;
    } else if (p->limit != all) {
        p->limit = all;
        spy__rings_wake();
    }
}

static bool look_for_room(struct spy__producer *p, size_t n)
{
    spy__rings_look(p);
    if (p->limit - p->head < n) { // the half is not enough, or all of it
        p->limit =
            __atomic_load_n(&p->slot->tail, __ATOMIC_ACQUIRE) + p->mask + 1 - SPY__WIRE_SLACK;
        spy__rings_wake();
    }
    return p->limit - p->head >= n;
}

// What to do with a record that did not fit. Called inside p's spy__rings.
static enum outcome make_room(struct spy__producer *p, const struct spy__record *record,
                              struct patience *patience)
{
    const size_t n = size_of(record);
    if (n > SPY__RECORD_MAX || n > p->mask + 1 - SPY__WIRE_SLACK) {
        return lose(p, SPY__LOSS_SIZE, record->kind);
    }
    patience->moved = __atomic_load_n(&spy__rings.moved, __ATOMIC_SEQ_CST); // before the look
    if (look_for_room(p, n)) {
        return TRY_AGAIN;
    }
    if ((record->kind == SPY__KIND_LOG && record->level <= SPY_LEVEL_DEBUG) ||
        __atomic_load_n(&spy__rings.stalled, __ATOMIC_RELAXED)) {
        return lose(p, SPY__LOSS_FULL, record->kind);
    }
    if (patience->deadline_ns == 0) {
        patience->deadline_ns =
            spy__wait_clock_ns() + (uint64_t)spy__rings.options.full_wait_ms * 1000000u;
        patience->first_moved = patience->moved;
    } else if (spy__wait_clock_ns() >= patience->deadline_ns) {
        if (patience->moved == patience->first_moved) {
            __atomic_store_n(&spy__rings.stalled, 1, __ATOMIC_RELAXED);
        }
        return lose(p, SPY__LOSS_FULL, record->kind);
    }
    return MUST_WAIT;
}

static enum outcome write_record(struct spy__producer *p, const struct spy__record *record,
                                 struct patience *patience)
{
    struct spy__wire_put put;
    struct spy__wire_head head = { .ticks = spy__ticks() };
    if (!spy__rings_begin(p, &put, &head)) {
        return TRY_AGAIN;
    }
    spy__wire_put_record(&put, &head, record);
    if (spy__rings_end(p, &put, &head)) {
        return WRITTEN;
    }
    if (!spy__rings_enter(p)) {
        return TRY_AGAIN;
    }
    enum outcome outcome = make_room(p, record, patience);
    spy__rings_leave(p);
    return outcome;
}

static void wait_for_move(const struct patience *patience)
{
    uint64_t now = spy__wait_clock_ns();
    if (now < patience->deadline_ns) {
        struct timespec left = spy__timespec(patience->deadline_ns - now);
        __atomic_fetch_add(&spy__rings.waiters, 1, __ATOMIC_SEQ_CST);
        spy__futex(&spy__rings.moved, FUTEX_WAIT, patience->moved, &left);
        __atomic_fetch_sub(&spy__rings.waiters, 1, __ATOMIC_SEQ_CST);
    }
}

static enum outcome write_shared(const struct spy__record *record, struct patience *patience)
{
    pthread_mutex_lock(&spy__rings_shared_mu);
    enum outcome outcome = write_record(&spy__rings_shared, record, patience);
    pthread_mutex_unlock(&spy__rings_shared_mu);
    return outcome;
}

enum spy__push spy__rings_push(const struct spy__record *record)
{
    struct patience patience = { 0 };
    for (;;) {
        unsigned generation = __atomic_load_n(&spy__rings_generation, __ATOMIC_ACQUIRE);
        if (!(generation & 1)) {
            return not_open();
        }
        spy__thread_enter();
        bool own = spy__producer.generation == generation || spy__rings_claim(generation);
        enum outcome outcome =
            own ? write_record(&spy__producer, record, &patience) : write_shared(record, &patience);
        if (outcome == WRITTEN || outcome == DROPPED) {
            return outcome == WRITTEN ? SPY__PUSH_OK : SPY__PUSH_DROPPED;
        }
        if (outcome == MUST_WAIT) {
            wait_for_move(&patience);
        }
    }
}
