// The Prometheus text format, version 0.0.4.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//
// HELP and TYPE of every family are written, with or without series, in the order of registration.
// Memory is constant: the state below and the caller's buffer, whatever the number of series.
#ifndef ENCODE_PROM_TEXT_H
#define ENCODE_PROM_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/number.h"
#include "metrics/snapshot.h"

#define SPY__PROM_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

// Bytes of a piece. The longest line (a series with eight long labels, each byte escaped) is below
// a third of it.
#define SPY__PROM_TEXT_PIECE (64u * 1024)

// A scrape under way: zero it to begin one.
struct spy__prom_text {
    struct spy__snapshot at;
    struct spy__snapshot_family family;
    struct spy__snapshot_series series;
    bool waiting;   // `family` found no room for its header yet
    bool in_family; // its series are being written
    bool in_series; // `series` is a histogram that is being written
    size_t line;    // its next line
    uint64_t below; // observations in the buckets already written
    // `le="…"} ` of each bucket of the family
    unsigned char le_lens[SPY_BUCKETS_MAX + 1];
    char les[SPY_BUCKETS_MAX + 1][SPY__NUMBER_MAX + 8];
};

// Appends whole lines until all is written (returns false) or another might not fit into the
// buffer's maximum, which is SPY__PROM_TEXT_PIECE or more (returns true). A buffer that failed to
// grow has its `failed` set; then start anew.
bool spy__prom_text_write(struct spy__prom_text *t, struct spy__buf *b);

#endif
