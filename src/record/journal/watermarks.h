// How far the rings of earlier processes had come in the journal.
//
// A process that dies between the journal's flush and the release of its rings leaves records in
// both. A ring's records reach the journal in the order of their sequence, so that the last one
// found there says of every other whether it is there too.
//
// Not for use by two threads at a time.
#ifndef RECORD_JOURNAL_WATERMARKS_H
#define RECORD_JOURNAL_WATERMARKS_H

#include <stdbool.h>

#include "record/record.h"
#include "record/recover.h"
#include "record/rings.h"

// As many processes as can have left rings, and one more; as many rings as one has, with the one
// that threads share.
#define SPY__WATERMARK_RUNS (SPY__DEAD_FILES_MAX + 1u)
#define SPY__WATERMARK_SLOTS (SPY__RING_SLOTS_MAX + 1u)

struct spy__watermarks {
    unsigned next; // where the next run goes, in place of the oldest
    struct {
        uint64_t run; // 0: none
        uint64_t sequence[SPY__WATERMARK_SLOTS];
    } runs[SPY__WATERMARK_RUNS];
};

// Notes a record that the journal holds, or a document that was made of it: the bytes of an entry,
// whatever they are. In the journal's order. 8-aligned.
void spy__watermarks_note(struct spy__watermarks *marks, const void *bytes, size_t n);

// Whether the journal holds the record of this id.
bool spy__watermarks_hold(const struct spy__watermarks *marks, const struct spy__record_id *id);

#endif
