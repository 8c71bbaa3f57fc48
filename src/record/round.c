// A round: out of the rings, through the writer, and only then given back; see the header.

#include "record/round.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "record/recover.h"
#include "record/rings.h"

// Secrets do not stay in memory, nor in the file, until the ring has gone round.
static void wipe(unsigned ring, const struct spy__lane *lane)
{
    void *bytes;
    size_t all;
    if (spy__rings_peek(ring, &bytes, &all) && lane->secret_to <= all) {
        memset((char *)bytes + lane->secret_from, 0, lane->secret_to - lane->secret_from);
    }
}

static void give_back(struct spy__run *run, bool live)
{
    if (run->options->kept) {
        run->options->kept(); // before the rings, which are all that a dead process leaves
    }
    for (unsigned i = 0; i < run->drain.lanes_max; i++) {
        struct spy__lane *lane = &run->drain.lanes[i];
        if (live && lane->read > 0) {
            if (lane->secret_to > 0) {
                wipe(i, lane);
            }
            spy__rings_release(i, lane->read);
        }
        lane->read = 0;
        lane->secret_from = lane->secret_to = 0;
    }
}

static bool write_batch(struct spy__run *run, bool live)
{
    uint64_t written[SPY__LEVELS] = { 0 };
    if (!spy__writer_empty(&run->writer)) {
        pthread_mutex_unlock(run->mu);
        unsigned reached = spy__writer_write(&run->writer, run->abandoned, run, written);
        pthread_mutex_lock(run->mu);
        if (run->abandoned(run)) {
            return false;
        }
        spy__writer_account(&run->writer, reached, written);
        run->moved = true;
    }
    give_back(run, live);
    return true;
}

static void hand_out(struct spy__run *run, const struct spy__record *record)
{
    if (run->options->keep) {
        run->options->keep(record);
    }
    if (record->kind == SPY__KIND_LOG) {
        spy__writer_add(&run->writer, record);
    }
}

static void hand_out_repeats(void *arg, const struct spy__record *record)
{
    hand_out(arg, record);
}

int spy__round_init(struct spy__run *run)
{
    const struct spy__pump_options *options = run->options;
    run->masker = spy__masker_new(options->redact);
    run->repeats = spy__repeats_new(&(struct spy__repeats_options){
        .max_per_second = options->repeats_max ? options->repeats_max : SPY_REPEATS_UNLIMITED,
        .line = hand_out_repeats,
        .arg = run,
        .suppressed = options->repeated,
    });
    if (run->masker && run->repeats) {
        return 0;
    }
    spy__round_done(run);
    return -ENOMEM;
}

void spy__round_done(struct spy__run *run)
{
    spy__masker_free(run->masker);
    spy__repeats_free(run->repeats);
    run->masker = NULL;
    run->repeats = NULL;
}

static void take(struct spy__run *run, struct spy__lane *lane)
{
    struct spy__record *record = &run->drain.view.record;
    if (spy__mask_record(run->masker, record)) {
        lane->secret_from = lane->secret_to ? lane->secret_from : lane->read;
        lane->secret_to = lane->read + run->drain.view.bytes;
    }
    if (spy__repeats_pass(run->repeats, record)) {
        hand_out(run, record);
    }
}

// Goes through the lanes.
static bool take_all(struct spy__run *run, bool live)
{
    const struct spy__lane *overflow = &run->drain.lanes[run->drain.lanes_max - 1];
    uint64_t overflowed = 0;
    for (struct spy__lane *lane; (lane = spy__drain_first(&run->drain));) {
        overflowed += lane == overflow;
        take(run, lane);
        spy__drain_next(&run->drain);
        if (spy__writer_full(&run->writer) && !write_batch(run, live)) {
            return false;
        }
    }
    if (live && overflowed > 0 && run->options->overflowed) {
        run->options->overflowed(overflowed);
    }
    if (run->drain.unreadable > 0) {
        run->options->lost(SPY__LOSS_MEMORY, SPY__KIND_LOG, 1);
        run->drain.unreadable = 0;
    }
    spy__repeats_flush(run->repeats, spy__realtime_ns());
    return write_batch(run, live);
}

