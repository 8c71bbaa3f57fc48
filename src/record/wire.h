// The wire form: a record as one run of bytes without pointers, in rings, their file and the
// journal. All numbers are the machine's own; whoever keeps a file of them notes its byte order.
//
//     head       struct spy__wire_head
//     extras     two u64 for each of these flags: TIME time_ns, duration_ns | PARENT parent_id, 0 |
//                ID run, slot | EVENT event_hi, event_lo
//     context    context_bytes: u64 trace_hi, u64 trace_lo, correlation id and its NUL; or nothing
//     event      event_bytes, with its NUL
//     module     module_bytes, with its NUL; or nothing
//     bound      bound_bytes: fields of the context
//     fields     field_count fields, those of bound among them
//
// A field is a u64 (type in bits 0-7, bytes of the key with its NUL in 8-31, bytes of the value in
// 32-63), then for a number its 8 bytes, the key, and for a string or addresses the value's bytes,
// addresses 8-aligned from the record's start. Only numbers of the head and addresses are aligned.
//
// A log call whose place in the source has a shape (record/shape.h) writes that instead of the event
// (SPY__WIRE_SHAPE), and event_bytes counts its bytes:
//
//     shape      struct spy__wire_shape; a u32 for each field (type in bits 0-7, bytes of the key with
//                its NUL above), 8-aligned; event, module and keys, each with its NUL, 8-aligned
//     bound      bound_bytes, as ever; of field_count, those are the first
//     values     a u64 for each field of the shape: the number, or a string's bytes
//     strings    the bytes of these
//
// A later key of the same name replaces the earlier field, in the earlier one's place: writers need
// not look, readers resolve it.
//
// The head's check covers all but the padding, so that a record of which only some pages reached a
// disk, or that lies where another ring's or run's record lay, is told from a whole one. It is no
// guard against an adversary; readers check every length themselves. A record is written by
// record/wire_put.h.
#ifndef RECORD_WIRE_H
#define RECORD_WIRE_H

#include "record/record.h"

#define SPY__WIRE_VERSION 2
// Longest record: one of the longest strings in each of a dozen fields.
#define SPY__RECORD_MAX (128u << 10)

enum {
    SPY__WIRE_TIME = 1, // time_ns and duration_ns; a time of 0 follows from ticks, as without
    SPY__WIRE_PARENT = 2,
    SPY__WIRE_ID = 4,
    SPY__WIRE_EVENT = 8,
    SPY__WIRE_RECOVERED = 16,
    SPY__WIRE_ROOT = 32,
    SPY__WIRE_SHAPE = 64,
    SPY__WIRE_FLAGS = 127,
};

// Copies may write so far past what they copy.
#define SPY__WIRE_SLACK 64u

struct spy__wire_head {
    uint32_t bytes; // of the whole record: a multiple of 8
    uint8_t version, kind, level, flags;
    uint64_t check;
    uint64_t sequence;
    uint64_t ticks; // when it was published (base/ticks.h); rings are merged by it. 0 elsewhere
    uint64_t span_id;
    uint16_t context_bytes, field_count;
    uint32_t event_bytes, module_bytes, bound_bytes;
};

struct spy__wire_shape {
    uint64_t hash;                      // of the shape's other bytes (base/hash.h), never 0
    uint32_t event_bytes, module_bytes; // with the NUL; module 0 for none
    uint32_t count; // of fields: numbers, truth values and strings, no key twice
    uint32_t zero;
};

struct spy__keys; // record/mask/keys.h

// A record as it was read. It points into the bytes that it was read from.
struct spy__wire_view {
    struct spy__record record; // its fields are those below
    uint64_t ticks;
    size_t bytes;            // of the record; known after -ENOTSUP too
    unsigned fields_dropped; // beyond SPY_FIELDS_MAX
    // What tells the keys and types of fields[shape_at] and those behind it: the hash of the
    // record's shape. 0 where it has none, or a bound field has a key of it.
    uint64_t shape;
    unsigned shape_at;
    // And room for one that has none beside them.
    struct spy_field fields[SPY_FIELDS_MAX + 1];
    struct spy__key *keys[SPY_FIELDS_MAX + 1]; // see spy__wire_read_keys()
};

// Writes a record, in 8-aligned bytes. Returns how many it took, or 0 when they, and
// SPY__WIRE_SLACK more that are written over meanwhile, do not fit into cap, or are more than
// SPY__RECORD_MAX. What is no field (no key, no type) is left out, a string longer
// than SPY__FIELD_STR_MAX is cut.
size_t spy__wire_write(void *to, size_t cap, const struct spy__record *record);

// Reads the record at the start of n bytes, which are 8-aligned. Returns 0; -ENODATA: the bytes end
// before the record does; -ENOTSUP: another version, of ret->bytes; -EBADMSG: no record. A record
// without a time of its own has time_ns 0: it follows from ret->ticks. Does not look at the check:
// for bytes that may not be what was written, ask spy__wire_intact() first.
int spy__wire_read(struct spy__wire_view *ret, const void *bytes, size_t n);
// The same, and looks each key up: good until the next record is read by these keys.
int spy__wire_read_keys(struct spy__wire_view *ret, const void *bytes, size_t n,
                        struct spy__keys *keys);

// Copies a record's wire form, and writes its time and id into it, which the form had by the ring
// that it lay in. Its check is not made anew: nobody asks for it but of rings and files. Returns the
// bytes it took, or 0: there are more than cap, no wire form, or one with an id of its own.
size_t spy__wire_copy(void *to, size_t cap, const struct spy__record *record);

// Whether the record at the start of n bytes (8-aligned) is whole: its check is right for the seed
// that it was written with (spy__wire_write(): 0; rings: spy__ring_seed()).
bool spy__wire_intact(const void *bytes, size_t n, uint64_t seed);

#endif
