// A record: one thing that happened, as every signal hands it on. A plain view: it borrows all it
// points to. Its form in bytes is record/wire.h.
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "record/frame.h"
#include "record/key.h"
#include "spyglass/log.h"

// Longest string of a field in bytes (signals cut it at a character), and longest key of a bound
// one. Event names and other keys are the program's own: only the line bounds them.
#define SPY__FIELD_STR_MAX 8192
#define SPY__KEY_MAX 128

// Levels of a record are SPY_LEVEL_DEBUG to SPY_LEVEL_ERROR; arrays by level have this many
// elements.
#define SPY__LEVELS ((int)SPY_LEVEL_ERROR + 1)

// What happened. The numbers are part of the wire form.
enum spy__record_kind {
    SPY__KIND_LOG,
    SPY__KIND_SPAN,
    SPY__KIND_EVENT,
    SPY__KIND_ERROR,
    SPY__KIND_PROFILE,
    SPY__KINDS,             // of records
    SPY__KIND_DOCUMENT = 15 // in the journal alone (record/document.h)
};

// Why a record, or its line, was lost. The numbers are part of the ring file's form.
enum spy__loss {
    SPY__LOSS_FULL,    // no room within full_wait_ms: the destination is slow or stuck
    SPY__LOSS_WRITE,   // write(2) failed, or the pump was stopped before it could
    SPY__LOSS_STOPPED, // no pump runs
    SPY__LOSS_MEMORY,
    SPY__LOSS_SIZE, // longer than a record or a line may be
    SPY__LOSSES,
};

// Which record it is: the start of the process that made it, the ring that it went through, and
// its number in that ring, from 1. All zero: it went through none.
struct spy__record_id {
    uint64_t run;
    uint32_t slot;
    uint64_t sequence;
};

struct spy__record {
    enum spy__record_kind kind;
    enum spy_level level;
    bool recovered; // from the rings of a process that died
    struct spy__record_id id;
    uint64_t time_ns;     // since 1970 UTC; of a span: its start
    uint64_t duration_ns; // of a span
    uint64_t parent_id;   // of a span; zero for none
    bool root;            // of a span: none of this process is above it, whoever its parent is
    const char *correlation_id;     // "" for none
    uint64_t trace_hi, trace_lo;    // both zero for none
    uint64_t span_id;               // zero for none
    const char *event;              // never NULL; of a span: its name
    const char *module;             // NULL for none
    const struct spy_field *fields; // the context's bound ones first; secrets are masked already
    size_t field_count;             // at most SPY_FIELDS_MAX
    // The fields' keys where they were looked up, NULL elsewhere; each may be NULL. Whoever gives a
    // record fields with other keys takes it away.
    struct spy__key *const *keys;
    // The wire form that it was read from, as long as that says the same: whoever gives it other
    // fields makes it NULL.
    const void *wire;
    size_t wire_bytes;
    uint64_t event_hi, event_lo; // UUID of a product event
};

// The first field of that name; NULL for none.
static inline const struct spy_field *spy__record_field(const struct spy__record *record,
                                                        const char *key)
{
    for (size_t i = 0; i < record->field_count; i++) {
        if (strcmp(record->fields[i].key, key) == 0) {
            return &record->fields[i];
        }
    }
    return NULL;
}

// The first string of that name.
static inline const struct spy_field *spy__record_text(const struct spy__record *record,
                                                       const char *key)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        if (field->type == SPY_FIELD_STR && strcmp(field->key, key) == 0) {
            return field;
        }
    }
    return NULL;
}

// Details of an HTTP request in the record of an error, or of the request: they tell of it, and of
// nothing else. One of the host's fields that is called the same in an error gets a '_'.
#define SPY__REQUEST_HEADERS                                                                       \
    "request.headers"                      // lines "Name: value\n", scrubbed (record/mask/scrub.h)
#define SPY__REQUEST_QUERY "request.query" // scrubbed too
#define SPY__REQUEST_CLIENT "request.client" // its address

static inline bool spy__is_request_detail(const struct spy_field *field)
{
    return strcmp(field->key, SPY__REQUEST_HEADERS) == 0 ||
           strcmp(field->key, SPY__REQUEST_QUERY) == 0 ||
           strcmp(field->key, SPY__REQUEST_CLIENT) == 0;
}

// A number that all spans of one piece of work have that goes on after its request; see
// spy_context_attach_task(). They are traces of their own, under the request's id.
#define SPY__SPAN_TASK "spyglass.task"

// A level's name in every format.
static inline const char *spy__level_name(enum spy_level level)
{
    static const char *const names[] = { "default", "debug", "info", "warn", "error", "off" };
    return level >= SPY_LEVEL_DEFAULT && level <= SPY_LEVEL_OFF ? names[level] : "unknown";
}

#endif
