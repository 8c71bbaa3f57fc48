// What the bytes of a journal's segment are: a head, then entries, each with its own check.
//
// A segment is written once, from its start to its end, by one thread; it is machine-endian, for
// the machine that wrote it. Integers:
//
//     head    u64 magic, u32 version, u32 zero, u64 id, u64 sequence of the first entry
//     entry   u32 bytes, u16 kind, u16 check of this head, u64 sequence, u64 check of all,
//             the bytes, zeros up to a multiple of 8
//
// Both checks are hashes (base/hash.h) that begin with the segment's id and the entry's offset in
// it, so that bytes of another segment or another place are not taken for an entry, and a reader
// finds the next good entry after any damage. A change of these, or of the hash, is a new version.
//
// Pure: no I/O, no lock, no clock.
#ifndef RECORD_JOURNAL_SEGMENT_H
#define RECORD_JOURNAL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPY__SEGMENT_VERSION 1u
#define SPY__SEGMENT_HEAD 32u
#define SPY__ENTRY_HEAD 24u
// The longest entry's own bytes: a document (record/document.h) may be that long, a record
// (record/wire.h) is far shorter.
#define SPY__ENTRY_BYTES_MAX (2u << 20)
// Kinds are small numbers, so that a set of them is a word.
#define SPY__ENTRY_KINDS 16u

struct spy__entry {
    const void *bytes; // borrows
    size_t n;
    unsigned kind;
    uint64_t sequence;
    uint64_t start, end; // offsets in the segment: of its head, and behind it
};

enum spy__segment_head {
    SPY__HEAD_GOOD,
    SPY__HEAD_BAD,   // damaged
    SPY__HEAD_OTHER, // of another version of this library
};

// What an entry of n bytes takes in a segment.
static inline size_t spy__entry_size(size_t n)
{
    return SPY__ENTRY_HEAD + ((n + 7) & ~(size_t)7);
}

void spy__segment_head_write(void *to, uint64_t id, uint64_t first_sequence);
// *ret_first_sequence is set on GOOD.
enum spy__segment_head spy__segment_head_read(const void *bytes, size_t n, uint64_t id,
                                              uint64_t *ret_first_sequence);

// Writes the entry at `offset` (a multiple of 8) of segment `id` to `to`, which has room for
// spy__entry_size(n). 1 <= n <= SPY__ENTRY_BYTES_MAX, kind < SPY__ENTRY_KINDS.
void spy__entry_write(void *to, uint64_t id, uint64_t offset, uint64_t sequence, unsigned kind,
                      const void *bytes, size_t n);

// Finds the first good entry in bytes[0, n), which lie at `offset` of segment `id`; `last` says
// that the segment ends with them. True: *ret is set. False: nothing good begins before *ret_from,
// an offset to go on from with more bytes (or the segment's end).
bool spy__segment_find(const void *bytes, size_t n, bool last, uint64_t id, uint64_t offset,
                       struct spy__entry *ret, uint64_t *ret_from);

#endif
