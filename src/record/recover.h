// What a dead process left in its rings: found at start, read whatever its bytes are, replayed by
// the pump, then removed.
//
// The file `rings` of a process that did not end cleanly is renamed to rings.dead.N before new ones
// are made, so that a start that is killed itself, or whose destination is stuck, leaves all of it
// to the next one. A replay may repeat what was replayed before: under the same ids, marked.
//
// A process that died left whole records; a machine that died left what had reached its disk: each
// record's check decides, and only what is corrupt is lost.
//
// Threads: one at a time.
#ifndef RECORD_RECOVER_H
#define RECORD_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ticks.h"
#include "record/record.h"
#include "record/rings_file.h"

// Dead files kept at most: of starts in a row that could not replay them.
#define SPY__DEAD_FILES_MAX 8u

// One dead process's rings: whole records alone, by slot.
struct spy__dead {
    uint64_t run;
    struct spy__ticks_map map;
    unsigned slots; // the overflow ring included
    struct spy__dead_slot {
        unsigned char *bytes; // whole records one behind the other, 8-aligned
        size_t n;
        uint64_t lost; // records that the sequence numbers say are missing
    } * slot;
    uint64_t records;
    uint64_t unreadable; // bytes between them that were no record of this run
    uint64_t dropped[SPY__KINDS][SPY__LOSSES];
};

// Puts a `rings` file that was left in the directory out of the way of new ones. Returns 0, also
// where there is none, or the negative errno of a directory that refuses.
int spy__recover_set_aside(const char *state_dir);

// Whether there is any dead file.
bool spy__recover_any(const char *state_dir);

// Reads the oldest dead file behind number *last, 0 for all, and notes its number there. Returns 0;
// -ENOENT: there is none; or another errno. A file that is no ring file of ours at all gives a dead
// with nothing in it but something unreadable.
int spy__recover_open(struct spy__dead *ret, const char *state_dir, unsigned *last);
void spy__recover_close(struct spy__dead *dead);
// Removes it: it was replayed.
void spy__recover_remove(const char *state_dir, unsigned number);

// Reads the n bytes of a ring file, whatever they are. boot_id is the present one: in a file of the
// same boot, what lies behind a ring's head was never published; in another, the head may be older
// than what it stands before. Returns 0, -ENOMEM or -EBADMSG (no ring file, or of a version or
// geometry that cannot be).
int spy__recover_read(struct spy__dead *ret, const void *bytes, size_t n, const char *boot_id);

#endif
