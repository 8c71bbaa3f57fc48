// Log lines of the library under test, caught in memory and read back as JSON.
#ifndef TESTS_LINES_H
#define TESTS_LINES_H

#include <jansson.h>

// A new file in memory, to be given to spy_start() as log_fd.
int lines_open(void);
// Starts the library with JSON lines into fd, at debug level.
void lines_start(int fd);
// All lines so far, as an array of objects; each must be JSON without duplicate keys. Publishes
// first. Free with json_decref().
json_t *lines_read(int fd);
// The last line whose event this is, or NULL. Borrowed from `lines`.
json_t *lines_last(json_t *lines, const char *event);
// A line's text under a key, "" where there is none.
const char *lines_str(const json_t *line, const char *key);

#endif
