// A shape: what all records of one place in the source have in common, in wire form. It is made once
// and copied whole into each of them, so that a log call neither looks for the ends of its keys nor
// writes them one by one, and a record is still whole by itself.
//
// Only what cannot change has a shape: the event, the module and all keys are string literals. So
// equal pointers are equal texts, and whether a call has its place's shape is told by comparing
// those, and the types.
//
// Shapes live as long as the process, in memory that the library has from its start: a place that
// finds none left goes without (SPY__SHAPE_NONE), which costs it time and nothing else.
//
// Threads: any. Immutable once made.
#ifndef RECORD_SHAPE_H
#define RECORD_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spyglass/log.h"

// A shape's wire form is no longer; those of some five hundred places find room.
#define SPY__SHAPE_BYTES_MAX 1024u
#define SPY__SHAPES_BYTES (128u << 10)

struct spy__shape {
    const char *event, *module; // module: NULL for none
    uint32_t n;                 // fields
    uint32_t wire_bytes;        // a multiple of 8
    uint64_t wire_sum;          // spy__wire_sum_of()
    const unsigned char *wire;  // SPY__WIRE_SLACK bytes more can be read
    struct {
        const char *key;
        enum spy_field_type type;
    } fields[];
};

// No call's.
extern const struct spy__shape spy__shape_none;

// The shape of a call, or spy__shape_none where it has none: a key that may change or stands there
// twice, a stack, a field left out, more than SPY__SHAPE_BYTES_MAX, no room.
const struct spy__shape *spy__shape_make(const char *event, const char *module,
                                         const struct spy_field *fields, size_t n);

// Whether the call has this shape.
static inline bool spy__shape_fits(const struct spy__shape *shape, const char *event,
                                   const char *module, const struct spy_field *fields, size_t n)
{
    if (n != shape->n) {
        return false;
    }
    uintptr_t differs = (uintptr_t)event ^ (uintptr_t)shape->event;
    differs |= (uintptr_t)module ^ (uintptr_t)shape->module;
    for (size_t i = 0; i < n; i++) {
        differs |= (uintptr_t)fields[i].key ^ (uintptr_t)shape->fields[i].key;
        differs |= (uintptr_t)(fields[i].type ^ shape->fields[i].type);
    }
    return differs == 0;
}

#endif
