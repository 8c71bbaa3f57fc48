// The page: files that are built into the library, and the dashboards beside them.
//
// The table is made by console/embed.py. Every file goes out with a policy by which a browser runs
// and loads nothing but these files, and talks to nobody but this server.
#ifndef SERVE_CONSOLE_H
#define SERVE_CONSOLE_H

#include <microhttpd.h>
#include <stddef.h>

struct spy__console_file {
    const char *path, *type;
    const unsigned char *bytes;
    size_t len;
};

extern const struct spy__console_file spy__console_files[];
extern const size_t spy__console_files_count;

// The file at this path of the address, or NULL.
const struct spy__console_file *spy__console_find(const char *path);
// Returns NULL without memory.
struct MHD_Response *spy__console_response(const struct spy__console_file *file);

#endif
