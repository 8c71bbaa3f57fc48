// A data folder has one owner at a time: a lock that the kernel gives back however its owner ends.
#ifndef EVENTS_LOCK_H
#define EVENTS_LOCK_H

#include <stdbool.h>
#include <stddef.h>

#define EVENTS_LOCK_FILE "lock"

// Makes the folder where it is not there, and takes its lock until the process ends. True, or false
// with a sentence in why, which names the process that has it.
bool events_lock(const char *folder, char *why, size_t why_bytes);

#endif
