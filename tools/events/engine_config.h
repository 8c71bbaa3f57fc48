// The engine's configuration: two files in the data folder, written anew at each start.
//
// Without one of ours the engine would read a config.xml of the working or home directory.
#ifndef EVENTS_ENGINE_CONFIG_H
#define EVENTS_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#define EVENTS_CONFIG_FILE "config.xml"
#define EVENTS_USERS_FILE "users.xml"

// False, with a sentence in why, where a file cannot be written.
bool events_config_write(const char *folder, char *why, size_t why_bytes);

#endif
