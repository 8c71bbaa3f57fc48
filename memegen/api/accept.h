// What a client would rather have (RFC 9110, section 12.5.1).
#ifndef MEMEGEN_API_ACCEPT_H
#define MEMEGEN_API_ACCEPT_H

#include <stdbool.h>

// How welcome a media type ("text/html") is by the value of Accept, 0 to 1000: by the most specific
// range that names it. NULL (no such header) welcomes all.
int accept_quality(const char *accept, const char *type);

// Whether a page is more welcome than JSON.
bool accept_page(const char *accept);

#endif
