// Types of plain scalars by YAML's core schema (https://yaml.org/spec/1.2.2/#103-core-schema).
#ifndef MEMEGEN_YAML_SCALAR_H
#define MEMEGEN_YAML_SCALAR_H

#include <jansson.h>
#include <stddef.h>

// null, a truth value, an integer, a float, or else a string. text is NUL-ended and has no other
// NUL. Returns a new reference, or NULL and *why: what cannot be held (an infinity, an integer past
// 64 bits), or no memory.
json_t *yaml_plain_scalar(const char *text, size_t len, const char **why);

#endif
