// The file of the rings, as it lies in the state directory: read at the next start, by another
// process, maybe after another boot. All numbers are the machine's own.
//
//     struct spy__rings_header        at 0
//     struct spy__slot[slots + 1]     at slots_offset; the last one is the overflow ring's
//     ring_bytes of records           for each slot, from data_offset on
//
// A ring's bytes from `tail` to `head`, both modulo ring_bytes, are records in wire form one after
// another, written with the seed of run and slot. They may go over the end to the beginning: the
// process maps them twice in a row.
#ifndef RECORD_RINGS_FILE_H
#define RECORD_RINGS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/ticks.h"
#include "record/record.h"

#define SPY__RINGS_FILE "rings"
#define SPY__RINGS_MAGIC "SPYRINGS"
#define SPY__RINGS_ENDIAN 0x01020304u
#define SPY__RINGS_VERSION 1u

struct spy__rings_header {
    char magic[8]; // all zero while the file is being made
    uint32_t endian, version;
    uint32_t slots; // without the overflow ring's
    uint32_t slot_size;
    uint64_t ring_bytes; // a power of two
    uint64_t slots_offset, data_offset;
    uint64_t run; // never zero, 32 bits
    uint64_t start_ns;
    uint64_t pid;
    char boot_id[40]; // of /proc/sys/kernel/random/boot_id, or ""
    uint32_t clean;   // atomic: 1 after an end that left nothing and has told its drops
    uint32_t map;     // atomic: which of the maps is whole
    struct spy__ticks_map maps[2];
};

struct spy__slot {
    // Of the thread that owns it, then of the next one.
    _Alignas(64) uint64_t head; // atomic, released: bytes ever published
    uint64_t sequence;          // of the last record
    // Of the pump.
    _Alignas(64) uint64_t tail; // atomic, released: bytes ever given back
    // Atomic, relaxed: records that were not accepted.
    _Alignas(64) uint64_t dropped[SPY__KINDS][SPY__LOSSES];
};

// The seed of the checks in a ring.
static inline uint64_t spy__ring_seed(uint64_t run, uint32_t slot)
{
    return spy__hash_fold(run ^ UINT64_C(0xa0761d6478bd642f), slot + UINT64_C(0xe7037ed1a0b428db));
}

#endif
