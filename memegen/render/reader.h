// Strict reading of a template's tree: types, ranges, no unknown keys; the first fault is told with
// its place.
//
// Every read_ function returns false on a fault, after writing "file: place: what" once; later
// faults keep the first text.
#ifndef MEMEGEN_RENDER_READER_H
#define MEMEGEN_RENDER_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "memegen/render/arena.h"

// Where in the tree: a chain from the value up to the root, on the stack of those who read.
struct place {
    const struct place *up; // NULL for the root
    const char *key;        // of a mapping, or NULL: index of a list
    size_t index;
};

struct reader {
    struct arena *arena;
    const char *file; // for the message
    char *error;
    size_t error_size;
    int status; // 0, -EINVAL or -ENOMEM: the first fault
};

__attribute__((format(printf, 3, 4))) bool read_fail(struct reader *r, const struct place *at,
                                                     const char *format, ...);
bool read_no_memory(struct reader *r);

// A mapping with no other keys than these (NULL-ended).
bool read_keys(struct reader *r, const struct place *at, const json_t *v,
               const char *const allowed[]);
bool read_list(struct reader *r, const struct place *at, const json_t *v, size_t min, size_t max);
bool read_number(struct reader *r, const struct place *at, const json_t *v, double min, double max,
                 double *ret);
// A list of min to max numbers, each a coordinate.
bool read_coords(struct reader *r, const struct place *at, const json_t *v, size_t min, size_t max,
                 double *ret, size_t *ret_count);
bool read_bool(struct reader *r, const struct place *at, const json_t *v, bool *ret);
// A string of 1 to max bytes, borrowed from the tree, whose strings hold no NUL (yaml.h).
bool read_string(struct reader *r, const struct place *at, const json_t *v, size_t max,
                 const char **ret);
// The same, copied to the arena.
bool read_copy(struct reader *r, const struct place *at, const json_t *v, size_t max,
               const char **ret);
// One of these words (NULL-ended): its index.
bool read_choice(struct reader *r, const struct place *at, const json_t *v,
                 const char *const words[], int *ret);

// The same for a key that may be absent: true, and *ret untouched.
bool read_key_number(struct reader *r, const struct place *at, const json_t *map, const char *key,
                     double min, double max, double *ret);
bool read_key_choice(struct reader *r, const struct place *at, const json_t *map, const char *key,
                     const char *const words[], int *ret);
bool read_key_bool(struct reader *r, const struct place *at, const json_t *map, const char *key,
                   bool *ret);

#endif
