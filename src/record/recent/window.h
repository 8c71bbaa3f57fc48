// The window of recent records: what the page's log room shows, and what an error's breadcrumbs are
// made of.
//
// A bounded run of bytes with records in wire form, each with a number that rises by one; the oldest
// give way. One thread appends (the pump), any thread looks: it finds and copies one record at a
// time, so that the lock is held for a look at some hundred entries of the index, or one copy, and
// never while anything is decoded or compared.
#ifndef RECORD_RECENT_WINDOW_H
#define RECORD_RECENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/wire.h"

#define SPY__WINDOW_BYTES (4u << 20)
#define SPY__WINDOW_RECORDS 10000u

struct spy__window;

// Returns NULL without memory.
struct spy__window *spy__window_new(void);
void spy__window_free(struct spy__window *window);

// Appends a record's wire form of n bytes. Threads: one at a time.
void spy__window_append(struct spy__window *window, enum spy__record_kind kind,
                        enum spy_level level, const void *bytes, size_t n);

// What is looked for; zero and NULL are everything. Borrows its strings.
struct spy__window_query {
    uint32_t kinds;       // a set of 1 << SPY__KIND_...
    enum spy_level level; // at least; of logs and errors
    const char *id;       // a correlation id, or a trace id of 32 hex digits
    const char *text;     // part of the event, the module, a key or a value; ASCII case is ignored
};

// A record that was found, in storage of its own.
struct spy__window_record {
    uint64_t number;
    struct spy__wire_view view; // points into bytes
    unsigned char *bytes;       // SPY__RECORD_MAX of them
};
// Returns 0 or -ENOMEM.
int spy__window_record_init(struct spy__window_record *record);
void spy__window_record_done(struct spy__window_record *record);

// The numbers kept are [*ret_first, *ret_next).
void spy__window_range(struct spy__window *window, uint64_t *ret_first, uint64_t *ret_next);
// The first record that matches with a number of at least `from`, and the last one with a number
// less than `before`. False: there is none.
bool spy__window_find_after(struct spy__window *window, const struct spy__window_query *query,
                            uint64_t from, struct spy__window_record *ret);
bool spy__window_find_before(struct spy__window *window, const struct spy__window_query *query,
                             uint64_t before, struct spy__window_record *ret);

// ---- after a crash

// Most records that are picked, as many as an event has breadcrumbs.
#define SPY__WINDOW_PICK_MAX 100u

struct spy__window_pick {
    uint32_t kinds;             // a set of 1 << SPY__KIND_...
    const char *correlation_id; // of the request; "": by the trace's id
    uint64_t trace_hi, trace_lo;
    // Copies n bytes of memory that may be anything, or not be there; returns how many it could.
    size_t (*read)(void *to, uintptr_t from, size_t n);
};

// Copies the newest records of one request, the oldest first, into [*ret_from, return) of the cap
// bytes. Takes no lock and is async-signal-safe: for a process that has crashed, whatever the window
// is by now. What it gives are records if nothing has written over them: whoever reads them looks.
size_t spy__window_pick(const struct spy__window *window, const struct spy__window_pick *pick,
                        unsigned char *to, size_t cap, size_t *ret_from);

#endif
