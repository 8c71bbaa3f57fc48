// What the files that find settings share: options, then variables, then files.
//
// Threads: one at a time.
#ifndef SETTINGS_FIND_H
#define SETTINGS_FIND_H

#include <sys/types.h>

#include "settings.h"

// The text, or NULL where it is empty; that of the option, else of the variable.
const char *spy__or_null(const char *s);
const char *spy__or_variable(const char *option, const char *variable);

// Finds the value of a variable among the names, of which `said` tells. *ret is its index, or 0 where
// it is not set or empty. Returns 0, or what spy__settings_refuse() returned.
int spy__settings_choose(int *ret, const char *variable, const char *const names[],
                         const char *said);

// Reads the first line of a file that holds a secret, named by a variable. Returns its bytes, at most
// cap - 1, or -EINVAL.
ssize_t spy__settings_secret(char *ret, size_t cap, const char *variable, const char *path);

// Returns 0, or what spy__settings_refuse() returned.
int spy__settings_find_sentry(struct spy__settings *s, const struct spy_options *o);

#endif
