// Words and phrases that do not go on a meme: slurs, threats, from blocklist.yaml.
//
// Matching is by whole words and sees through disguise: accents and look-alike letters of other
// scripts, digits and signs for letters ("k1ll"), stretched letters ("kiiill"), letters spelt apart
// ("k i l l"). "Scunthorpe" is a town. Immutable once loaded. Threads: any may read.
#ifndef MEMEGEN_PIPELINE_BLOCKLIST_H
#define MEMEGEN_PIPELINE_BLOCKLIST_H

#include <stddef.h>

struct blocklist;

int blocklist_load(struct blocklist **ret, const char *data_dir, char *error, size_t error_size);
void blocklist_free(struct blocklist *blocklist);

// The category of the first entry that the text has ("slur", "threat"), borrowed; NULL where it has
// none.
const char *blocklist_find(const struct blocklist *blocklist, const char *text);

#endif
