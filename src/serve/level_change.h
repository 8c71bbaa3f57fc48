// What a PUT of /debug/log-level asks for: {"level":"debug"}, {"level":"debug","module":"store"}.
// Pure functions over outside bytes.
#ifndef SERVE_LEVEL_CHANGE_H
#define SERVE_LEVEL_CHANGE_H

#include <stddef.h>

#include "spyglass/log.h"

// More than any request that says something.
#define SPY__LEVEL_BODY_MAX 512

struct spy__level_change {
    enum spy_level level; // SPY_LEVEL_DEFAULT: a module's own is taken away, the program's is info
    char module[SPY_MODULE_NAME_MAX + 1]; // "" for all that have none of their own
};

// Reads n bytes. Returns NULL, or one English sentence about what is wrong with them; *ret is set
// only on NULL.
const char *spy__level_change_read(struct spy__level_change *ret, const char *body, size_t n);

#endif
