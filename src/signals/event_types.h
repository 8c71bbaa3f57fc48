// Event types as they were declared.
//
// A table of pointers by hash of the name; types are never taken out again, so it is read without a
// lock: a pointer is published with release when its type is complete, and acquired by readers.
#ifndef SIGNALS_EVENT_TYPES_H
#define SIGNALS_EVENT_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "spyglass/events.h"

struct spy__event_type {
    const char *name;
    size_t count;
    struct spy_event_field fields[]; // their names, and its own, lie behind them
};

// The type of that name, or NULL. Threads: any.
const struct spy__event_type *spy__event_type_find(const char *name);
// Whether any type was declared. Threads: any.
bool spy__event_types_any(void);

// What spy_event_declare() did not know before is told to the hook: a chance to make its metrics. Set
// once, before threads start.
void spy__event_types_hook(void (*declared)(const char *name));

#endif
