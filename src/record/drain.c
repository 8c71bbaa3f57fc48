// A heap of lanes; see the header.

#include "record/drain.h"

#include <errno.h>
#include <stdlib.h>

#include "record/rings.h"

int spy__drain_init(struct spy__drain *ret, unsigned lanes_max)
{
    struct spy__drain drain = { .lanes_max = lanes_max };
    drain.lanes = calloc(lanes_max + 1, sizeof(drain.lanes[0]));
    drain.heap = calloc(lanes_max + 1, sizeof(drain.heap[0]));
    if (!drain.lanes || !drain.heap) {
        spy__drain_done(&drain);
        return -ENOMEM;
    }
    *ret = drain;
    return 0;
}

void spy__drain_done(struct spy__drain *drain)
{
    free(drain->lanes);
    free(drain->heap);
    *drain = (struct spy__drain){ 0 };
}

void spy__drain_begin(struct spy__drain *drain, const struct spy__ticks_map *map, uint64_t run,
                      bool recovered)
{
    drain->map = map;
    drain->run = run;
    drain->recovered = recovered;
    drain->heap_count = 0;
}

// Reads the record at lane->at; false where none is left. A ring holds whole records: what is none
// means that the host wrote over it, and nothing behind it can be found.
static bool read_record(struct spy__drain *drain, unsigned i)
{
    struct spy__lane *lane = &drain->lanes[i];
    while (lane->at < lane->end) {
        size_t left = (size_t)(lane->end - lane->at);
        int err = spy__wire_read(&lane->view, lane->at, left);
        if (err == 0) {
            struct spy__record *record = &lane->view.record;
            lane->key_ns = drain->map ? spy__ticks_to_ns(drain->map, lane->view.ticks)
                                      : spy__rings_time_ns(lane->view.ticks);
            record->time_ns = record->time_ns ? record->time_ns : lane->key_ns;
            if (drain->run != 0) {
                record->id.run = drain->run;
                record->id.slot = i;
            }
            record->recovered |= drain->recovered;
            return true;
        }
        size_t skipped = err == -ENOTSUP ? lane->view.bytes : left;
        drain->unreadable += skipped;
        lane->at += skipped;
        lane->read += skipped;
    }
    return false;
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
    if (read_record(drain, i)) {
        unsigned at = drain->heap_count++;
        drain->heap[at] = i;
        for (; at > 0 && earlier(drain, at, (at - 1) / 2); at = (at - 1) / 2) {
            swap(drain, at, (at - 1) / 2);
        }
    }
}

void spy__drain_next(struct spy__drain *drain)
{
    struct spy__lane *lane = &drain->lanes[drain->heap[0]];
    lane->at += lane->view.bytes;
    lane->read += lane->view.bytes;
    if (!read_record(drain, drain->heap[0])) {
        drain->heap[0] = drain->heap[--drain->heap_count];
    }
    sift_down(drain);
}
