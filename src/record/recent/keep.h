// What is kept of records beside the log: the window of recent ones, the trace window, and the
// journal of what is bound for the network. The pump gives each record once, masked.
//
// Nothing is kept that nobody wants: without `recent` there are no windows, without an open reader
// of the journal that wants its kind a record is not even encoded.
//
// Threads: open and close one at a time, and while nobody else calls; give and flush are the pump's;
// the rest any. In a forked child nothing is kept.
#ifndef RECORD_RECENT_KEEP_H
#define RECORD_RECENT_KEEP_H

#include "record/journal/journal.h"
#include "record/record.h"
#include "record/recent/traces.h"
#include "record/recent/window.h"

struct spy__keep_options {
    const struct spy__journal_options *journal; // NULL: nothing is bound for the network
    bool recent;                                // keep the windows
    uint64_t slow_ns;                           // as in struct spy__traces_options
    struct spy__sampling sampling;              // likewise
    // A trace was decided: its spans may be read. Called by the pump's thread; may be NULL.
    void (*decided)(const struct spy__trace *trace);
    void (*span_lost)(void); // for want of memory; may be NULL too
};

// Returns 0 or -ENOMEM.
int spy__keep_open(const struct spy__keep_options *options);
// The journal's readers must be closed. A no-op where nothing is open.
void spy__keep_close(void);

void spy__keep_give(const struct spy__record *record);
// Whether the journal holds this record, or what was made of it: its process may have died between
// writing it there and giving its ring back.
bool spy__keep_holds(const struct spy__record *record);
// Puts records of a process that died, n bytes of wire forms, into the window: they come before all that
// its rings still hold, and what is there too is in the window once. Whatever the bytes are: what is
// behind one that cannot be read is left out. Threads: that of the start, before the pump runs.
void spy__keep_recall(const void *bytes, size_t n);
// Appends a document (record/document.h) of n bytes to the journal. Threads: as give; or that of the
// start, before the pump runs.
void spy__keep_document(const void *bytes, size_t n);
// Ends a round of the pump: what was given is there for the journal's readers.
void spy__keep_flush(void);

// NULL where nothing is kept.
struct spy__journal *spy__keep_journal(void);
struct spy__window *spy__keep_window(void);
// The traces, locked until spy__keep_unlock_traces(): the pump waits meanwhile. NULL where there are
// none: then there is nothing to unlock.
const struct spy__traces *spy__keep_lock_traces(void);
void spy__keep_unlock_traces(void);

#endif
