// The records of many rings, read in the order of their times.
//
// A lane is what one ring holds at one moment; the lanes are merged by a heap. A record that is
// published after its ring was looked at comes with the next round, so that it may stand behind
// later ones of other rings: by as much as two rounds are apart.
//
// Not for use by two threads at a time.
#ifndef RECORD_DRAIN_H
#define RECORD_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ticks.h"
#include "record/wire.h"

struct spy__lane {
    const unsigned char *at, *end; // not read yet
    uint64_t key_ns;               // when that one was published
    size_t read;                   // bytes that were read and not given back: whole records
    // Of these, what is to be wiped: from the first record with a secret to the last one.
    size_t secret_from, secret_to;
};

struct spy__drain {
    struct spy__lane *lanes;
    unsigned *heap; // of lanes with records left, the earliest first
    unsigned lanes_max, heap_count;
    struct spy__keys *keys;           // for reading records; borrowed
    struct spy__wire_view view;       // of the earliest record
    const struct spy__ticks_map *map; // NULL: that of the open rings
    uint64_t run;                     // of the records' ids, 0: they have none
    bool recovered;                   // the records' mark
    uint64_t unreadable;              // bytes that were no records
};

// Returns 0 or -ENOMEM.
int spy__drain_init(struct spy__drain *ret, unsigned lanes_max, struct spy__keys *keys);
void spy__drain_done(struct spy__drain *drain);

// Begins a round: no lane has records. What the lanes have read stays to be given back.
void spy__drain_begin(struct spy__drain *drain, const struct spy__ticks_map *map, uint64_t run,
                      bool recovered);
// Gives lane i its records: n bytes, borrowed until they were read.
void spy__drain_lane(struct spy__drain *drain, unsigned i, const void *bytes, size_t n);

// Reads the earliest record into drain->view, and returns its lane, or NULL where none is left. The
// view is good until the next call of this or spy__drain_next().
struct spy__lane *spy__drain_first(struct spy__drain *drain);
// Goes past it.
void spy__drain_next(struct spy__drain *drain);

#endif
