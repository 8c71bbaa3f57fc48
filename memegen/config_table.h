// Inside config*.c: the table of settings and what is known of a row.
#ifndef MEMEGEN_CONFIG_TABLE_H
#define MEMEGEN_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "memegen/config.h"

#define CONFIG_OPENAI_URL "https://api.openai.com/v1"

enum config_origin {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_VARIABLE,
    CONFIG_FROM_FLAG,
};

struct setting {
    const char *key; // in the config file; its flag is "--" and the key with dashes
    const char *variable;
    size_t offset;     // of its field in struct config: a char *, or a long where max is set
    const char *value; // default; NULL: config.c works it out
    long min, max;
    const char *(*check)(
        const char *value); // NULL, or what is wrong, to follow the value in a sentence
    const char *not_built; // the part that it would configure, where this build has none: any value
                           // is refused
    bool secret; // from VARIABLE or the file that VARIABLE_FILE names: no key, no flag, never
                 // printed
    const char *help;
};

// Ends with a row whose key is NULL; at most CONFIG_SETTINGS_MAX rows.
extern const struct setting config_table[];

// By "key" (dashes false) or "key-with-dashes" (dashes true) of len bytes; NULL where there is
// none. Secrets have neither.
const struct setting *config_find(const char *name, size_t len, bool dashes);
// The key most like a name that is not one, or NULL where none is near.
const struct setting *config_nearest(const char *name, size_t len);

static inline char **config_text(struct config *config, const struct setting *setting)
{
    return (char **)((char *)config + setting->offset);
}

static inline long *config_number(struct config *config, const struct setting *setting)
{
    return (long *)((char *)config + setting->offset);
}

// Checks of the table.
const char *config_check_address(const char *value);
const char *config_check_clickhouse(const char *value);
const char *config_check_sentry(const char *value);
const char *config_check_rate(const char *value);
const char *config_check_database(const char *value);
const char *config_check_fallback(const char *value);
const char *config_check_file(const char *value);
const char *config_check_folder(const char *value);
const char *config_check_key(const char *value);
const char *config_check_log_format(const char *value);
const char *config_check_log_level(const char *value);
const char *config_check_log_levels(const char *value);
const char *config_check_redact(const char *value);
const char *config_check_repeats(const char *value);
const char *config_check_log_output(const char *value);
const char *config_check_profiling(const char *value);
const char *config_check_profile(const char *value);
const char *config_check_name(const char *value);
const char *config_check_on_off(const char *value);
const char *config_check_path(const char *value);
const char *config_check_prometheus(const char *value);
const char *config_check_url(const char *value);

// The folder of templates and phrases that belongs to the program in exe_dir, or NULL: in the build
// tree, installed, or beside it. Returns a new string.
char *config_find_data(const char *exe_dir);

#endif
