// A document: something that is finished and bound for one backend, as the journal keeps it. Whoever
// makes it has rendered what the backend sends; what is left is to send it, also by a later process.
//
// In bytes, machine-endian as all of the journal, without padding:
//
//     head     u64 magic and version, event_hi, event_lo, run, sequence; u32 slot, trace_n, item
//              count, zero; u64 totals[SPY__DOCUMENT_TOTALS]
//     items    char type[SPY__DOCUMENT_TYPE_MAX + 1], u32 count, u32 n; for each item
//     bytes    trace, then those of the items in their order
//
// Pure: no I/O, no lock, no clock.
#ifndef RECORD_DOCUMENT_H
#define RECORD_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

#define SPY__DOCUMENT_TYPE_MAX 15u
// A transaction and its profile.
#define SPY__DOCUMENT_ITEMS_MAX 2u
#define SPY__DOCUMENT_TOTALS 8u
// What one item, and the trace, may hold: with both items a document still is an entry of the journal.
#define SPY__DOCUMENT_ITEM_BYTES_MAX 1000000u
#define SPY__DOCUMENT_TRACE_BYTES_MAX 8192u

struct spy__document_item {
    char type[SPY__DOCUMENT_TYPE_MAX + 1]; // [a-z_]+, the backend's word
    uint32_t count;                        // of what it holds beside itself: spans of a transaction
    const void *bytes;                     // borrowed
    size_t n;                              // at least 1
};

struct spy__document {
    uint64_t event_hi, event_lo; // its UUID; both zero for none
    struct spy__record_id id;    // of the record that it was made of; all zero for none or many
    const char *trace;           // what the backend sends beside all items; borrowed
    size_t trace_n;              // 0 for none
    struct spy__document_item items[SPY__DOCUMENT_ITEMS_MAX];
    size_t item_count; // at least 1
    // How much the backend was given before, by whatever it counts: so that a reader knows what was
    // lost in between.
    uint64_t totals[SPY__DOCUMENT_TOTALS];
};

// Writes it. Returns how many bytes it took, or 0 where they do not fit into cap, or where it breaks
// what is said above.
size_t spy__document_write(void *to, size_t cap, const struct spy__document *document);

// Reads what was written: *ret points into the bytes. Returns 0, -ENOTSUP (another version) or
// -EBADMSG (no document).
int spy__document_read(struct spy__document *ret, const void *bytes, size_t n);

#endif
