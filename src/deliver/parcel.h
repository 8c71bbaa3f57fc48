// The records of a backend that are being sent: a range of its journal, in memory, cut into ranges
// that are sent one after the other.
//
// Records are gathered until the parcel is full or old enough; then it is cut: its end is chosen, and
// written to a file before the first try, so that a later process sends the very same range under
// the very same token. A range that a backend cannot take is halved, which adds a cut. What is
// settled goes from the front, and the journal's cursor moves behind it.
//
// The file, state_dir/delivery/NAME.parcel, is one line of text, replaced by a rename: "spyglass-parcel
// 1", a random number that tells this parcel from those of other journals, and the ends of its
// ranges, the last one first. Ends that the cursor has passed say nothing. Without a state directory
// there is none. Nothing is synced: it outlives the process, as the journal does.
//
// Invariant: first <= the ends of the ranges, falling, in `cuts`; all <= count. Entries lie in `bytes`
// in order, each 8-aligned.
// Threads: one at a time.
#ifndef DELIVER_PARCEL_H
#define DELIVER_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/backend.h"
#include "record/journal/journal.h"

// An entry of the journal is at most that long (record/journal/segment.h).
#define SPY__PARCEL_ENTRY_MAX (2u << 20)
// Halving 2^32 records leaves so many ends.
#define SPY__PARCEL_CUTS_MAX 33u

struct spy__parcel_entry {
    size_t at, n;                         // in bytes
    uint64_t start_segment, start_offset; // in the journal
    struct spy__journal_position end;
};

struct spy__parcel {
    struct spy__journal_reader *reader;
    const char *dir; // the state directory, borrowed; NULL for none
    char name[SPY__JOURNAL_NAME_MAX + 1];
    size_t rows_max, bytes_max;

    char *bytes;
    size_t len;
    struct spy__parcel_entry *entries; // rows_max of them
    struct spy__bytes *records;        // likewise, as spy__parcel_range() gives them
    size_t first, count;
    uint64_t begun_ns; // when the first entry was read

    // Ends of ranges as indices, the first range's end last.
    size_t cuts[SPY__PARCEL_CUTS_MAX];
    size_t cut_count; // 0: still gathering
    uint64_t number;

    // The plan of an earlier process, whose records are being gathered.
    struct spy__parcel_end {
        uint64_t segment, offset;
    } planned[SPY__PARCEL_CUTS_MAX];
    size_t planned_count;
};

// Reads the plan that an earlier process left. Returns 0 or -ENOMEM.
int spy__parcel_open(struct spy__parcel *parcel, struct spy__journal_reader *reader,
                     const char *name, const char *dir, size_t rows_max, size_t bytes_max);
void spy__parcel_close(struct spy__parcel *parcel);

// Reads what there is while it has room. A parcel that is cut takes none.
void spy__parcel_gather(struct spy__parcel *parcel, uint64_t now_ns);
// No more goes in; or it is what an earlier process had planned. It is to be cut now.
bool spy__parcel_is_full(const struct spy__parcel *parcel);
bool spy__parcel_is_empty(const struct spy__parcel *parcel);

// Chooses the end of what was gathered, which is not empty, and writes it down. Returns 0, or the
// negative errno of a file that could not be written: it is cut all the same.
int spy__parcel_cut(struct spy__parcel *parcel, uint64_t random);
bool spy__parcel_is_cut(const struct spy__parcel *parcel);
// The first range of a parcel that is cut: its records, and its token.
void spy__parcel_range(struct spy__parcel *parcel, struct spy__delivery *ret);
// Halves the first range, which has two records or more. Returns as spy__parcel_cut().
int spy__parcel_split(struct spy__parcel *parcel);
// The first range is done with: the journal's cursor moves. Where it was the last one, the parcel
// gathers again.
void spy__parcel_settle(struct spy__parcel *parcel, uint64_t now_ns);

// The plan as text, for tests and the fuzzer too: parses into `planned` and `number`. False for
// anything else.
bool spy__parcel_parse(struct spy__parcel *parcel, const char *text, size_t n);

#endif
