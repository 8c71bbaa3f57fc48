#include "memegen/llm/price.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "memegen/yaml.h"

// Dearer than any token: a slip of the pen.
#define PRICE_MAX 1e6

static bool read_number(double *ret, const json_t *value)
{
    *ret = json_number_value(value);
    return json_is_number(value) && isfinite(*ret) && *ret >= 0 && *ret <= PRICE_MAX;
}

// Whether what follows the name is the date of a snapshot: "-YYYY-MM-DD".
static bool is_date(const char *rest)
{
    static const char form[] = "-dddd-dd-dd";
    size_t i = 0;
    while (form[i] && (form[i] == '-' ? rest[i] == '-' : isdigit((unsigned char)rest[i]) != 0)) {
        i++;
    }
    return !form[i] && !rest[i];
}

int price_load(struct price *ret, const char *path, const char *model, char *error,
               size_t error_size)
{
    json_t *root = yaml_load(path, error, error_size), *value;
    const char *name;
    int r = -ENOENT;
    if (!root) {
        return -EINVAL;
    }
    json_t *models = json_object_get(root, "models");
    if (!json_is_object(models)) {
        snprintf(error, error_size, "%s: the file must have a mapping \"models\"", path);
        r = -EINVAL;
    }
    // All of it is checked, whichever model is wanted: a wrong line is always a mistake.
    json_object_foreach(models, name, value)
    {
        struct price price;
        size_t n = strlen(name);
        bool exact = strcmp(model, name) == 0;
        if (!read_number(&price.input, json_object_get(value, "input")) ||
            !read_number(&price.output, json_object_get(value, "output")) ||
            json_object_size(value) != 2) {
            snprintf(error, error_size,
                     "%s: %.80s must have \"input\" and \"output\", in dollars a million tokens",
                     path, name);
            r = -EINVAL;
            break;
        }
        if (exact || (r == -ENOENT && strncmp(model, name, n) == 0 && is_date(model + n))) {
            *ret = price;
            r = 0;
        }
    }
    json_decref(root);
    if (r == -ENOENT) {
        snprintf(error, error_size, "%s: there is no price of %.80s", path, model);
    }
    return r;
}

double price_of(const struct price *price, const struct chat_usage *usage)
{
    return ((double)usage->input_tokens * price->input +
            (double)usage->output_tokens * price->output) /
           1e6;
}
