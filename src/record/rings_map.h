// The memory of the rings: a file in the state directory, reserved and mapped, or anonymous memory.
// Each ring's bytes are mapped twice in a row, so that a record never wraps.
//
// Threads: one at a time.
#ifndef RECORD_RINGS_MAP_H
#define RECORD_RINGS_MAP_H

#include <stdbool.h>

#include "record/rings_file.h"

struct spy__rings_map {
    struct spy__rings_header *header;
    struct spy__slot *slots; // slots + 1
    unsigned char *data;     // ring i's at 2 * i * ring_bytes
    size_t head_bytes, data_bytes;
    bool in_file;
};

// Maps new rings of `shape`'s slots, ring_bytes and run, all empty. The file is made anew, or used
// again where it has the right size. Returns 0 or a negative errno; NULL for state_dir: anonymous.
int spy__rings_map(struct spy__rings_map *ret, const char *state_dir,
                   const struct spy__rings_header *shape);
void spy__rings_unmap(struct spy__rings_map *map);

#endif