bool spy__round_last(struct spy__run *run)
{
    spy__repeats_flush(run->repeats, UINT64_MAX);
    return write_batch(run, true);
}

bool spy__round(struct spy__run *run, size_t *ret_most)
{
    *ret_most = 0;
    if (spy__rings_snapshot() == 0 && !spy__repeats_waiting(run->repeats)) {
        return true;
    }
    spy__drain_begin(&run->drain, NULL, spy__rings_recoverable() ? spy__rings_run() : 0, false);
    for (unsigned i = 0; i < run->drain.lanes_max; i++) {
        void *bytes;
        size_t n;
        if (spy__rings_peek(i, &bytes, &n)) {
            spy__drain_lane(&run->drain, i, bytes, n);
            *ret_most = n > *ret_most ? n : *ret_most;
        }
    }
    return take_all(run, true);
}

// ---- what dead processes left

// The lanes are the dead process's meanwhile.
static bool replay(struct spy__run *run, const struct spy__dead *dead, struct spy__drain *lanes)
{
    struct spy__drain live = run->drain;
    run->drain = *lanes;
    spy__drain_begin(&run->drain, &dead->map, dead->run, true);
    for (unsigned i = 0; i < dead->slots; i++) {
        if (dead->slot[i].n > 0) {
            spy__drain_lane(&run->drain, i, dead->slot[i].bytes, dead->slot[i].n);
        }
    }
    bool mine = take_all(run, false);
    run->drain = live;
    return mine;
}

static uint64_t tell_dropped(const struct spy__run *run, const struct spy__dead *dead)
{
    uint64_t all = 0;
    for (int kind = 0; kind < SPY__KINDS; kind++) {
        for (int why = 0; why < SPY__LOSSES; why++) {
            uint64_t n = dead->dropped[kind][why];
            if (n > 0) {
                run->options->lost((enum spy__loss)why, (enum spy__record_kind)kind, n);
                all += n;
            }
        }
    }
    return all;
}

static bool replay_one(struct spy__run *run, const struct spy__dead *dead, struct spy__drain *lanes)
{
    if (!replay(run, dead, lanes)) {
        return false;
    }
    uint64_t dropped = tell_dropped(run, dead);
    if (dead->records > 0 || dropped > 0 || dead->unreadable > 0) {
        const struct spy_field fields[] = { spy_uint("records", dead->records),
                                            spy_uint("dropped", dropped),
                                            spy_uint("unreadable", dead->unreadable) };
        spy__writer_say(&run->writer, "spyglass_recovered", fields, 3);
    }
    return write_batch(run, false);
}

bool spy__round_replay(struct spy__run *run, const char *state_dir)
{
    struct spy__dead dead;
    struct spy__drain lanes;
    unsigned number = 0;
    bool mine = true;
    while (mine && spy__recover_open(&dead, state_dir, &number) == 0) {
        if (spy__drain_init(&lanes, dead.slots, spy__masker_keys(run->masker)) ==
            0) { // else it stays for the next start
            mine = replay_one(run, &dead, &lanes);
            spy__drain_done(&lanes);
            if (mine) {
                spy__recover_remove(state_dir, number);
            }
        }
        spy__recover_close(&dead);
    }
    return mine;
}

// ---- what is left

uint64_t spy__round_count_left(uint64_t left[SPY__KINDS])
{
    struct spy__wire_view view;
    uint64_t all = 0;
    (void)spy__rings_snapshot();
    for (size_t i = 0; i < spy__rings_count(); i++) {
        void *bytes;
        size_t n;
        if (spy__rings_peek(i, &bytes, &n)) {
            const unsigned char *at = bytes;
            for (; n > 0 && spy__wire_read(&view, at, n) == 0; all++) {
                left[view.record.kind]++;
                at += view.bytes;
                n -= view.bytes;
            }
        }
    }
    return all;
}
