// Any bytes as YAML: a tree or an error, never both, and what came out is bounded and valid.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0;
    const char *key;
    json_t *child;
    size_t i;
    if (json_is_array(value)) {
        json_array_foreach(value, i, child)
        {
            size_t depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, child)
        {
            size_t depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
    } else {
        return 0;
    }
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[128] = "";
    json_t *tree = yaml_parse((const char *)data, size, error, sizeof(error));
    if (!tree) {
        if (error[0] == '\0' || !memchr(error, '\0', sizeof(error))) {
            abort();
        }
        return 0;
    }
    if (error[0] != '\0' || depth_of(tree) > YAML_DEPTH_MAX) {
        abort();
    }
    char *text = json_dumps(tree, JSON_ENCODE_ANY); // fails on invalid UTF-8
    if (!text) {
        abort();
    }
    free(text);
    json_decref(tree);
    return 0;
}
