// A record: one thing that happened, as every signal hands it on. A plain view: it borrows all it
// points to.
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "record/frame.h"
#include "spyglass/log.h"

// Longest string of a field in bytes (signals cut it at a character), and longest key of a bound
// one. Event names and other keys are the program's own: only the line bounds them.
#define SPY__FIELD_STR_MAX 8192
#define SPY__KEY_MAX 128

// Levels of a record are SPY_LEVEL_DEBUG to SPY_LEVEL_ERROR; arrays by level have this many
// elements.
#define SPY__LEVELS ((int)SPY_LEVEL_ERROR + 1)

struct spy__record {
    enum spy_level level;
    uint64_t time_ns;               // since 1970 UTC
    const char *correlation_id;     // "" for none
    uint64_t trace_hi, trace_lo;    // both zero for none
    uint64_t span_id;               // zero for none
    const char *event;              // never NULL
    const char *module;             // NULL for none
    const struct spy_field *fields; // the context's bound ones first; secrets are masked already
    size_t field_count;             // at most SPY_FIELDS_MAX
    uint64_t event_hi, event_lo;    // UUID of a product event
};

// A level's name in every format.
static inline const char *spy__level_name(enum spy_level level)
{
    static const char *const names[] = { "default", "debug", "info", "warn", "error", "off" };
    return level >= SPY_LEVEL_DEFAULT && level <= SPY_LEVEL_OFF ? names[level] : "unknown";
}

#endif
