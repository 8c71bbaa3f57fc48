// What memegen was told: defaults, then the config file, then the environment, then flags; the last one wins.
#ifndef MEMEGEN_CONFIG_H
#define MEMEGEN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// One row a setting in config.c: its key in the file, its variable, its flag, its default, its check, its help.
struct config {
    char *listen;        // HOST:PORT of the service; "127.0.0.1:8080"
    char *admin;         // HOST:PORT of the admin server; "127.0.0.1:8000"
    char *admin_token;   // secret: from SPY_ADMIN_TOKEN or SPY_ADMIN_TOKEN_FILE alone
    char *state_dir;     // "./memegen-state"; everything that memegen writes lies there
    char *database;      // "sqlite:<state_dir>/memegen.db"
    char *data_dir;      // templates, phrases, trends; found beside the program
    char *environment;   // SENTRY_ENVIRONMENT; "development"
    char *log_format;    // auto, json, console
    char *log_level;     // debug, info, warn, error
    char *resource_disk; // "/"
    long workers;        // 1 to 64; default: cores, at least 2
    long queue;          // 1 to 65536; 256
    long db_pool;        // 1 to 64; 8
    long cache_bytes;    // 64 MiB
    long cache_ttl_s;    // 300
    bool print_config, check_config, help, version; // what the command line asked for
};

// Fills *ret from file, environment and argv. 0, or -EINVAL with an English sentence on error (and usage where it fits).
int config_load(struct config *ret, int argc, char **argv, char *error, size_t error_size);
void config_done(struct config *config);
// The effective values as YAML, each with where it came from; secrets masked.
void config_print(const struct config *config, FILE *out);
void config_help(FILE *out);

#endif
