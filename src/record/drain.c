// A heap of lanes; see the header.

#include "record/drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record/rings.h"

// A few records.
#define AHEAD_BYTES 1024u
#define LINE_BYTES 64u

int spy__drain_init(struct spy__drain *ret, unsigned lanes_max, struct spy__keys *keys)
{
    struct spy__lane *lanes = calloc(lanes_max + 1, sizeof(lanes[0]));
    unsigned *heap = calloc(lanes_max + 1, sizeof(heap[0]));
    if (!lanes || !heap) {
        free(lanes);
        free(heap);
        return -ENOMEM;
    }
    ret->lanes = lanes;
    ret->heap = heap;
    ret->lanes_max = lanes_max;
    ret->keys = keys;
    ret->unreadable = 0;
    spy__drain_begin(ret, NULL, 0, false);
    return 0;
}

void spy__drain_done(struct spy__drain *drain)
{
    free(drain->lanes);
    free(drain->heap);
    drain->lanes = NULL;
    drain->heap = NULL;
}

void spy__drain_begin(struct spy__drain *drain, const struct spy__ticks_map *map, uint64_t run,
                      bool recovered)
{
    drain->map = map;
    drain->run = run;
    drain->recovered = recovered;
    drain->heap_count = 0;
}

// Looks when the record at lane->at was published; false where none is left. Where the bytes are no
// record, any time will do: they are passed over when their turn comes.
static bool look(struct spy__drain *drain, struct spy__lane *lane)
{
    uint64_t ticks = 0;
    if (lane->at >= lane->end) {
        return false;
    }
    if (lane->end - lane->at >= (ptrdiff_t)sizeof(struct spy__wire_head)) {
        memcpy(&ticks, lane->at + offsetof(struct spy__wire_head, ticks), sizeof(ticks));
    }
    lane->key_ns = drain->map ? spy__ticks_to_ns(drain->map, ticks) : spy__rings_time_ns(ticks);
    return true;
}

static bool earlier(const struct spy__drain *drain, unsigned a, unsigned b)
{
    return drain->lanes[drain->heap[a]].key_ns < drain->lanes[drain->heap[b]].key_ns;
}

static void swap(struct spy__drain *drain, unsigned a, unsigned b)
{
    unsigned lane = drain->heap[a];
    drain->heap[a] = drain->heap[b];
    drain->heap[b] = lane;
}

static void sift_down(struct spy__drain *drain)
{
    for (unsigned i = 0, child; (child = 2 * i + 1) < drain->heap_count; i = child) {
        if (child + 1 < drain->heap_count && earlier(drain, child + 1, child)) {
            child++;
        }
        if (!earlier(drain, child, i)) {
            return;
        }
        swap(drain, child, i);
    }
}

void spy__drain_lane(struct spy__drain *drain, unsigned i, const void *bytes, size_t n)
{
    struct spy__lane *lane = &drain->lanes[i];
    lane->at = lane->end = bytes;
    if (n > 0) {
        lane->end += n; // NULL has no bytes
    }
    if (look(drain, lane)) {
        unsigned at = drain->heap_count++;
        drain->heap[at] = i;
        for (; at > 0 && earlier(drain, at, (at - 1) / 2); at = (at - 1) / 2) {
            swap(drain, at, (at - 1) / 2);
        }
    }
}

// Asks for the bytes that come AHEAD_BYTES after a record of n bytes and those before: they lie in the
// cache of the processor that wrote them, and are here when they are read. Not past the end, which
// belongs to who is writing there.
static void look_ahead(const struct spy__lane *lane, size_t n)
{
    const size_t left = (size_t)(lane->end - lane->at);
    for (size_t at = AHEAD_BYTES; at < AHEAD_BYTES + n && at < left; at += LINE_BYTES) {
        __builtin_prefetch(lane->at + at);
    }
}

// The first lane has read n bytes more.
static void pass(struct spy__drain *drain, size_t n)
{
    struct spy__lane *lane = &drain->lanes[drain->heap[0]];
    look_ahead(lane, n);
    lane->at += n;
    lane->read += n;
    if (!look(drain, lane)) {
        drain->heap[0] = drain->heap[--drain->heap_count];
    }
    sift_down(drain);
}

// Reads the first lane's record. A ring holds whole records: what is none means that the host wrote
// over it, and nothing behind it can be found. Returns how many bytes are to be passed over, 0 where
// it was read.
static size_t read_first(struct spy__drain *drain)
{
    const struct spy__lane *lane = &drain->lanes[drain->heap[0]];
    struct spy__record *record = &drain->view.record;
    const size_t left = (size_t)(lane->end - lane->at);
    int err = spy__wire_read_keys(&drain->view, lane->at, left, drain->keys);
    if (err != 0) {
        return err == -ENOTSUP ? drain->view.bytes : left;
    }
    if (record->time_ns == 0) { // a span's is its start, and it is told of at its end
        record->time_ns =
            lane->key_ns > record->duration_ns ? lane->key_ns - record->duration_ns : 1;
    }
    if (drain->run != 0) {
        record->id.run = drain->run;
        record->id.slot = drain->heap[0];
    }
    record->recovered |= drain->recovered;
    return 0;
}

struct spy__lane *spy__drain_first(struct spy__drain *drain)
{
    while (drain->heap_count > 0) {
        size_t skipped = read_first(drain);
        if (skipped == 0) {
            return &drain->lanes[drain->heap[0]];
        }
        drain->unreadable += skipped;
        pass(drain, skipped);
    }
    return NULL;
}

void spy__drain_next(struct spy__drain *drain)
{
    pass(drain, drain->view.bytes);
}
