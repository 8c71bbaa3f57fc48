// The body of a request as it comes, bounded.
#ifndef SERVE_UPLOAD_H
#define SERVE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct spy__upload {
    size_t len, max;
    bool too_long; // what came is not all here
    char bytes[];
};

// For at most max bytes; NULL without memory. Free with free().
struct spy__upload *spy__upload_new(size_t max);
void spy__upload_add(struct spy__upload *upload, const char *bytes, size_t n);

#endif
