// The trace window: spans, as they end, become traces again, and each trace is decided at the end of
// its root: kept where something in it failed, where its root was slow, or where it is in the
// sample (record/recent/sampling.h); dropped otherwise.
//
// Work that goes on after its request (SPY__SPAN_TASK) is a trace of its own here, a part of the
// request's: its root is decided by itself. All parts have one id.
//
// A span that ends after its root goes with the trace, if that is kept; a second root of a trace that was dropped
// is decided by itself. Where there are too many open traces, or
// too much in them, the oldest is decided at once by what is known of it.
//
// No thread, no clock, no I/O: whoever owns it calls it, one at a time.
#ifndef RECORD_RECENT_TRACES_H
#define RECORD_RECENT_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/recent/sampling.h"
#include "record/wire.h"

#define SPY__TRACES_OPEN_MAX 1000u
#define SPY__TRACES_KEPT_MAX 200u
// Ids of dropped traces that are remembered, so that a late span does not open one again.
#define SPY__TRACES_GONE_MAX 4096u
#define SPY__TRACES_BYTES_MAX (64u << 20) // of spans, open and kept
#define SPY__TRACE_SPANS_MAX 256u

enum spy__trace_outcome {
    SPY__TRACE_ERROR,     // kept
    SPY__TRACE_SLOW,      // kept
    SPY__TRACE_SAMPLED,   // kept
    SPY__TRACE_UNSAMPLED, // dropped
    SPY__TRACE_TRUNCATED, // decided before its root ended: kept or dropped
    SPY__TRACE_OUTCOMES,
};

// A span: its record's wire form.
struct spy__trace_span {
    size_t n;
    _Alignas(8) unsigned char bytes[];
};

struct spy__trace {
    uint64_t hi, lo;
    uint64_t task;                      // which part of the trace; 0: the request itself
    char correlation_id[129];           // of its first span that has one
    struct spy__trace_span **spans;     // in the order of their ends
    unsigned count, lost;               // lost: past SPY__TRACE_SPANS_MAX, or for want of memory
    const struct spy__trace_span *root; // NULL: it has not ended
    uint64_t root_ns;                   // how long the root took
    bool failed;                        // one of its spans
    bool sampled;                       // once its root has ended: it is in the sample
    bool decided, kept;
    enum spy__trace_outcome outcome; // once decided

    // The window's own.
    struct spy__trace *newer, *older, *chain;
    struct spy__trace_chunk *chunk; // that spans are put into, before it the earlier ones
    size_t bytes;                   // of chunks
    unsigned spans_cap;
};

struct spy__traces_options {
    uint64_t slow_ns;              // a root that took so long is slow; 0: none is
    struct spy__sampling sampling; // of all others
    unsigned kept_max; // that are remembered after decided(); at most SPY__TRACES_KEPT_MAX
    // Told for each trace once, kept or not, before it is put away. May be NULL.
    void (*decided)(void *arg, const struct spy__trace *trace);
    void *arg;
};

struct spy__traces;

// Returns NULL without memory.
struct spy__traces *spy__traces_new(const struct spy__traces_options *options);
void spy__traces_free(struct spy__traces *traces);

// Takes a span's record and its wire form. One without a trace is ignored. False: there was no
// memory for it.
bool spy__traces_add(struct spy__traces *traces, const struct spy__record *span, const void *bytes,
                     size_t n);
// Decides all that is open, at the end.
void spy__traces_flush(struct spy__traces *traces);

// The newest trace, kept or open, of a correlation id or a trace id of 32 hex digits. NULL: none.
const struct spy__trace *spy__traces_find(const struct spy__traces *traces, const char *id);
// The parts of its trace, kept or open: NULL gives the first one, the last one gives NULL.
const struct spy__trace *spy__traces_part(const struct spy__traces *traces,
                                          const struct spy__trace *of,
                                          const struct spy__trace *after);
// Kept traces, the newest first: NULL gives the first one, the last one gives NULL.
const struct spy__trace *spy__traces_kept(const struct spy__traces *traces,
                                          const struct spy__trace *after);

const char *spy__trace_outcome_name(enum spy__trace_outcome outcome);

#endif
