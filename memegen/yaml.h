// YAML files as jansson trees: the one place that knows libyaml.
//
// Plain scalars get their type by YAML's core schema (null, true/false, integer, float), quoted
// ones are strings. Aliases, tags, duplicate keys and more than one document are refused; depth and
// size are bounded.
#ifndef MEMEGEN_YAML_H
#define MEMEGEN_YAML_H

#include <jansson.h>
#include <stddef.h>

#define YAML_DEPTH_MAX 32
#define YAML_BYTES_MAX (4u << 20)

// Returns the tree (free with json_decref) or NULL; error then says what and where ("line 3: …"),
// NUL-ended.
json_t *yaml_parse(const char *text, size_t len, char *error, size_t error_size);
// As yaml_parse(); error begins with the path.
json_t *yaml_load(const char *path, char *error, size_t error_size);
// As yaml_load(), and puts the line of each key of the top mapping into the object `lines`
// (borrowed; NULL: nowhere).
json_t *yaml_load_lines(const char *path, json_t *lines, char *error, size_t error_size);

#endif
