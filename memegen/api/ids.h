// Ids of memes and interactions: UUIDs of version 4 (RFC 9562), in their canonical form only: 36
// characters, lower case.
#ifndef MEMEGEN_API_IDS_H
#define MEMEGEN_API_IDS_H

#include <stdbool.h>

#include "memegen/meme.h"

// Returns 0 or a negative errno (the kernel gives no random bytes).
int ids_new(char ret[MEME_ID_LEN + 1]);
// Whether text is a UUID in canonical form, of any version: nothing else ever reaches the store.
bool ids_valid(const char *text);

#endif
