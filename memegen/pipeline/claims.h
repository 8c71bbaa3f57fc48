// Claims that are known to be wrong, and what is right: what the factuality agent judges by. From
// claims.yaml.
//
//     claims:
//       - fact: "Linux was first released in 1991."
//         said: ["linux was released in #", "linux came out in #"]   # "*" is any one word
//         number: 1991             # any other number for "#" is wrong, and becomes this
//       - fact: "The Earth is round."
//         said: ["earth is flat"]
//         right: "Earth is round"  # what it becomes; without it, it cannot be mended
//
// Immutable once loaded. Threads: any may read.
#ifndef MEMEGEN_PIPELINE_CLAIMS_H
#define MEMEGEN_PIPELINE_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

struct claims;

// What a text says wrongly.
struct claims_fault {
    const char *fact; // what is true; borrowed from the claims
    size_t at, len;   // where the text says otherwise
    bool mendable;
    char right[128]; // what to put there, where mendable
};

int claims_load(struct claims **ret, const char *data_dir, char *error, size_t error_size);
void claims_free(struct claims *claims);

// The first fault of the text at or behind byte `from`; false where there is none. What is denied
// ("is not", "myth") is no fault.
bool claims_find(const struct claims *claims, const char *text, size_t from,
                 struct claims_fault *ret);

#endif
