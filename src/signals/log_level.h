// Which lines are made: a level for the program, and one of its own for some of its modules.
//
// Changed at run time with no lock, by any thread and in a forked child; a caller sees it soon.
#ifndef SIGNALS_LOG_LEVEL_H
#define SIGNALS_LOG_LEVEL_H

#include <stddef.h>

#include "spyglass/log.h"

// A module that once had a level of its own keeps its place.
#define SPY__MODULES_MAX 64

struct spy__module_level {
    char module[SPY_MODULE_NAME_MAX + 1];
    enum spy_level level;
};

struct spy__module_levels {
    size_t count;
    struct spy__module_level modules[SPY__MODULES_MAX];
};

// Reads a level's name of n bytes: debug, info, warn, error, off, or default.
bool spy__level_read(enum spy_level *ret, const char *name, size_t n);

// Reads "http=debug,store=warn,*=info"; '*' is the program, whose level goes to *ret_all where it
// stands. NULL is none. Returns 0 or -EINVAL.
int spy__log_levels_parse(struct spy__module_levels *ret, enum spy_level *ret_all,
                          const char *list);

// What is in force from here on, and nothing else is: as a start has it.
void spy__log_levels_set(enum spy_level all, const struct spy__module_levels *levels);

// What is in force; of modules, those that have a level of their own.
enum spy_level spy__log_levels_get(struct spy__module_levels *ret);

#endif
